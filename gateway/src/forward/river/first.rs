//! Readings first: of a few records what they say goes out before they are folded.
//!
//! Whoever listens to readings waits for the disk and for little else: folding a frame takes longer than writing what it
//! says, and nobody who reads it needs the halo. What was decoded for it is handed to the fold, on the same thread and while
//! it is in the processor's cache.

use super::{Held, Shared, changes_reading, frame_of, publish_readings, wants_readings};
use crate::halo::Said;
use crate::ingest::readings::{Readings, read};
use crate::ingest::schemas::Schemas;
use crate::record::Record;

/// Records of one batch that are read before any of them is folded, and the points they may say, give or take a frame's:
/// some bytes say many, and all are held at once. The others follow one by one.
const AHEAD_MAX: usize = 32;
const POINTS_MAX: usize = 16_384;

/// What is known of a record whose readings are out.
#[expect(clippy::large_enum_variant, reason = "nearly all are the large one, and a list of them is filled once")]
pub(super) enum Told {
    /// Nobody wanted them, or it is no frame.
    Nothing,
    /// It cannot be read.
    Unreadable,
    /// These.
    Readings(Readings),
}

/// Reads and tells; its memory is used again.
#[derive(Default)]
pub(super) struct First {
    readings: Readings,
    spent: Vec<Readings>,
}

impl First {
    /// Lets out what the first records say, up to one that may change how those after it are read; what is known of each.
    /// `births` are those before the records.
    pub(super) fn tell(
        &mut self,
        records: &[Record],
        births: &Schemas,
        shared: &Shared,
        (topic, held): (&mut String, &mut Held),
    ) -> Vec<Told> {
        let (mut all, mut points) = (Vec::with_capacity(records.len().min(AHEAD_MAX)), 0);
        let alike = |record: &&Record| !changes_reading(&record.body, &shared.grammar);
        for record in records.iter().take(AHEAD_MAX).take_while(alike) {
            if points > POINTS_MAX {
                break;
            }
            let told = self.tell_one(record, births, shared, (topic, held));
            if let Told::Readings(readings) = &told {
                points += readings.points();
            }
            all.push(told);
        }
        all
    }

    fn tell_one(
        &mut self,
        record: &Record,
        births: &Schemas,
        shared: &Shared,
        (topic, held): (&mut String, &mut Held),
    ) -> Told {
        let wanted = frame_of(record).filter(|(_, frame)| wants_readings(shared, topic, frame));
        let Some((stored, frame)) = wanted else { return Told::Nothing };
        let mut said = self.spent.pop().unwrap_or_default();
        // Its buffers are for this frame to use.
        self.readings.exchange(&mut said);
        if read(frame, record.offset, births, &mut self.readings).is_err() {
            return Told::Unreadable;
        }
        publish_readings(shared, (topic, held), record.epoch, stored, frame, &self.readings);
        self.readings.exchange(&mut said);
        Told::Readings(said)
    }

    /// Takes back what was told, once it is folded.
    pub(super) fn take_back(&mut self, told: Vec<Told>) {
        let readings = |told| match told {
            Told::Readings(readings) => Some(readings).filter(Readings::is_modest),
            Told::Nothing | Told::Unreadable => None,
        };
        self.spent.extend(told.into_iter().filter_map(readings));
    }
}

impl Told {
    /// As the fold takes it.
    pub(super) fn said(&mut self) -> Said<'_> {
        match self {
            Self::Nothing => Said::Unread,
            Self::Unreadable => Said::Unreadable,
            Self::Readings(readings) => Said::Read(readings),
        }
    }
}

#[cfg(test)]
mod tests;
