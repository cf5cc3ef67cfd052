//! What a model is asked with: features of one engine's state, by name.

use super::fold::{ALPHAS, Engine, Gauge};
use super::model::Scale;

/// Sensors 1 to 21 of C-MAPSS by their names in the registry's `turbofan` schema.
pub(crate) const SENSORS: [&str; 21] = [
    "t2",
    "t24",
    "t30",
    "t50",
    "p2",
    "p15",
    "p30",
    "nf",
    "nc",
    "epr",
    "ps30",
    "phi",
    "nrf",
    "nrc",
    "bpr",
    "far_b",
    "ht_bleed",
    "nf_demanded",
    "pcnfr_demanded",
    "w31",
    "w32",
];

/// Position in [`SENSORS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SensorId(pub(super) u8);

impl SensorId {
    pub(super) fn of(name: &str) -> Option<Self> {
        (0u8..).zip(SENSORS).find(|(_, known)| *known == name).map(|(id, _)| Self(id))
    }

    pub(super) fn name(self) -> &'static str {
        SENSORS.get(usize::from(self.0)).copied().unwrap_or_default()
    }
}

/// Features of the fused wear, in the order of [`Wear::features`], and the count of flights.
pub(super) const WEAR_FEATURES: [&str; 19] = [
    "cycles",
    "wear.mean02",
    "wear.mean05",
    "wear.mean10",
    "wear.mean20",
    "wear.first",
    "wear.mean",
    "wear.drift",
    "wear.rate",
    "wear.drift_sum",
    "wear.drift_mean",
    "wear.lead02",
    "wear.lead05",
    "wear.lead10",
    "wear.left02",
    "wear.left05",
    "wear.left10",
    "wear.pace",
    "wear.risen",
];

/// Those that models of earlier builds may ask for and new ones do not: they tell one engine from another rather than how
/// worn it is, and trees learn the engines of the history by them.
#[cfg(feature = "train")]
pub(super) const UNTRAINED: [&str; 2] = ["wear.first", "wear.mean"];

/// Most flights that `wear.left*` says, either way.
const LEFT_MAX: f64 = 400.0;
/// Least pace that it counts with: the share of the way from new to failed in one flight.
const PACE_MIN: f64 = 1e-4;

/// What of a single sensor the trees see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `mean10`: its 0.1 mean.
    Mean10,
    /// `mean20`: its 0.2 mean.
    Mean20,
    /// `drift`: how far its 0.2 mean is from its first values.
    Drift,
    /// `lead05`: how far its 0.05 mean is ahead of its own smoothed past.
    Lead05,
    /// `lead10`: the same of its 0.1 mean.
    Lead10,
}

/// By name.
pub(super) const PARTS: [(&str, Part); 5] = [
    ("mean10", Part::Mean10),
    ("mean20", Part::Mean20),
    ("drift", Part::Drift),
    ("lead05", Part::Lead05),
    ("lead10", Part::Lead10),
];

/// Those that new models ask for, in the order they list them: ways from a sensor's own past, as levels differ from engine
/// to engine.
#[cfg(feature = "train")]
pub(super) const TRAINED: [&str; 3] = ["drift", "lead05", "lead10"];

/// One input of the trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feature {
    /// Position in [`WEAR_FEATURES`].
    Wear(u8),
    /// `<what>.<sensor>`, in the sensor's deviations.
    Of(Part, SensorId),
}

impl Feature {
    pub(super) fn of(name: &str) -> Option<Self> {
        if let Some((part, sensor)) = name.split_once('.').filter(|(part, _)| *part != "wear") {
            let (_, part) = PARTS.iter().find(|(known, _)| *known == part)?;
            return SensorId::of(sensor).map(|sensor| Self::Of(*part, sensor));
        }
        (0u8..).zip(WEAR_FEATURES).find(|(_, known)| *known == name).map(|(at, _)| Self::Wear(at))
    }
}

/// A model's sensors seen as one: the weighted sum of their scaled values. Every part of a state is linear in the
/// readings, so fusing the smoothed sensors is smoothing the fused ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Wear {
    levels: [f64; 4],
    leads: [f64; 3],
    first: f64,
    mean: f64,
    drift: f64,
    drift_sum: f64,
    /// Flights that the sums are over.
    n: f64,
}

impl Wear {
    /// None while a sensor of the model is not known.
    pub(super) fn of(engine: &Engine, scales: &[Scale]) -> Option<Self> {
        let mut wear = Self { n: f64::from(u32::MAX), ..Self::default() };
        for scale in scales {
            wear.add(engine.gauge(scale.sensor)?, scale);
        }
        Some(wear)
    }

    fn add(&mut self, gauge: &Gauge, scale: &Scale) {
        let weight = scale.weight / scale.sd;
        for (sum, level) in self.levels.iter_mut().zip(gauge.levels()) {
            *sum += weight * (level - scale.mean);
        }
        for (sum, lead) in self.leads.iter_mut().zip(gauge.leads()) {
            *sum += weight * lead;
        }
        self.first += weight * (gauge.first - scale.mean);
        self.mean += weight * (gauge.mean - scale.mean);
        self.drift += weight * gauge.drift();
        self.drift_sum += weight * gauge.drift_sum;
        self.n = self.n.min(f64::from(gauge.n));
    }

    /// The mean that health is read from.
    pub(super) fn level(&self) -> f64 {
        let [_, _, level, _] = self.levels;
        level
    }

    /// Values in the order of [`WEAR_FEATURES`]; `fresh` and `failed` are what new engines and engines at failure show.
    pub(super) fn features(&self, cycles: u32, fresh: f64, failed: f64) -> [f64; WEAR_FEATURES.len()] {
        let cycles = f64::from(cycles);
        let ([m02, m05, m10, m20], [l02, l05, l10]) = (self.levels, self.leads);
        let rate = self.drift / cycles.max(1.0);
        let drift_mean = self.drift_sum / self.n.max(1.0);
        let (first, mean, drift, sum) = (self.first, self.mean, self.drift, self.drift_sum);
        let [left02, left05, left10] = self.left(fresh, failed);
        let (pace, risen) = ((m10 - fresh) / cycles.max(1.0), m10 - mean);
        [
            cycles, m02, m05, m10, m20, first, mean, drift, rate, sum, drift_mean, l02, l05, l10, left02, left05,
            left10, pace, risen,
        ]
    }

    /// Flights until the wear is that of failure, if it goes on as fast as the slow, the middle and the fast mean rise. A
    /// mean's lead is what it lags behind the wear of now: the slope times (1 − alpha) / alpha. Without the small factor
    /// 1 − alpha, which changes nothing for trees, these say a little more flights than there are.
    fn left(&self, fresh: f64, failed: f64) -> [f64; 3] {
        let (way, direction) = ((failed - fresh).abs(), (failed - fresh).signum());
        let left = |level: f64, lead: f64, alpha: f64| {
            let pace = (lead * alpha * direction).max(way * PACE_MIN);
            ((failed - level - lead) * direction / pace).clamp(-LEFT_MAX, LEFT_MAX)
        };
        let ([m02, m05, m10, _], [l02, l05, l10], [a02, a05, a10, _]) = (self.levels, self.leads, ALPHAS);
        [left(m02, l02, a02), left(m05, l05, a05), left(m10, l10, a10)]
    }
}
