//! What the derivations of a subject saw happen, and the newest of it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::drive::{DriveEvent, Manoeuvre};
use super::heart::HeartEvent;
use super::journey::{Excursion, JourneyEvent};
use super::motion::{Activity, MotionEvent};
use super::zones::Crossing;
use crate::record::Name;

/// How many are kept, the newest by event time.
pub(crate) const HAPPENINGS_MAX: usize = 8;
/// How many of one name: a heart that stumbles all day does not push out where its owner went.
const OF_ONE_NAME_MAX: usize = 3;

/// Something that began, ended or took place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Happening {
    /// When, Unix milliseconds, corrected.
    pub event_ms: i64,
    /// Whose readings showed it.
    pub device: Name,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum What {
    /// Boxed: it is a third of the size of the rest.
    ZoneEntered(Box<Name>),
    ZoneLeft(Box<Name>),
    TripStarted,
    TripEnded {
        distance_m: f64,
    },
    Harsh {
        what: Manoeuvre,
        mps2: f64,
    },
    Stopped,
    Departed {
        stood_s: f64,
    },
    Arrived,
    ExcursionStarted {
        what: Excursion,
        value: f64,
    },
    ExcursionEnded {
        what: Excursion,
        peak: f64,
    },
    Premature {
        rr_ms: f64,
    },
    Pause {
        rr_ms: f64,
    },
    Bradycardia {
        rate: f64,
    },
    Tachycardia {
        rate: f64,
    },
    UsualPace {
        rate: f64,
    },
    Irregular,
    Regular,
    ActivityStarted(Activity),
    ActivityEnded(Activity),
    PutOn,
    TakenOff,
    Fell {
        impact_g: f64,
    },
    MovedAgain {
        still_s: f64,
    },
    Ride {
        queued_s: Option<f32>,
    },
}

impl Happening {
    /// What it is called. None of these is a code of a device.
    pub fn name(&self) -> &'static str {
        match &self.what {
            What::ZoneEntered(_) => "zone.entered",
            What::ZoneLeft(_) => "zone.left",
            What::TripStarted => "trip.started",
            What::TripEnded { .. } => "trip.ended",
            What::Harsh { what: Manoeuvre::Braking, .. } => "drive.harsh_braking",
            What::Harsh { what: Manoeuvre::Acceleration, .. } => "drive.harsh_acceleration",
            What::Harsh { what: Manoeuvre::Cornering, .. } => "drive.harsh_cornering",
            What::Stopped => "journey.stopped",
            What::Departed { .. } => "journey.departed",
            What::Arrived => "journey.arrived",
            What::ExcursionStarted { .. } => "excursion.started",
            What::ExcursionEnded { .. } => "excursion.ended",
            What::Premature { .. } => "heart.premature",
            What::Pause { .. } => "heart.pause",
            What::Bradycardia { .. } => "heart.bradycardia",
            What::Tachycardia { .. } => "heart.tachycardia",
            What::UsualPace { .. } => "heart.usual_pace",
            What::Irregular => "heart.irregular",
            What::Regular => "heart.regular",
            What::ActivityStarted(_) => "activity.started",
            What::ActivityEnded(_) => "activity.ended",
            What::PutOn => "wear.on",
            What::TakenOff => "wear.off",
            What::Fell { .. } => "fall",
            What::MovedAgain { .. } => "fall.moved",
            What::Ride { .. } => "visit.ride",
        }
    }

    /// The zone it is about.
    pub fn zone(&self) -> Option<&str> {
        match &self.what {
            What::ZoneEntered(zone) | What::ZoneLeft(zone) => Some(zone),
            _ => None,
        }
    }

    /// Which activity, or which excursion.
    pub fn detail(&self) -> Option<&'static str> {
        match &self.what {
            What::ActivityStarted(activity) | What::ActivityEnded(activity) => Some(activity.as_str()),
            What::ExcursionStarted { what, .. } | What::ExcursionEnded { what, .. } => Some(what.name()),
            _ => None,
        }
    }

    /// How much, and its UCUM unit: a trip's length, how hard a manoeuvre was at most, how long something stood or
    /// queued, the first or the worst value of an excursion, an interval between beats, the mean rate of 16 of them, the
    /// impact of a fall, how long somebody lay still after it.
    pub fn value(&self) -> Option<(f64, &'static str)> {
        Some(match &self.what {
            What::TripEnded { distance_m } => (*distance_m, "m"),
            What::Harsh { mps2, .. } => (*mps2, "m/s2"),
            What::Departed { stood_s } => (*stood_s, "s"),
            What::ExcursionStarted { what, value } | What::ExcursionEnded { what, peak: value } => {
                (*value, if *what == Excursion::Shock { "[g]" } else { "Cel" })
            }
            What::Premature { rr_ms } | What::Pause { rr_ms } => (*rr_ms, "ms"),
            What::Bradycardia { rate } | What::Tachycardia { rate } | What::UsualPace { rate } => (*rate, "/min"),
            What::Ride { queued_s } => (f64::from((*queued_s)?), "s"),
            What::Fell { impact_g } => (*impact_g, "[g]"),
            What::MovedAgain { still_s } => (*still_s, "s"),
            _ => return None,
        })
    }
}

/// The newest happenings of one subject, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Happenings(VecDeque<Happening>);

impl Happenings {
    /// Oldest first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Happening> {
        self.0.iter()
    }

    pub(crate) fn crossing(&mut self, device: &Name, crossing: Crossing) {
        let (event_ms, what) = match crossing {
            Crossing::Entered { zone, at_ms } => (at_ms, What::ZoneEntered(Box::new(zone))),
            Crossing::Left { zone, at_ms } => (at_ms, What::ZoneLeft(Box::new(zone))),
        };
        self.keep(device, event_ms, what);
    }

    /// A trouble code is told by the device itself.
    pub(crate) fn drive(&mut self, device: &Name, event: DriveEvent) {
        let (event_ms, what) = match event {
            DriveEvent::TripStarted { from_ms } => (from_ms, What::TripStarted),
            DriveEvent::TripEnded(trip) => (trip.to_ms, What::TripEnded { distance_m: trip.distance_m }),
            DriveEvent::HarshBegan { what, at_ms, mps2 } => (at_ms, What::Harsh { what, mps2 }),
            // The same one, now that it is known how hard it was.
            DriveEvent::HarshEnded { what, from_ms, peak_mps2, .. } => (from_ms, What::Harsh { what, mps2: peak_mps2 }),
            DriveEvent::CodeSet { .. } | DriveEvent::CodeCleared { .. } => return,
        };
        self.keep(device, event_ms, what);
    }

    pub(crate) fn journey(&mut self, device: &Name, event: JourneyEvent) {
        let (event_ms, what) = match event {
            JourneyEvent::Stopped { from_ms, .. } => (from_ms, What::Stopped),
            JourneyEvent::Departed(stop) => {
                let stood_s = stop.to_ms.saturating_sub(stop.from_ms) as f64 / 1000.0;
                (stop.to_ms, What::Departed { stood_s })
            }
            JourneyEvent::Arrived { at_ms } => (at_ms, What::Arrived),
            JourneyEvent::ExcursionBegan { what, at_ms, value } => (at_ms, What::ExcursionStarted { what, value }),
            JourneyEvent::ExcursionEnded { what, to_ms, peak, .. } => (to_ms, What::ExcursionEnded { what, peak }),
        };
        self.keep(device, event_ms, what);
    }

    pub(crate) fn heart(&mut self, device: &Name, event: HeartEvent) {
        let (event_ms, what) = match event {
            HeartEvent::Premature { at_ms, rr_ms } => (at_ms, What::Premature { rr_ms }),
            HeartEvent::Pause { at_ms, rr_ms, .. } => (at_ms, What::Pause { rr_ms }),
            HeartEvent::Bradycardia { at_ms, rate } => (at_ms, What::Bradycardia { rate }),
            HeartEvent::Tachycardia { at_ms, rate } => (at_ms, What::Tachycardia { rate }),
            HeartEvent::UsualPace { at_ms, rate } => (at_ms, What::UsualPace { rate }),
            HeartEvent::Irregular { at_ms } => (at_ms, What::Irregular),
            HeartEvent::Regular { at_ms } => (at_ms, What::Regular),
        };
        self.keep(device, event_ms, what);
    }

    pub(crate) fn motion(&mut self, device: &Name, event: MotionEvent) {
        let (event_ms, what) = match event {
            MotionEvent::BoutStarted { activity, from_ms } => (from_ms, What::ActivityStarted(activity)),
            MotionEvent::BoutEnded { activity, to_ms, .. } => (to_ms, What::ActivityEnded(activity)),
            MotionEvent::PutOn { at_ms } => (at_ms, What::PutOn),
            MotionEvent::TakenOff { at_ms } => (at_ms, What::TakenOff),
            MotionEvent::Fell { at_ms, impact_g } => (at_ms, What::Fell { impact_g }),
            MotionEvent::MovedAgain { at_ms, still_s } => (at_ms, What::MovedAgain { still_s }),
        };
        self.keep(device, event_ms, what);
    }

    /// A ride, and how long its queue was if there was one.
    pub(crate) fn ride(&mut self, device: &Name, event_ms: i64, queued_ms: Option<i64>) {
        self.keep(device, event_ms, What::Ride { queued_s: queued_ms.map(|ms| ms as f32 / 1000.0) });
    }

    /// Keeps the newest by event time; of one name and time, and of one device, the one told last.
    fn keep(&mut self, device: &Name, event_ms: i64, what: What) {
        let new = Happening { event_ms, device: device.clone(), what };
        let same = |kept: &&mut Happening| {
            (kept.event_ms, kept.name(), kept.zone(), &kept.device) == (event_ms, new.name(), new.zone(), device)
        };
        if let Some(kept) = self.0.iter_mut().find(same) {
            *kept = new;
            return;
        }
        let of_name = |kept: &Happening| kept.name() == new.name();
        let goes = match self.0.iter().filter(|kept| of_name(kept)).count() {
            OF_ONE_NAME_MAX.. => self.0.iter().position(of_name),
            _ => Some(0).filter(|_| self.0.len() >= HAPPENINGS_MAX),
        };
        if let Some(at) = goes {
            if self.0.get(at).is_some_and(|oldest| oldest.event_ms > event_ms) {
                return;
            }
            self.0.remove(at);
        }
        let after = self.0.partition_point(|kept| kept.event_ms <= event_ms);
        self.0.reserve_exact(1);
        self.0.insert(after, new);
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.0.len() <= HAPPENINGS_MAX
    }

    /// Replaces names by shared ones.
    pub(crate) fn intern(&mut self, mut shared: impl FnMut(&Name) -> Name) {
        for happening in &mut self.0 {
            happening.device = shared(&happening.device);
            if let What::ZoneEntered(zone) | What::ZoneLeft(zone) = &mut happening.what {
                **zone = shared(zone);
            }
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let zones = self.0.iter().filter(|kept| kept.zone().is_some()).count();
        self.0.capacity() * size_of::<Happening>() + zones * size_of::<Name>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(happenings: &Happenings) -> Vec<(i64, &'static str)> {
        happenings.iter().map(|it| (it.event_ms, it.name())).collect()
    }

    #[test]
    fn a_heart_that_stumbles_all_day_does_not_push_out_where_its_owner_went() {
        let (band, mut happened) = (Name::from("band"), Happenings::default());
        happened.crossing(&band, Crossing::Entered { zone: "home".into(), at_ms: 5 });
        for at_ms in 0..1000 {
            happened.heart(&band, HeartEvent::Premature { at_ms, rr_ms: 500.0 });
        }
        let premature = [997, 998, 999].map(|at_ms| (at_ms, "heart.premature"));
        assert_eq!(named(&happened), [[(5, "zone.entered")].as_slice(), &premature].concat());
        assert_eq!(happened.iter().next().and_then(Happening::zone), Some("home"));
    }

    #[test]
    fn the_newest_by_event_time_are_kept_in_whatever_order_they_came() {
        let (band, mut happened) = (Name::from("band"), Happenings::default());
        // Three of each of six names, the last first.
        for at_ms in (0..3).rev().map(|n| n * 10) {
            happened.heart(&band, HeartEvent::Irregular { at_ms });
            happened.heart(&band, HeartEvent::Regular { at_ms: at_ms + 1 });
            happened.motion(&band, MotionEvent::PutOn { at_ms: at_ms + 2 });
            happened.motion(&band, MotionEvent::TakenOff { at_ms: at_ms + 3 });
            happened.ride(&band, at_ms + 4, None);
            happened.ride(&band, at_ms + 5, Some(600_000));
        }
        let times: Vec<i64> = happened.iter().map(|it| it.event_ms).collect();
        assert_eq!(times, [13, 15, 20, 21, 22, 23, 24, 25]);
        assert_eq!(happened.iter().last().and_then(Happening::value), Some((600.0, "s")));
    }

    #[test]
    fn a_manoeuvre_is_one_event_and_has_its_peak_once_that_is_known() {
        let (car, mut happened) = (Name::from("car"), Happenings::default());
        let what = Manoeuvre::Braking;
        happened.drive(&car, DriveEvent::HarshBegan { what, at_ms: 7, mps2: 3.2 });
        happened.drive(&car, DriveEvent::HarshEnded { what, from_ms: 7, to_ms: 9, peak_mps2: 5.5 });
        assert_eq!(named(&happened), [(7, "drive.harsh_braking")]);
        assert_eq!(happened.iter().next().and_then(Happening::value), Some((5.5, "m/s2")));
    }

    #[test]
    fn eight_of_them_take_320_bytes() {
        let (band, mut happened) = (Name::from("band"), Happenings::default());
        for at_ms in 0..100 {
            happened.motion(&band, MotionEvent::PutOn { at_ms });
            happened.motion(&band, MotionEvent::TakenOff { at_ms });
            happened.heart(&band, HeartEvent::Regular { at_ms });
        }
        assert_eq!((happened.iter().len(), happened.heap_bytes()), (HAPPENINGS_MAX, 320));
    }
}
