//! The names of all derived signals of this build and what their values are, for whoever names one before it is there.

/// What the value of a derived signal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DerivedKind {
    /// A quantity; times too, in milliseconds of Unix time.
    Number,
    /// A class or state.
    Text,
    /// Several names.
    List,
    /// Several quantities.
    Numbers,
}

const TEXTS: &[&str] = &[
    "activity",
    "activity.bout",
    "fall.state",
    "heart.pace",
    "heart.rhythm",
    "journey.state",
    "trip.state",
    "visit.place",
    "wear",
];
const LISTS: &[&str] = &["engine.drivers", "journey.excursion", "taste.dislikes", "taste.likes", "trip.reasons"];
const LISTS_OF_NUMBERS: &[&str] = &["taste.strengths"];
const NUMBERS: &[&str] = &[
    "activity.bout.from",
    "activity.intensity",
    "cadence",
    "dtc.count",
    "engine.health",
    "engine.rul",
    "fall",
    "fall.impact",
    "fall.still",
    "heart.irregularity",
    "heart.pause",
    "heart.pauses",
    "heart.premature",
    "heart.premature_share",
    "heart.rate",
    "heart.rate.1m",
    "heart.resting",
    "heart.zone",
    "heart.zone1",
    "heart.zone2",
    "heart.zone3",
    "heart.zone4",
    "heart.zone5",
    "hrv.pnn50",
    "hrv.pnn50.1m",
    "hrv.rmssd",
    "hrv.rmssd.1m",
    "hrv.sdnn",
    "hrv.sdnn.1m",
    "journey.arrival",
    "journey.distance",
    "journey.excursions",
    "journey.remaining",
    "journey.speed",
    "journey.standing",
    "journey.stops",
    "journey.travelled",
    "steps.today",
    "taste.latest",
    "trip.acceleration",
    "trip.braking",
    "trip.cornering",
    "trip.distance",
    "trip.duration",
    "trip.from",
    "trip.fuel",
    "trip.idle",
    "trip.score",
    "trip.speed_max",
    "trip.to",
    "visit.queue",
    "visit.queue.today",
    "visit.reader",
    "visit.rides.today",
    "visit.since",
    "visit.taps.today",
    "wear.days",
    "wear.days.60d",
    "wear.streak",
    "wear.today",
];

/// All names.
pub fn derived_names() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().chain(LISTS).chain(LISTS_OF_NUMBERS).chain(NUMBERS).copied()
}

/// What the value of a derived signal is; none of a name that this build does not have.
pub fn derived_kind(name: &str) -> Option<DerivedKind> {
    if TEXTS.contains(&name) {
        Some(DerivedKind::Text)
    } else if LISTS.contains(&name) {
        Some(DerivedKind::List)
    } else if LISTS_OF_NUMBERS.contains(&name) {
        Some(DerivedKind::Numbers)
    } else if NUMBERS.contains(&name) {
        Some(DerivedKind::Number)
    } else {
        None
    }
}
