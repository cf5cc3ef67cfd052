//! Which device's readings stand when several devices of one subject tell of one signal.
//!
//! **One rules a signal at a time.** The value, the statistics, the trend and the forecast rest on its readings alone:
//! the mean of a strap's and a wristband's pulse is nobody's pulse. Every device has a rank for the signal, by its kind
//! ([`rank`]). Event time decides, never arrival, so that a replay decides alike:
//!
//! * a device of higher rank takes over with its first good reading that is not older than the latest value; from one
//!   that is older by no more than [`SILENT_MS`] on, the device that ruled is not taken any more;
//! * one of the same or a lower rank takes over with a reading more than [`SILENT_MS`] newer than the latest value.
//!
//! Nothing else is asked, so that whoever has the frames of a subject comes to the same: not even whether the ruling
//! device feeds the subject still. The latest value never goes back in time.
//!
//! What a device said that does not rule is kept beside the signal: its newest reading, how many there were, and
//! whether it disagrees. Readings counted before a device took over stay counted.

use halo_proto::registry::Kind;
use serde::{Deserialize, Serialize};

use super::signal::{Latest, physical};
use crate::record::{Name, Offset};

/// How long the ruling device may say nothing: two frames of a minute.
pub(super) const SILENT_MS: i64 = 120_000;
/// Values of one time further apart than this share of the larger one disagree.
pub(super) const DISAGREE: f64 = 0.1;
/// Most readings kept beside signals of one subject; the oldest gives way.
pub(super) const OTHERS_MAX: usize = 32;

/// The rank of a signal that nobody told of yet.
pub(super) const NOBODY: u8 = 0;
/// With the rank of a device that is to rule as soon as its readings are as new as the latest value, of another one.
const CLAIMED: u8 = 0x80;
/// Of a plain client: a phone, a script.
const PLAIN: u8 = 1;
/// Of a device that says what kind it is.
const KNOWN: u8 = 2;

/// Ranks above the others: a signal, and the kinds of device from the best down.
const RANKS: [(&str, &[Kind]); 6] = [
    ("heart_rate", &[Kind::PACEMAKER, Kind::RR_STRAP, Kind::WRISTBAND]),
    ("rr_interval", &[Kind::PACEMAKER, Kind::RR_STRAP, Kind::WRISTBAND]),
    ("steps", &[Kind::WRISTBAND]),
    ("skin_temperature", &[Kind::WRISTBAND]),
    ("speed", &[Kind::CAR_DONGLE]),
    ("battery", &[]),
];

/// Who tells of a signal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Teller<'a> {
    pub(crate) device: &'a Name,
    pub(crate) kind: Option<Kind>,
    /// The record it stands in.
    pub(crate) offset: Offset,
}

/// What a device said that does not rule the signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Other {
    /// The signal.
    pub signal: Name,
    /// The device.
    pub device: Name,
    /// Its newest good reading: `raw × num / den` in the signal's unit.
    pub raw: i64,
    /// See `raw`.
    pub num: u32,
    /// See `raw`.
    pub den: u32,
    /// Unix milliseconds of device time, corrected.
    pub event_ms: i64,
    /// How many of its readings did not count since it ruled last.
    pub readings: u64,
}

impl Other {
    /// Whether it says something else than the ruling device, at about the same time.
    pub fn disagrees(&self, ruling: &Latest) -> bool {
        let [one, other] = [(self.raw, self.num, self.den), (ruling.raw, ruling.num, ruling.den)]
            .map(|(raw, num, den)| physical(raw, num, den));
        let apart_ms = self.event_ms.saturating_sub(ruling.event_ms).saturating_abs();
        apart_ms <= SILENT_MS && (one - other).abs() > DISAGREE * one.abs().max(other.abs())
    }
}

/// The rank of a kind of device for a signal; the higher one rules.
pub(super) fn rank(kind: Option<Kind>, signal: &str) -> u8 {
    let Some(kind) = kind else { return PLAIN };
    let kinds = RANKS.iter().find(|(ranked, _)| *ranked == signal).map_or(&[][..], |(_, kinds)| *kinds);
    let best = kinds.iter().rev().position(|ranked| *ranked == kind);
    best.and_then(|place| u8::try_from(place + 1).ok()).map_or(KNOWN, |place| KNOWN + place)
}

/// What becomes of a reading of a device that does not rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its device rules from now on, and the signal has this rank.
    Rules(u8),
    /// It does not count, but its device is about to rule: the signal has this rank.
    Claims(u8),
    /// It does not count.
    Yields,
}

/// Judges a reading `after_ms` newer than the latest value, of a device of `rank` for a signal of rank `ruling`; whether
/// the latest value is of that very device.
pub(super) fn judge(rank: u8, ruling: u8, is_latest: bool, after_ms: i64) -> Verdict {
    let wanted = ruling & !CLAIMED;
    let is_claimed = ruling != wanted;
    let is_better = if is_claimed { rank >= wanted && !is_latest } else { rank > wanted };
    match after_ms {
        0.. if is_better => Verdict::Rules(rank),
        after_ms if is_better && after_ms >= -SILENT_MS => Verdict::Claims(rank | CLAIMED),
        after_ms if after_ms > SILENT_MS => Verdict::Rules(rank),
        _ => Verdict::Yields,
    }
}

/// Whether the device of the latest value rules the signal.
pub(super) fn is_settled(ruling: u8) -> bool {
    ruling & CLAIMED == 0
}

/// Keeps what a device said that does not rule; in order of signal and device.
pub(super) fn keep(others: &mut Vec<Other>, other: Other) {
    match others.binary_search_by(|kept| (&kept.signal, &kept.device).cmp(&(&other.signal, &other.device))) {
        Ok(at) => {
            if let Some(kept) = others.get_mut(at) {
                let readings = kept.readings.saturating_add(other.readings);
                if kept.event_ms <= other.event_ms {
                    *kept = other;
                }
                kept.readings = readings;
            }
        }
        Err(at) => {
            others.insert(at, other);
            if others.len() > OTHERS_MAX {
                let oldest = others.iter().enumerate().min_by_key(|(_, other)| other.event_ms).map(|(at, _)| at);
                oldest.map(|at| others.remove(at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medical_beats_strap_beats_wristband_beats_phone_and_unranked_kinds_are_alike() {
        let rank_of = |kind| rank(kind, "heart_rate");
        let ranks = [Some(Kind::PACEMAKER), Some(Kind::RR_STRAP), Some(Kind::WRISTBAND), Some(Kind::PARK_BAND), None];
        assert!(ranks.map(rank_of).is_sorted_by(|a, b| a > b), "{:?}", ranks.map(rank_of));
        assert_eq!(rank(Some(Kind::WRISTBAND), "mood"), rank(Some(Kind::PACEMAKER), "mood"));
        assert!(rank(None, "mood") > NOBODY);
    }

    #[test]
    fn the_lower_waits_two_minutes_and_the_higher_until_it_is_as_new() {
        use Verdict::{Claims, Rules, Yields};
        let of = |rank, ruling, times: [i64; 4]| times.map(|after_ms| judge(rank, ruling, false, after_ms));
        assert_eq!(of(3, 2, [-120_001, -120_000, -1, 0]), [Yields, Claims(0x83), Claims(0x83), Rules(3)]);
        assert_eq!(of(2, 3, [-1, 0, 120_000, 120_001]), [Yields, Yields, Yields, Rules(2)]);
        assert_eq!(of(2, 2, [-1, 0, 120_000, 120_001]), [Yields, Yields, Yields, Rules(2)], "equals do not take turns");
        assert!(is_settled(3) && !is_settled(0x83));
        assert_eq!(of(3, 0x83, [-120_001, -1, 0, 1]), [Yields, Claims(0x83), Rules(3), Rules(3)]);
        let former = [0, 1, 120_000, 120_001].map(|after_ms| judge(2, 0x83, true, after_ms));
        assert_eq!(former, [Yields, Yields, Yields, Rules(2)], "who has to go comes back if nobody else comes");
    }
}
