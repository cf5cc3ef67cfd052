//! Which sequences of a device have been seen, in bounded space; what is missing between them.

use serde::{Deserialize, Serialize};

use crate::record::Identity;

/// Most ranges of seen sequences kept per boot; one more closes the oldest hole.
pub const RANGES_MAX: usize = 256;
/// Most boots kept per device, in order of first arrival; one more closes the oldest boot.
pub const BOOTS_MAX: usize = 8;

/// The sequences seen of one device. Ingest decides gaps with it, the fold counts missing frames with it.
///
/// Loss is only what lies between the first sequence that arrived of a boot and the highest one: a gateway that joins
/// late does not call what came before it lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequences {
    /// In order of first arrival.
    boots: Vec<Boot>,
    gaps: u64,
    lost: u64,
}

/// Sequences `first..=last` of a boot that are no longer waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hole {
    /// The boot they belong to.
    pub boot: u32,
    /// First missing sequence.
    pub first: u32,
    /// Last missing sequence.
    pub last: u32,
}

/// What one sequence changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// It was not known before.
    pub new: bool,
    /// Its boot was not known before.
    pub new_boot: bool,
    /// The boot that had to be forgotten to make room.
    pub forgotten: Option<u32>,
    /// Holes given up to make room, oldest first.
    pub closed: Vec<Hole>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Boot {
    boot: u32,
    /// The first sequence that arrived: below it nothing counts as missing.
    floor: u32,
    /// Ascending, inclusive, never touching each other, never empty.
    ranges: Vec<(u32, u32)>,
}

impl Sequences {
    /// Takes note of one sequence.
    pub fn see(&mut self, identity: Identity) -> Seen {
        let mut seen = Seen::default();
        if let Some(boot) = self.boots.iter_mut().find(|boot| boot.boot == identity.boot) {
            seen.new = boot.insert(identity.seq);
            if boot.ranges.len() > RANGES_MAX {
                seen.closed.extend(boot.close_oldest_hole());
            }
        } else {
            seen.new = true;
            seen.new_boot = true;
            if self.boots.len() == BOOTS_MAX {
                let oldest = self.boots.remove(0);
                seen.closed.extend(oldest.holes());
                seen.forgotten = Some(oldest.boot);
            }
            let Identity { boot, seq } = identity;
            self.boots.push(Boot { boot, floor: seq, ranges: vec![(seq, seq)] });
        }
        self.gaps += seen.closed.len() as u64;
        self.lost += seen.closed.iter().map(Hole::len).sum::<u64>();
        seen
    }

    /// Whether the sequence was seen, or given up.
    pub fn contains(&self, identity: Identity) -> bool {
        let boot = self.boots.iter().find(|boot| boot.boot == identity.boot);
        boot.is_some_and(|boot| boot.position(identity.seq).is_ok())
    }

    /// Whether anything of this boot is known.
    pub fn knows_boot(&self, boot: u32) -> bool {
        self.boots.iter().any(|known| known.boot == boot)
    }

    /// Sequences still waited for.
    pub fn missing(&self) -> u64 {
        self.boots.iter().flat_map(Boot::holes).map(|hole| hole.len()).sum()
    }

    /// Holes given up so far.
    pub fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Sequences in the holes given up so far.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

impl Hole {
    /// How many sequences it spans.
    #[expect(clippy::len_without_is_empty, reason = "a hole is never empty")]
    pub fn len(&self) -> u64 {
        u64::from(self.last - self.first) + 1
    }
}

impl Boot {
    /// The range that holds `seq`, or where one would go.
    fn position(&self, seq: u32) -> Result<usize, usize> {
        let after = self.ranges.partition_point(|(first, _)| *first <= seq);
        match after.checked_sub(1) {
            Some(at) if self.ranges[at].1 >= seq => Ok(at),
            _ => Err(after),
        }
    }

    fn insert(&mut self, seq: u32) -> bool {
        let Err(at) = self.position(seq) else { return false };
        let joins_left = at > 0 && self.ranges[at - 1].1.checked_add(1) == Some(seq);
        let joins_right = self.ranges.get(at).is_some_and(|(first, _)| seq.checked_add(1) == Some(*first));
        match (joins_left, joins_right) {
            (true, true) => {
                let (_, last) = self.ranges.remove(at);
                self.ranges[at - 1].1 = last;
            }
            (true, false) => self.ranges[at - 1].1 = seq,
            (false, true) => self.ranges[at].0 = seq,
            (false, false) => self.ranges.insert(at, (seq, seq)),
        }
        true
    }

    /// Holes at or above the floor, ascending.
    fn holes(&self) -> impl Iterator<Item = Hole> {
        let pairs = self.ranges.iter().zip(self.ranges.iter().skip(1));
        pairs.filter_map(|(low, high)| self.hole(low.1, high.0))
    }

    /// What is missing between two seen sequences.
    fn hole(&self, low: u32, high: u32) -> Option<Hole> {
        let first = (low + 1).max(self.floor);
        (first < high).then(|| Hole { boot: self.boot, first, last: high - 1 })
    }

    /// Joins the two lowest ranges; what lay between them is no longer waited for.
    fn close_oldest_hole(&mut self) -> Option<Hole> {
        let low = self.ranges.remove(0);
        let high = self.ranges.first_mut()?;
        let first = high.0;
        high.0 = low.0;
        self.hole(low.1, first)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn see(sequences: &mut Sequences, boot: u32, seq: u32) -> Seen {
        sequences.see(Identity { boot, seq })
    }

    #[test]
    fn a_hole_is_missing_until_it_is_filled() {
        let mut sequences = Sequences::default();
        for seq in [10, 11, 15] {
            assert!(see(&mut sequences, 1, seq).new);
        }
        assert_eq!(sequences.missing(), 3);
        assert!(!see(&mut sequences, 1, 11).new);
        for seq in [13, 12, 14] {
            assert!(see(&mut sequences, 1, seq).new);
        }
        assert_eq!((sequences.missing(), sequences.gaps()), (0, 0));
    }

    #[test]
    fn what_came_before_the_first_arrival_is_not_loss() {
        let mut sequences = Sequences::default();
        for seq in [100, 50, 98] {
            see(&mut sequences, 1, seq);
        }
        assert_eq!(sequences.missing(), 0);
        see(&mut sequences, 1, 103);
        assert_eq!(sequences.missing(), 2);
    }

    #[test]
    fn one_range_too_many_closes_the_oldest_hole() {
        let mut sequences = Sequences::default();
        for n in 0..RANGES_MAX as u32 {
            assert_eq!(see(&mut sequences, 7, n * 10).closed, []);
        }
        let seen = see(&mut sequences, 7, RANGES_MAX as u32 * 10);
        assert_eq!(seen.closed, [Hole { boot: 7, first: 1, last: 9 }]);
        assert_eq!((sequences.gaps(), sequences.lost()), (1, 9));
        assert_eq!(sequences.missing(), (RANGES_MAX as u64 - 1) * 9 + 9 - 9);
        assert!(sequences.contains(Identity { boot: 7, seq: 5 }), "given up counts as dealt with");
    }

    #[test]
    fn a_hole_below_the_first_arrival_closes_without_a_gap() {
        let mut sequences = Sequences::default();
        see(&mut sequences, 7, 100_000);
        for n in 0..RANGES_MAX as u32 {
            assert_eq!(see(&mut sequences, 7, n * 10).closed, []);
        }
        assert_eq!(sequences.gaps(), 0);
    }

    #[test]
    fn the_ninth_boot_closes_the_first_one_that_arrived() {
        let mut sequences = Sequences::default();
        for boot in [90, 3, 4, 5, 6, 7, 8, 9] {
            see(&mut sequences, boot, 0);
        }
        see(&mut sequences, 90, 2);
        let seen = see(&mut sequences, 1, 0);
        assert_eq!(seen.forgotten, Some(90));
        assert_eq!(seen.closed, [Hole { boot: 90, first: 1, last: 1 }]);
        assert!(!sequences.knows_boot(90) && sequences.knows_boot(3));
    }

    #[test]
    fn the_ends_of_the_number_line_are_ordinary() {
        let mut sequences = Sequences::default();
        for seq in [0, u32::MAX, u32::MAX - 1, 1] {
            assert!(see(&mut sequences, 1, seq).new);
        }
        assert_eq!(sequences.missing(), u64::from(u32::MAX) - 3);
        assert!(!see(&mut sequences, 1, u32::MAX).new);
    }

    proptest! {
        #[test]
        fn ranges_agree_with_a_plain_set(seqs in proptest::collection::vec(0u32..300, 1..300)) {
            let mut sequences = Sequences::default();
            let mut set = BTreeSet::new();
            for &seq in &seqs {
                prop_assert_eq!(see(&mut sequences, 1, seq).new, set.insert(seq));
            }
            let (floor, top) = (seqs[0], *set.last().unwrap());
            let missing = (floor..=top).filter(|seq| !set.contains(seq)).count();
            prop_assert_eq!(sequences.missing(), missing as u64);
            let agrees = |seq| sequences.contains(Identity { boot: 1, seq }) == set.contains(&seq);
            prop_assert!((0..300).all(agrees));
        }

        #[test]
        fn everything_up_to_the_highest_is_seen_missing_or_lost(seqs in proptest::collection::vec(0u32..5000, 1..900)) {
            let mut sequences = Sequences::default();
            see(&mut sequences, 1, 0);
            let seen: BTreeSet<u32> = seqs.iter().copied().chain([0]).collect();
            let mut closed = Vec::new();
            let mut late = 0;
            for &seq in &seqs {
                let given_up = closed.iter().any(|hole: &Hole| (hole.first..=hole.last).contains(&seq));
                late += u64::from(given_up);
                closed.extend(see(&mut sequences, 1, seq).closed);
            }
            prop_assert_eq!(closed.iter().map(Hole::len).sum::<u64>(), sequences.lost());
            prop_assume!(late == 0);
            let top = u64::from(*seen.last().unwrap());
            prop_assert_eq!(seen.len() as u64 + sequences.missing() + sequences.lost(), top + 1);
        }
    }
}
