//! What is given up when there is no other way: which segment may be, and what the log says of it before it goes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::warn;

use super::super::StoreError;
use super::super::folder::{Entry, Folder};
use super::super::fs::Fs;
use super::super::reader::Reader;
use super::super::removed::Dropping;
use super::{ANSWER_PAUSE, READ_BYTES, Retention};
use crate::record::{Body, Dropped, Name, Offset, Record, Stretch};

impl<F: Fs> Retention<F> {
    /// Whether every frame of the segment that somebody lacks is of a device whose frames may be dropped. What an
    /// administrator did is never given up.
    pub(super) fn may_drop(&mut self, oldest: &Entry, next: &Entry) -> Result<bool, StoreError> {
        let passed = self.passed_by_all();
        if self.parts.config.drop_oldest.is_empty() || self.blocked.is_some_and(|blocked| passed < blocked) {
            return Ok(false);
        }
        let named =
            |device: &str| self.parts.config.drop_oldest.iter().any(|prefix| device.starts_with(prefix.as_str()));
        let mut blocked = None;
        records(&self.folder, oldest.first..next.first, |record| {
            let stays = match &record.body {
                Body::Frame(frame) | Body::Replayed(frame) => !named(&frame.device),
                Body::Act(_) => true,
                _ => false,
            };
            if stays && record.offset > passed {
                blocked = blocked.or(Some(record.offset));
            }
        })?;
        self.blocked = blocked;
        Ok(blocked.is_none())
    }

    /// One durable record per boot of a device, unless an earlier life has written it; false when that did not succeed.
    pub(super) fn tell_dropped(&mut self, oldest: &Entry, next: &Entry) -> Result<bool, StoreError> {
        let segment = oldest.header.segment;
        let begun = self.folder.removed().dropping.filter(|dropping| dropping.segment == segment);
        let dropping = begun.unwrap_or(Dropping { segment, since: self.folder.durable.offset() });
        self.folder.note_removed(|removed| removed.dropping = Some(dropping))?;
        let stretch = oldest.first..next.first;
        let mut told = Vec::new();
        records(&self.folder, dropping.since.next()..Offset(u64::MAX), |record| {
            if let Body::Dropped(dropped) = &record.body {
                told.push(dropped.clone());
            }
        })?;
        let mut untold = self.losses_in(stretch.clone())?;
        untold.retain(|loss| !told.contains(loss));
        let counted = |it: &Dropped, loss: &Dropped| {
            it.frames > 0 && stretch.contains(&it.stretch.first) && (&it.device, it.boot) == (&loss.device, loss.boot)
        };
        let dropped = self.dropped_in(stretch.clone())?;
        untold.extend(dropped.into_values().filter(|loss| !told.iter().any(|it| counted(it, loss))));
        for dropped in untold {
            let (frames, of_here) = (u64::from(dropped.frames), stretch.contains(&dropped.stretch.first));
            warn!(
                device = &*dropped.device,
                frames,
                first = dropped.first,
                last = dropped.last,
                "frames dropped for want of room"
            );
            if !self.append(Body::Dropped(dropped)) {
                return Ok(false);
            }
            self.parts.metrics.frames_dropped_total.add(if of_here { frames } else { 0 });
        }
        Ok(true)
    }

    /// The unconfirmed frames of a stretch, by boot of a device.
    fn dropped_in(&self, stretch: Range<Offset>) -> Result<BTreeMap<(Name, u32), Dropped>, StoreError> {
        let gate = &self.parts.gate;
        let cursor = |name: &Name| gate.cursor(name).unwrap_or_default();
        let cursors: Vec<(&Name, Offset)> = self.parts.consumers.iter().map(|name| (name, cursor(name))).collect();
        let mut drops: BTreeMap<(Name, u32), Dropped> = BTreeMap::new();
        records(&self.folder, stretch, |record| {
            let (Body::Frame(frame) | Body::Replayed(frame)) = &record.body else { return };
            let offset = record.offset;
            let lacking = cursors.iter().filter(|(_, confirmed)| *confirmed < offset);
            let lacking: Vec<&Name> = lacking.map(|(name, _)| *name).collect();
            if lacking.is_empty() {
                return;
            }
            let (boot, seq) = frame.identity.map_or((0, 0), |identity| (identity.boot, identity.seq));
            let reason = "the disk is full (disk.drop_oldest)";
            let dropped = drops
                .entry((Name::clone(&frame.device), boot))
                .or_insert_with(|| loss(&frame.device, &frame.subject, (boot, seq, seq), offset, reason.to_owned()));
            dropped.subject = Name::clone(&frame.subject);
            (dropped.first, dropped.last) = (dropped.first.min(seq), dropped.last.max(seq));
            dropped.frames += 1;
            dropped.stretch.last = offset;
            for name in lacking {
                match dropped.missed.iter_mut().find(|(missed, _)| missed.as_str() == &**name) {
                    Some((_, frames)) => *frames += 1,
                    None => dropped.missed.push((name.to_string(), 1)),
                }
            }
        })?;
        Ok(drops)
    }

    /// What the unconfirmed records of a stretch say of losses, to be said again: that is never dropped. Said as records
    /// that no halo counts, because halos have counted the first ones.
    fn losses_in(&self, stretch: Range<Offset>) -> Result<Vec<Dropped>, StoreError> {
        let passed = self.passed_by_all();
        let mut losses = Vec::new();
        records(&self.folder, stretch, |record| {
            let offset = record.offset;
            let said = match &record.body {
                Body::Gap(it) => {
                    let reason = "these sequences never came; the record that said so was deleted for want of room";
                    loss(&it.device, &it.subject, (it.boot, it.first, it.last), offset, reason.to_owned())
                }
                Body::Conflict(it) => {
                    let (boot, seq) = (it.identity.boot, it.identity.seq);
                    let reason = "this sequence was used twice; the record that said so was deleted for want of room";
                    loss(&it.device, &it.subject, (boot, seq, seq), offset, reason.to_owned())
                }
                Body::Expired(it) => {
                    let (frame, why) = (record.cause.unwrap_or_default(), &it.reason);
                    let reason = format!(
                        "quarantined frame {frame} expired: {why}; the record that said so was deleted for want of room"
                    );
                    loss(&it.device, &it.subject, (0, 0, 0), offset, reason)
                }
                Body::Dropped(it) => it.clone(),
                _ => return,
            };
            if offset > passed {
                losses.push(said);
            }
        })?;
        Ok(losses)
    }

    /// Appends a record and waits until it is durable; false when the log or the gateway ends first.
    fn append(&self, body: Body) -> bool {
        let mut draft = body.into();
        let mut answer = loop {
            match self.parts.appender.submit(draft) {
                Ok(Ok(answer)) => break answer,
                Ok(Err(back)) => draft = back,
                Err(_) => return false,
            }
            if self.stop.load(Ordering::Acquire) {
                return false;
            }
            std::thread::park_timeout(ANSWER_PAUSE);
        };
        loop {
            match answer.try_recv() {
                Ok(outcome) => return outcome.is_ok(),
                Err(tokio::sync::oneshot::error::TryRecvError::Closed) => return false,
                Err(tokio::sync::oneshot::error::TryRecvError::Empty) => {}
            }
            if self.stop.load(Ordering::Acquire) {
                return false;
            }
            std::thread::park_timeout(ANSWER_PAUSE);
        }
    }
}

fn loss(device: &Name, subject: &Name, range: (u32, u32, u32), at: Offset, reason: String) -> Dropped {
    let (boot, first, last) = range;
    let (device, subject, stretch) = (Name::clone(device), Name::clone(subject), Stretch { first: at, last: at });
    Dropped { device, subject, boot, first, last, frames: 0, stretch, reason, missed: Vec::new() }
}

/// Looks at every durable record with an offset in `stretch`.
fn records<F: Fs>(
    folder: &Arc<Folder<F>>,
    stretch: Range<Offset>,
    mut each: impl FnMut(&Record),
) -> Result<(), StoreError> {
    let mut reader = Reader::new(Arc::clone(folder), stretch.start);
    while reader.position() < stretch.end {
        let batch = reader.next(READ_BYTES)?;
        if batch.is_empty() {
            break;
        }
        batch.records.iter().take_while(|record| record.offset < stretch.end).for_each(&mut each);
    }
    Ok(())
}
