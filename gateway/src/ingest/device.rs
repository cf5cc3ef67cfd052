//! What ingest keeps of one device: about 100 bytes, and a page of about 270 for every 64 frames of the last 4,096.

use serde::{Deserialize, Serialize};

use super::checkpoint::{Key, Rows};
use super::clocks::{Clocks, Sighting};
use super::duplicates::{Before, Page, Payloads, PointPage, Points};
use super::facts::Facts;
use super::sequence::{Hole, Sequences};
use crate::record::{ClockSource, ClockUse, Frame, Identity};

/// State of one device.
#[derive(Clone, Debug, Default)]
pub(super) struct Device {
    core: Core,
    /// By boot, for the boots that `core.sequences` knows.
    payloads: Vec<(u32, Payloads)>,
    points: Points,
    /// Rows of the last checkpoint that are no longer true.
    obsolete: Vec<Obsolete>,
    dirty: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Core {
    sequences: Sequences,
    clocks: Clocks,
}

#[derive(Clone, Debug)]
enum Obsolete {
    Page { boot: u32, index: u32 },
    Points { born: u64 },
}

/// What a stored frame makes due.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Noted {
    /// Sequences given up.
    pub(super) closed: Vec<Hole>,
    /// The sequence was used before, with other bytes or too long ago to compare.
    pub(super) conflict: bool,
}

impl Device {
    /// Whether this very payload is stored already under its identity.
    pub(super) fn has_stored(&self, identity: Identity, crc: u32) -> bool {
        self.before(identity, crc) == Before::Same
    }

    /// Whether all these points are stored already.
    pub(super) fn has_points(&self, points: &[u64]) -> bool {
        !points.is_empty() && points.iter().all(|point| self.points.contains(*point))
    }

    /// The clock to use for a frame, before it is applied.
    pub(super) fn clock(&self, frame: &Frame, facts: &Facts) -> ClockUse {
        if let Some((boot, sighting)) = facts.sighting(frame) {
            return self.core.clocks.preview(boot, sighting);
        }
        match facts.header {
            Some(header) => self.core.clocks.fallback(header.boot, facts.first_ms, frame.arrival),
            None if facts.timed => ClockUse { offset_ms: 0, source: ClockSource::Synced },
            None => ClockUse { offset_ms: 0, source: ClockSource::Estimated },
        }
    }

    /// Takes note of a stored frame.
    pub(super) fn apply(&mut self, frame: &Frame, facts: &Facts) -> Noted {
        let mut noted = Noted::default();
        if let Some(identity) = facts.identity() {
            noted.conflict = self.is_conflict(identity, facts.crc);
            let seen = self.core.sequences.see(identity);
            noted.closed = seen.closed;
            if let Some(boot) = seen.forgotten {
                self.forget(boot);
            }
            self.store(identity, facts.crc);
        }
        if let Some((boot, sighting)) = facts.sighting(frame) {
            self.core.clocks.observe(boot, sighting);
        }
        self.apply_points(&facts.points);
        noted
    }

    /// Takes note of points that could not be read when their frame was stored.
    pub(super) fn apply_points(&mut self, points: &[u64]) {
        for point in points {
            if !self.points.contains(*point) {
                let obsolete = self.points.store(*point);
                self.obsolete.extend(obsolete.map(|born| Obsolete::Points { born }));
            }
        }
    }

    /// Takes note of a birth.
    pub(super) fn apply_birth(&mut self, boot: u32, sighting: Sighting) {
        self.core.clocks.observe(boot, sighting);
    }

    /// How often the device's own time was refused.
    pub(super) fn clocks_refused(&self) -> u32 {
        self.core.clocks.refused()
    }

    /// The sequences seen.
    pub(super) fn sequences(&self) -> &Sequences {
        &self.core.sequences
    }

    fn before(&self, identity: Identity, crc: u32) -> Before {
        let payloads = self.payloads.iter().find(|(boot, _)| *boot == identity.boot);
        payloads.map_or(Before::Unknown, |(_, payloads)| payloads.before(identity.seq, crc))
    }

    fn is_conflict(&self, identity: Identity, crc: u32) -> bool {
        match self.before(identity, crc) {
            Before::Other => true,
            // The page is gone: what the ranges know was stored too long ago to compare.
            Before::Unknown => self.core.sequences.contains(identity),
            Before::Same | Before::Never => false,
        }
    }

    fn store(&mut self, Identity { boot, seq }: Identity, crc: u32) {
        let at = self.payloads.iter().position(|(known, _)| *known == boot).unwrap_or_else(|| {
            self.payloads.push((boot, Payloads::default()));
            self.payloads.len() - 1
        });
        let obsolete = self.payloads.get_mut(at).and_then(|(_, payloads)| payloads.store(seq, crc));
        self.obsolete.extend(obsolete.map(|index| Obsolete::Page { boot, index }));
    }

    fn forget(&mut self, boot: u32) {
        let Some(at) = self.payloads.iter().position(|(known, _)| *known == boot) else { return };
        let (_, payloads) = self.payloads.remove(at);
        self.obsolete.extend(payloads.indexes().map(|index| Obsolete::Page { boot, index }));
    }

    /// Marks it for the next checkpoint; whether it was not yet.
    pub(super) fn touch(&mut self) -> bool {
        !std::mem::replace(&mut self.dirty, true)
    }

    /// Adds the rows that changed since the last call.
    pub(super) fn save(&mut self, name: &str, rows: &mut Rows) {
        self.dirty = false;
        for obsolete in self.obsolete.drain(..) {
            rows.delete(match obsolete {
                Obsolete::Page { boot, index } => Key::Page { device: name, boot, index },
                Obsolete::Points { born } => Key::Points { device: name, born },
            });
        }
        rows.put(Key::Device { device: name }, &self.core);
        for (boot, payloads) in &mut self.payloads {
            for page in payloads.take_dirty() {
                rows.put(Key::Page { device: name, boot: *boot, index: page.index }, page);
            }
        }
        for page in self.points.take_dirty() {
            rows.put(Key::Points { device: name, born: page.born }, page);
        }
    }

    /// Removes every row it may have.
    pub(super) fn erase(&self, name: &str, rows: &mut Rows) {
        rows.delete(Key::Device { device: name });
        for obsolete in &self.obsolete {
            rows.delete(match *obsolete {
                Obsolete::Page { boot, index } => Key::Page { device: name, boot, index },
                Obsolete::Points { born } => Key::Points { device: name, born },
            });
        }
        for (boot, payloads) in &self.payloads {
            payloads.indexes().for_each(|index| rows.delete(Key::Page { device: name, boot: *boot, index }));
        }
        self.points.pages().for_each(|born| rows.delete(Key::Points { device: name, born }));
    }

    /// Puts back a row.
    pub(super) fn restore_core(&mut self, core: Core) {
        self.core = core;
    }

    /// Puts back a row.
    pub(super) fn restore_page(&mut self, boot: u32, page: Page) {
        let at = self.payloads.iter().position(|(known, _)| *known == boot).unwrap_or_else(|| {
            self.payloads.push((boot, Payloads::default()));
            self.payloads.len() - 1
        });
        if let Some((_, payloads)) = self.payloads.get_mut(at) {
            payloads.restore(page);
        }
    }

    /// Puts back a row.
    pub(super) fn restore_points(&mut self, page: PointPage) {
        self.points.restore(page);
    }
}
