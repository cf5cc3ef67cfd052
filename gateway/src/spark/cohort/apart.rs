//! Who may be counted, so that no two publications differ by a few.

use std::cmp::Ordering;

use super::K;
use crate::record::Name;

/// What is to be done about a set, after what was published of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// Fewer than [`K`]: nothing is told.
    TooSmall,
    /// What is published stands: the difference would be of fewer than [`K`].
    Held,
    /// These may be told; whether somebody waits who is not among them.
    These(Vec<Name>, bool),
}

/// How many are in the second alone, and in the first alone; both sorted.
pub(super) fn difference(before: &[Name], now: &[Name]) -> (usize, usize) {
    let (mut joined, mut left) = (0, 0);
    let (mut old, mut new) = (before.iter().peekable(), now.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return (joined, left),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(two)) => one.cmp(two),
        };
        if order.is_le() {
            old.next();
        }
        if order.is_ge() {
            new.next();
        }
        left += usize::from(order.is_lt());
        joined += usize::from(order.is_gt());
    }
}

/// None, or so many that nobody is told of alone.
pub(super) fn is_apart(count: usize) -> bool {
    count == 0 || count >= K
}

/// Whether two sets of one cohort may both be told: who joined and who left count apart.
fn may_follow(before: &[Name], now: &[Name]) -> bool {
    let (joined, left) = difference(before, now);
    is_apart(joined) && is_apart(left)
}

/// Whether sets of two cohorts may both be told: what one is more than the other is none or many in all.
pub(super) fn may_stand_beside(one: &[Name], other: &[Name]) -> bool {
    if one.len().abs_diff(other.len()) >= K {
        return true;
    }
    let (more, less) = difference(one, other);
    is_apart(more + less)
}

/// Decides about a sorted set; `editions` are those that were told, the newest first.
pub(super) fn settle<'a>(mut editions: impl Iterator<Item = &'a [Name]>, now: Vec<Name>) -> Settled {
    if now.len() < K {
        return Settled::TooSmall;
    }
    let Some(last) = editions.next() else { return Settled::These(now, false) };
    let (joined, left) = difference(last, &now);
    if !is_apart(left) {
        return Settled::Held;
    }
    // A few who joined wait; those who were there are told of without them.
    let waits = !is_apart(joined);
    let these: Vec<Name> = match waits {
        true => now.into_iter().filter(|name| last.binary_search(name).is_ok()).collect(),
        false => now,
    };
    if these.len() < K || !editions.all(|earlier| may_follow(earlier, &these)) {
        return Settled::Held;
    }
    Settled::These(these, waits)
}

/// How many of two equally long lists of prints differ.
pub(super) fn changed(before: &[u16], now: &[u16]) -> usize {
    before.iter().zip(now).filter(|(before, now)| before != now).count() + before.len().abs_diff(now.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<Name> {
        let set: BTreeSet<Name> = numbers.into_iter().map(|number| format!("s{number:04}").into()).collect();
        set.into_iter().collect()
    }

    fn settled(editions: &[Vec<Name>], now: Vec<Name>) -> Settled {
        settle(editions.iter().map(Vec::as_slice), now)
    }

    #[test]
    fn nine_are_too_few_and_ten_are_not() {
        assert_eq!(settled(&[], names(0..9)), Settled::TooSmall);
        assert_eq!(settled(&[], names(0..10)), Settled::These(names(0..10), false));
        assert_eq!(settled(&[names(0..20)], names(0..9)), Settled::TooSmall, "whoever left");
    }

    #[test]
    fn a_few_who_join_wait_until_they_are_ten() {
        let before = [names(0..12)];
        assert_eq!(settled(&before, names(0..13)), Settled::These(names(0..12), true));
        assert_eq!(settled(&before, names(0..21)), Settled::These(names(0..12), true));
        assert_eq!(settled(&before, names(0..22)), Settled::These(names(0..22), false));
    }

    #[test]
    fn a_few_who_leave_hold_everything_until_they_are_ten() {
        let before = [names(0..30)];
        assert_eq!(settled(&before, names(1..30)), Settled::Held);
        assert_eq!(settled(&before, names(9..60)), Settled::Held, "however many join");
        assert_eq!(settled(&before, names(10..30)), Settled::These(names(10..30), false));
        assert_eq!(settled(&before, names(10..35)), Settled::These(names(10..30), true));
        assert_eq!(settled(&[names(0..14)], names(12..30)), Settled::These(names(12..30), false));
        assert_eq!(settled(&[names(0..14)], names(10..22)), Settled::Held, "the four that stayed are too few");
    }

    #[test]
    fn an_earlier_publication_counts_as_well_as_the_last() {
        // Ten came, and then those and one more went: the first and the third differ by one.
        let editions = [names(0..40), names(0..30)];
        assert_eq!(settled(&editions, names(1..30)), Settled::Held);
        assert_eq!(settled(&editions, names(0..30)), Settled::These(names(0..30), false));
    }

    #[test]
    fn two_cohorts_are_not_the_same_but_for_a_few() {
        assert!(may_stand_beside(&names(0..20), &names(0..20)));
        assert!(!may_stand_beside(&names(0..20), &names(0..21)));
        assert!(!may_stand_beside(&names(0..20), &names(4..24)), "four and four");
        assert!(may_stand_beside(&names(0..20), &names(5..25)) && may_stand_beside(&names(0..20), &names(50..70)));
    }

    proptest! {
        /// However sets change and are told: no two of the last nine publications differ by one to nine who joined or who left.
        #[test]
        fn no_two_publications_differ_by_a_few(steps in prop::collection::vec((0usize..60, 0usize..40), 1..60)) {
            let mut here: BTreeSet<usize> = (0..25).collect();
            let mut told: Vec<Vec<Name>> = Vec::new();
            for (at, many) in steps {
                for number in at..at + many {
                    if !here.remove(&number) {
                        here.insert(number);
                    }
                }
                let editions: Vec<&[Name]> = told.iter().rev().take(8).map(Vec::as_slice).collect();
                let Settled::These(these, _) = settle(editions.iter().copied(), names(here.iter().copied())) else { continue };
                prop_assert!(these.len() >= K && these.iter().all(|name| names(here.iter().copied()).contains(name)));
                for earlier in editions {
                    let (joined, left) = difference(earlier, &these);
                    prop_assert!(joined == 0 || joined >= 10, "{} joined", joined);
                    prop_assert!(left == 0 || left >= 10, "{} left", left);
                }
                told.retain(|set| *set != these);
                told.push(these);
            }
        }

        #[test]
        fn the_difference_is_that_of_sets(one in prop::collection::btree_set(0usize..50, 0..40), two in prop::collection::btree_set(0usize..50, 0..40)) {
            let wanted = (two.difference(&one).count(), one.difference(&two).count());
            prop_assert_eq!(difference(&names(one), &names(two)), wanted);
        }
    }
}
