//! Which payloads are stored already.
//!
//! Native frames: the CRC-32C of the last 4,096 sequences of each (device, boot), in pages of 64. Plain payloads: a hash
//! of (signal, time, value) of the last 4,096 points of each device, in pages of 32. A page is a checkpoint row of about
//! 270 bytes; only pages written since the last checkpoint are written again.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Sequences on one page.
const PAGE_SEQUENCES: u32 = 64;
/// Pages kept per (device, boot): 4,096 whole sequences besides the page being filled.
const PAGES_MAX: usize = 4096 / PAGE_SEQUENCES as usize + 1;
/// Points on one page.
const PAGE_POINTS: usize = 32;
/// Pages of points kept per device.
const POINT_PAGES_MAX: usize = 4096 / PAGE_POINTS + 1;

/// What is known of a sequence's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Stored, byte for byte the same as far as 32 bits tell.
    Same,
    /// Stored with other bytes.
    Other,
    /// Its page is kept and does not have it: never stored.
    Never,
    /// Its page is not kept: never stored, or too long ago to compare.
    Unknown,
}

/// The payloads of one (device, boot).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Payloads {
    /// In order of creation, the newest at the back: a counter that starts over pushes its old life out.
    pages: VecDeque<Page>,
    born: u32,
}

/// Payload checksums of sequences `64 × index ..`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Page {
    pub(super) index: u32,
    /// Counts pages of its boot, to keep their order across a restart.
    born: u32,
    /// Bit n: sequence 64 × index + n is here.
    present: u64,
    #[serde(with = "fixed_u32")]
    crcs: Vec<u32>,
    #[serde(skip)]
    dirty: bool,
}

impl Payloads {
    /// What is known of a sequence.
    pub(super) fn before(&self, seq: u32, crc: u32) -> Before {
        match self.page(seq / PAGE_SEQUENCES).map(|page| page.crc(seq)) {
            Some(Some(stored)) if stored == crc => Before::Same,
            Some(Some(_)) => Before::Other,
            Some(None) => Before::Never,
            None => Before::Unknown,
        }
    }

    /// Takes note of a stored payload, over any earlier one; the index of the page given up for it.
    pub(super) fn store(&mut self, seq: u32, crc: u32) -> Option<u32> {
        let index = seq / PAGE_SEQUENCES;
        if let Some(page) = self.pages.iter_mut().rev().find(|page| page.index == index) {
            page.set(seq, crc);
            return None;
        }
        let mut page =
            Page { index, born: self.born, present: 0, crcs: vec![0; PAGE_SEQUENCES as usize], dirty: false };
        page.set(seq, crc);
        self.born = self.born.wrapping_add(1);
        self.pages.push_back(page);
        if self.pages.len() > PAGES_MAX { self.pages.pop_front().map(|page| page.index) } else { None }
    }

    /// Pages written since the last call.
    pub(super) fn take_dirty(&mut self) -> impl Iterator<Item = &Page> {
        self.pages.iter_mut().filter_map(|page| std::mem::take(&mut page.dirty).then_some(&*page))
    }

    /// Indexes of all pages kept.
    pub(super) fn indexes(&self) -> impl Iterator<Item = u32> {
        self.pages.iter().map(|page| page.index)
    }

    /// Puts back a page from a checkpoint; pages may come in any order.
    pub(super) fn restore(&mut self, page: Page) {
        let at = self.pages.partition_point(|other| other.born < page.born);
        self.born = self.born.max(page.born.wrapping_add(1));
        self.pages.insert(at, page);
    }

    fn page(&self, index: u32) -> Option<&Page> {
        self.pages.iter().rev().find(|page| page.index == index)
    }
}

impl Page {
    fn crc(&self, seq: u32) -> Option<u32> {
        let slot = seq % PAGE_SEQUENCES;
        if self.present >> slot & 1 == 0 { None } else { self.crcs.get(slot as usize).copied() }
    }

    fn set(&mut self, seq: u32, crc: u32) {
        let slot = seq % PAGE_SEQUENCES;
        if let Some(place) = self.crcs.get_mut(slot as usize) {
            *place = crc;
            self.present |= 1 << slot;
            self.dirty = true;
        }
    }
}

/// The points of one device that carry a time of their own.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Points {
    pages: VecDeque<PointPage>,
}

/// Hashes of up to 32 points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PointPage {
    /// Counts pages of its device.
    pub(super) born: u64,
    #[serde(with = "fixed_u64")]
    hashes: Vec<u64>,
    #[serde(skip)]
    dirty: bool,
}

impl Points {
    /// Whether a point is stored already.
    pub(super) fn contains(&self, hash: u64) -> bool {
        self.pages.iter().rev().any(|page| page.hashes.contains(&hash))
    }

    /// Takes note of a stored point; the page given up for it.
    pub(super) fn store(&mut self, hash: u64) -> Option<u64> {
        if let Some(page) = self.pages.back_mut().filter(|page| page.hashes.len() < PAGE_POINTS) {
            page.hashes.push(hash);
            page.dirty = true;
            return None;
        }
        let born = self.pages.back().map_or(0, |page| page.born + 1);
        let mut hashes = Vec::with_capacity(PAGE_POINTS);
        hashes.push(hash);
        self.pages.push_back(PointPage { born, hashes, dirty: true });
        if self.pages.len() > POINT_PAGES_MAX { self.pages.pop_front().map(|page| page.born) } else { None }
    }

    /// Pages written since the last call.
    pub(super) fn take_dirty(&mut self) -> impl Iterator<Item = &PointPage> {
        self.pages.iter_mut().filter_map(|page| std::mem::take(&mut page.dirty).then_some(&*page))
    }

    /// Numbers of all pages kept.
    pub(super) fn pages(&self) -> impl Iterator<Item = u64> {
        self.pages.iter().map(|page| page.born)
    }

    /// Puts back a page from a checkpoint; pages may come in any order.
    pub(super) fn restore(&mut self, page: PointPage) {
        let at = self.pages.partition_point(|other| other.born < page.born);
        self.pages.insert(at, page);
    }
}

/// Identity of a plain reading. Stable across builds, because it is checkpointed.
pub(super) fn point_hash(signal: &str, event_ms: i64, value: &[u8]) -> u64 {
    // FNV-1a over the parts, then a finaliser, so that neighbouring times differ in all bits.
    let bytes = signal.bytes().chain([0]).chain(event_ms.to_le_bytes()).chain(value.iter().copied());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ hash >> 33
}

/// Checksums are evenly spread, so four bytes each are shorter than varints.
macro_rules! fixed {
    ($module:ident, $number:ty) => {
        mod $module {
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            pub(super) fn serialize<S: Serializer>(numbers: &[$number], serializer: S) -> Result<S::Ok, S::Error> {
                let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                bytes.serialize(serializer)
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<$number>, D::Error> {
                let bytes = Vec::<u8>::deserialize(deserializer)?;
                let numbers = bytes.chunks_exact(size_of::<$number>());
                Ok(numbers.map(|number| <$number>::from_le_bytes(number.try_into().unwrap_or_default())).collect())
            }
        }
    };
}
fixed!(fixed_u32, u32);
fixed!(fixed_u64, u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_told_from_others() {
        let mut payloads = Payloads::default();
        assert_eq!(payloads.before(5, 1), Before::Unknown);
        payloads.store(5, 1);
        assert_eq!(payloads.before(5, 1), Before::Same);
        assert_eq!(payloads.before(5, 2), Before::Other);
        assert_eq!(payloads.before(6, 1), Before::Never);
        payloads.store(5, 2);
        assert_eq!(payloads.before(5, 2), Before::Same);
    }

    #[test]
    fn the_last_4096_sequences_are_kept_and_older_pages_given_up() {
        let mut payloads = Payloads::default();
        let given_up: Vec<u32> = (0..10_000u32).filter_map(|seq| payloads.store(seq, seq ^ 7)).collect();
        assert!((10_000 - 4096..10_000).all(|seq| payloads.before(seq, seq ^ 7) == Before::Same));
        assert_eq!(payloads.before(100, 100 ^ 7), Before::Unknown);
        assert_eq!(payloads.indexes().count(), PAGES_MAX);
        assert_eq!(given_up, (0..given_up.len() as u32).collect::<Vec<_>>());
    }

    #[test]
    fn a_counter_that_starts_over_is_compared_with_its_new_life() {
        let mut payloads = Payloads::default();
        for seq in 1_000_000..1_010_000 {
            payloads.store(seq, 1);
        }
        for seq in 0..200 {
            payloads.store(seq, 2);
        }
        assert!((0..200).all(|seq| payloads.before(seq, 2) == Before::Same));
    }

    #[test]
    fn only_written_pages_are_dirty_and_any_order_restores_them() {
        let mut payloads = Payloads::default();
        for seq in 0..1000 {
            payloads.store(seq, seq);
        }
        let mut pages: Vec<Page> = payloads.take_dirty().cloned().collect();
        assert_eq!(pages.len(), 16);
        assert_eq!(payloads.take_dirty().count(), 0);
        payloads.store(3, 9);
        assert_eq!(payloads.take_dirty().map(|page| page.index).collect::<Vec<_>>(), [0]);
        payloads.store(3, 3);
        assert_eq!(payloads.take_dirty().count(), 1);
        pages.reverse();
        let mut restored = Payloads::default();
        pages.into_iter().for_each(|page| restored.restore(page));
        assert_eq!(restored, payloads);
        let row = postcard::to_stdvec(&restored.pages[0]).unwrap();
        assert!(row.len() < 280, "{} bytes", row.len());
    }

    #[test]
    fn points_are_kept_for_the_last_4096() {
        let mut points = Points::default();
        for n in 0..10_000 {
            points.store(point_hash("x", n, b"1"));
        }
        assert!((10_000 - 4096..10_000).all(|n| points.contains(point_hash("x", n, b"1"))));
        assert!(!points.contains(point_hash("x", 0, b"1")));
        let mut restored = Points::default();
        let mut pages: Vec<PointPage> = points.take_dirty().cloned().collect();
        pages.reverse();
        pages.into_iter().for_each(|page| restored.restore(page));
        assert_eq!(restored, points);
    }

    #[test]
    fn a_point_is_its_signal_time_and_value() {
        let hash = point_hash("a", 1, b"1");
        assert_ne!(hash, point_hash("b", 1, b"1"));
        assert_ne!(hash, point_hash("a", 2, b"1"));
        assert_ne!(hash, point_hash("a", 1, b"2"));
        assert_eq!(hash, point_hash("a", 1, b"1"));
    }
}
