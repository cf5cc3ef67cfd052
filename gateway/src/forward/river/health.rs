//! What the gateway can be relied on for, as the river sees it: looked at often, told when it changes and now and then.

use bytes::Bytes;
use halo_proto::topic::Topic;

use super::super::health_json::{Health, State, health_json};
use super::{River, publish, write_topic};
use crate::store::fs::Fs;

/// Time between two publications of an unchanged health topic, milliseconds.
const HEALTH_PERIOD_MS: u64 = 10_000;
/// Time between two looks at whether it has changed, milliseconds.
const HEALTH_LOOK_MS: u64 = 100;

impl<F: Fs> River<F> {
    pub(super) fn set_health(&mut self, state: State) {
        if self.health != state {
            self.health = state;
            self.health_due_ms = 0;
            self.look_after_health();
        }
    }

    /// Between two looks readings flow: with a frame a batch, each look would cost as much as the frame.
    pub(super) fn look_after_health(&mut self) {
        let now_ms = self.now_ms();
        if now_ms < self.health_look_ms && now_ms < self.health_due_ms {
            return;
        }
        self.health_look_ms = now_ms + HEALTH_LOOK_MS;
        let state = self.health_by(&self.ailments());
        if self.health != state {
            (self.health, self.health_due_ms) = (state, 0);
        }
        if now_ms < self.health_due_ms {
            return;
        }
        self.health_due_ms = now_ms + HEALTH_PERIOD_MS;
        write_topic(&mut self.topic, &self.shared.grammar, Topic::Health { gateway: &self.shared.gateway_id });
        if self.shared.router.wants(&self.topic) {
            let payload = self.health_payload();
            publish(&self.shared.router, &self.topic, payload, true, &mut self.wakes);
            self.wakes.wake();
        }
    }

    /// What it can be relied on for, if that is wrong.
    fn health_by(&self, ailments: &[String]) -> State {
        match self.health {
            State::Ready | State::Degraded if ailments.is_empty() => State::Ready,
            State::Ready | State::Degraded => State::Degraded,
            other => other,
        }
    }

    /// What is wrong, for a human.
    fn ailments(&self) -> Vec<String> {
        let gate = &self.shared.gate;
        let known = [
            (gate.has_failed(), "the log is not written any more: nothing is acknowledged until a restart"),
            (gate.has_no_room(), "the disk has no place for another record: free some, publishes are not acknowledged"),
            (!gate.is_open(), "more waits for the disk or the fold than is allowed: sockets are not read"),
            (!self.checkpoints.is_healthy(), "checkpoints cannot be written: the next start takes longer"),
            (self.unreadable, "the log cannot be read: halos stand still"),
        ];
        let known = known.iter().filter(|(is, _)| *is).map(|(_, reason)| (*reason).to_owned());
        let upstreams = self.shared.upstreams.ailments(self.shared.clock.now());
        let known = known.chain(self.sparks.engine().ailments()).chain(self.shared.models.ailments());
        known.chain(self.shared.damages.ailment()).chain(self.shared.budget.ailments()).chain(upstreams).collect()
    }

    pub(super) fn health_payload(&self) -> Bytes {
        let metrics = &self.shared.metrics;
        // Whoever asks between two looks is told state and reasons of one moment.
        let reasons = self.ailments();
        health_json(&Health {
            gateway: &self.shared.gateway_id,
            version: env!("CARGO_PKG_VERSION"),
            state: self.health_by(&reasons),
            reasons: &reasons,
            time_ms: Some(self.shared.clock.now().wall_ms),
            durable: self.reader.durable().offset(),
            folded: self.fold.applied(),
            lag_bytes: self.shared.gate.unfolded_bytes(),
            subjects: self.fold.subjects_len() as u64,
            connections: metrics.broker_connections_total.get().saturating_sub(metrics.broker_closed_total.get()),
        })
    }
}
