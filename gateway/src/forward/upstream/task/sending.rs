//! What goes out: probes, the lanes of the log, halos.

use bytes::Bytes;
use halo_proto::topic::Topic;
use tracing::warn;

use super::{Connection, Ended, LOG_WAIT, Task};
use crate::forward::upstream::machine::{Do, Way};
use crate::forward::upstream::transport::{Message, Terms, Token};
use crate::record::{Body, Draft, Dropped, Frame, Name, Offset, Record, Stretch};
use crate::store::StoreError;
use crate::store::fs::Fs;

/// Records taken between two looks at the link.
const TURN_RECORDS: usize = 256;
/// What the envelope of a publish may need beside topic and payload, bytes.
const ENVELOPE_BYTES: usize = 256;

impl<F: Fs> Task<F> {
    pub(super) fn send_probe(&mut self, it: &mut Connection) -> Result<(), Ended> {
        if !it.subscribed {
            return Ok(());
        }
        let now_ms = self.now_ms();
        it.probe.look(now_ms);
        if let Some(payload) = it.probe.take(now_ms) {
            let message = Message { topic: self.probe_topic(), payload, retain: false, properties: Vec::new() };
            it.link.publish(Token::Probe, message).map_err(|why| Ended { why, by_peer: true })?;
        }
        Ok(())
    }

    /// All lanes, as the machine says whose turn it is.
    pub(super) async fn send_log(&mut self, it: &mut Connection) -> Result<(), Ended> {
        if !self.reads_log() {
            return Ok(());
        }
        for taken in 0..=TURN_RECORDS {
            let (live, backfill, sparks) = (self.has(Way::Live)?, self.has(Way::Backfill)?, self.has(Way::Sparks)?);
            let Some(way) = self.machine.pick(live, backfill, sparks) else {
                self.look_ahead();
                break;
            };
            if taken == TURN_RECORDS {
                it.more = true;
                break;
            }
            let Some(record) = self.source.take(way) else { break };
            let (fate, message) = self.source.render(&self.config, &self.shared, way, &record);
            let too_large = message.as_ref().and_then(|message| too_large(message, it.terms));
            match (self.machine.step(way, record.offset, record.stamp.mono_ms, fate), message, too_large) {
                (Do::Nothing, ..) | (_, None, _) => {}
                (Do::GiveUp, ..) => {
                    self.give_up(way, record.offset, "it ended every connection it was sent on").await?
                }
                (Do::Publish, _, Some(why)) => self.give_up(way, record.offset, &why).await?,
                (Do::Publish, Some(message), None) => {
                    it.link
                        .publish(Token::Log(way, record.offset), message)
                        .map_err(|why| Ended { why, by_peer: true })?;
                }
            }
        }
        Ok(())
    }

    /// Whether a way has a record to give.
    pub(super) fn has(&mut self, way: Way) -> Result<bool, StoreError> {
        let Some(from) = self.machine.wants(way) else { return Ok(false) };
        let Some(offset) = self.source.peek(way, from, &self.shared.damages)? else { return Ok(false) };
        if self.machine.end(way).is_some_and(|end| offset > end) {
            self.machine.ended(way);
            return Ok(false);
        }
        Ok(true)
    }

    /// Writes down that a message is lost to this upstream, and goes on without it.
    pub(super) async fn give_up(&mut self, way: Way, offset: Offset, why: &str) -> Result<(), Ended> {
        let reason = format!("upstream {}: {why}", self.config.name);
        warn!(upstream = self.config.name, %offset, why, "a message is given up");
        if let Some(draft) = self.source.fetch(offset).and_then(|record| dropped(&record, &self.config.name, &reason)) {
            let written = tokio::time::timeout(LOG_WAIT, self.shared.appender.append(draft)).await;
            written
                .map_err(|_| "the log took no record in time".to_owned())
                .and_then(|written| written.map_err(|error| error.to_string()))
                .map_err(Ended::ours)?;
        }
        self.machine.gave_up(way, offset);
        self.board.lock().given_up += 1;
        self.failed(reason);
        Ok(())
    }

    pub(super) fn take_changes(&mut self) {
        let now_ms = self.now_ms();
        for subject in self.changes.as_ref().map(|changes| changes.take()).unwrap_or_default() {
            self.halos.touch(&subject, now_ms);
        }
    }

    /// Has the river render what is due; what it says is sent when it has come.
    pub(super) fn ask_for_halos(&mut self) {
        let names = self.halos.take(self.now_ms());
        if names.is_empty() {
            return;
        }
        self.jobs.render(self.shared.asker.clone(), names);
    }

    /// One that is too large is not sent at all: the next one of the subject may be smaller.
    pub(super) fn send_halo(&mut self, subject: Name, payload: Bytes, it: &mut Connection) -> Result<(), Ended> {
        let topic = self.shared.grammar.display(Topic::Halo { subject: &subject }).to_string();
        let message = Message { topic: self.config.topic(&topic), payload, retain: true, properties: Vec::new() };
        if too_large(&message, it.terms).is_some() {
            self.halos.answered(&subject, true, self.now_ms());
            self.failed(format!("the halo of {subject} is too large for the broker"));
            return Ok(());
        }
        it.link.publish(Token::Halo(subject), message).map_err(|why| Ended { why, by_peer: true })
    }
}

fn too_large(message: &Message, terms: Terms) -> Option<String> {
    let bytes = message.topic.len() + message.payload.len() + ENVELOPE_BYTES;
    let max = usize::try_from(terms.packet_max?).unwrap_or(usize::MAX);
    (bytes > max).then(|| format!("the packet has about {bytes} bytes, the broker takes {max}"))
}

/// The record of a frame that this upstream will not get; a document about a loss has none.
fn dropped(record: &Record, upstream: &str, reason: &str) -> Option<Draft> {
    let (Body::Frame(frame) | Body::Replayed(frame)) = &record.body else { return None };
    let Frame { device, subject, identity, .. } = frame;
    let (boot, seq) = identity.map_or((0, 0), |identity| (identity.boot, identity.seq));
    // A frame read again is in the account already, as quarantined.
    let is_first = matches!(record.body, Body::Frame(_));
    let body = Body::Dropped(Dropped {
        device: device.clone(),
        subject: subject.clone(),
        boot,
        first: seq,
        last: seq,
        frames: 1,
        stretch: Stretch { first: record.offset, last: record.offset },
        reason: reason.to_owned(),
        missed: if is_first { vec![(upstream.to_owned(), 1)] } else { Vec::new() },
    });
    Some(Draft { cause: Some(record.offset), body })
}
