//! Which device's readings stand when several devices of one subject tell of one signal.
//!
//! **One rules a signal at a time.** The value, the statistics, the trend and the forecast rest on its readings alone:
//! the mean of a strap's and a wristband's pulse is nobody's pulse. Every device has a rank for the signal, by its kind
//! ([`rank`]). Event time decides, never arrival, so that a replay decides alike:
//!
//! * a device of higher rank takes over with its first good reading that is no more than [`SILENT_MS`] older than the
//!   ruling one's newest;
//! * one of the same or a lower rank when the ruling one's newest is more than [`SILENT_MS`] older than its reading;
//! * any other takes over as the higher one does once the ruling device feeds the subject no more.
//!
//! What a device said that does not rule is kept beside the signal: its newest reading, how many there were, and
//! whether it disagrees. Readings counted before a device took over stay counted.

use halo_proto::registry::Kind;
use serde::{Deserialize, Serialize};

use super::signal::{Latest, physical};
use crate::record::Name;

/// How long the ruling device may say nothing: two frames of a minute.
pub(super) const SILENT_MS: i64 = 120_000;
/// Values of one time further apart than this share of the larger one disagree.
pub(super) const DISAGREE: f64 = 0.1;
/// Most readings kept beside signals of one subject; the oldest gives way.
pub(super) const OTHERS_MAX: usize = 32;

/// The rank of a signal that nobody rules: its device is gone.
pub(super) const NOBODY: u8 = 0;
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

/// Whether a device of `rank` takes over from one of `ruling`, with a reading `after_ms` after that one's newest.
pub(super) fn takes_over(rank: u8, ruling: u8, after_ms: i64) -> bool {
    if rank > ruling { after_ms >= -SILENT_MS } else { after_ms > SILENT_MS }
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
    fn the_lower_waits_two_minutes_and_the_higher_does_not() {
        assert_eq!([-120_001, -120_000, 0].map(|after| takes_over(3, 2, after)), [false, true, true]);
        assert_eq!([0, 120_000, 120_001].map(|after| takes_over(2, 3, after)), [false, false, true]);
        assert_eq!([0, 120_001].map(|after| takes_over(2, 2, after)), [false, true], "equals do not take turns");
    }
}
