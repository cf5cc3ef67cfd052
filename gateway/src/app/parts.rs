//! What the administration desk is told of the stages it does not know.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::admin::{Disk as DiskRow, Held, Parts, Upstream, time};
use crate::clock::Clock;
use crate::forward::owned::Asker;
use crate::forward::upstream::{Status, Upstreams};
use crate::record::Offset;
use crate::source::{self, Sources};
use crate::store::Pins;
use crate::store::backup;
use crate::store::disk::Budget;
use crate::store::fs::Disk;
use crate::store::head::Head;

/// The parts of a running gateway.
pub(super) struct Stages {
    pub(super) budget: Arc<Budget>,
    pub(super) upstreams: Upstreams,
    pub(super) sources: Sources,
    pub(super) backups: Arc<backup::Source<Disk>>,
    pub(super) pins: Pins,
    pub(super) clock: Clock,
    pub(super) asker: Asker,
}

impl Parts for Stages {
    fn disk(&self) -> Option<DiskRow> {
        let report = self.budget.report();
        Some(DiskRow { used: report.used, max: report.max, mark: report.mark.as_str(), left: report.left })
    }

    fn confirm_clock(&self) {
        self.budget.confirm_clock();
    }

    fn upstreams(&self) -> Option<Vec<Upstream>> {
        Some(self.upstreams.list().iter().map(upstream).collect())
    }

    fn hold(&self, upstream: &str, held: bool) {
        // One that is not there any more has nothing to be held.
        self.upstreams.hold(upstream, held);
    }

    fn sources(&self) -> Vec<Value> {
        self.sources.list().iter().map(source).collect()
    }

    fn rules(&self) -> Option<Asker> {
        Some(self.asker.clone())
    }

    fn quarantine(&self, head: &Head) -> Option<Vec<Held>> {
        let held = head.ingest().quarantine().entries().map(|entry| Held {
            offset: entry.offset,
            reason: entry.reason.clone(),
            attempts: entry.attempts,
            since_ms: entry.since.wall_ms,
            frame: entry.frame.clone(),
        });
        Some(held.collect())
    }

    fn backup(&self, to: &Path) -> Result<Value, String> {
        // Nothing goes while it is copied.
        let _pin = self.pins.pin(Offset(0));
        let made = self.backups.backup(to, self.clock.now(), |_| ()).map_err(|error| error.to_string())?;
        Ok(json!({"path": made.path, "files": made.files, "bytes": made.bytes, "durable": made.durable.0}))
    }
}

fn upstream(status: &Status) -> Upstream {
    let live = status.live.as_ref().map(|lane| lane.confirmed.0);
    let backfill = status.backfill.as_ref().map(|lane| lane.confirmed.0);
    let sparks = status.sparks.as_ref().map(|lane| lane.confirmed.0);
    Upstream {
        name: status.name.clone(),
        state: status.state.as_str().to_owned(),
        lag_ms: status.lag_ms,
        forwarded: status.account.forwarded,
        pending: status.pending,
        more: json!({
            "url": status.url, "since": time(status.since_ms), "round_trip_ms": status.round_trip_ms,
            "round_trip_is_puback": status.round_trip_is_puback, "live": live, "backfill": backfill, "sparks": sparks,
            "quarantined": status.account.quarantined, "dropped": status.account.dropped,
            "counting": status.counting, "repeats_possible": status.repeats_possible, "repeated": status.repeated,
            "halos": status.halos, "halos_pending": status.halos_pending, "given_up": status.given_up, "connections": status.connections,
            "last_error": status.last_error, "earlier_error": status.earlier_error,
            "error_at": status.error_at_ms.map(time), "next_try": status.next_try_ms.map(time),
        }),
    }
}

fn source(status: &source::Status) -> Value {
    json!({
        "source": status.name, "url": status.url, "state": state(status.state), "received": status.received,
        "stored": status.stored, "repeated": status.repeated, "known": status.known, "refused": status.refused,
        "connections": status.connections, "sessions_forgotten": status.sessions_forgotten,
        "round_trip_ms": status.round_trip.map(|it| it.as_millis() as u64), "last_error": status.last_error,
    })
}

fn state(state: source::State) -> &'static str {
    match state {
        source::State::Connecting => "connecting",
        source::State::Connected => "connected",
        source::State::Flowing => "flowing",
        source::State::Waiting => "waiting",
        source::State::Stopped => "stopped",
    }
}
