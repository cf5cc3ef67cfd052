//! What a model is asked with: features of one engine's state, by name.

use super::fold::{Engine, Gauge};
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
pub(super) const WEAR_FEATURES: [&str; 14] = [
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
];

/// What of a single sensor the trees see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `mean10`: its 0.1 mean.
    Mean10,
    /// `mean20`: its 0.2 mean.
    Mean20,
    /// `drift`: how far its 0.2 mean is from its first values.
    Drift,
}

/// By name, in the order models list them.
pub(super) const PARTS: [(&str, Part); 3] =
    [("mean10", Part::Mean10), ("mean20", Part::Mean20), ("drift", Part::Drift)];

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

    /// Values in the order of [`WEAR_FEATURES`].
    pub(super) fn features(&self, cycles: u32) -> [f64; WEAR_FEATURES.len()] {
        let cycles = f64::from(cycles);
        let ([m02, m05, m10, m20], [l02, l05, l10]) = (self.levels, self.leads);
        let rate = self.drift / cycles.max(1.0);
        let drift_mean = self.drift_sum / self.n.max(1.0);
        let (first, mean, drift, sum) = (self.first, self.mean, self.drift, self.drift_sum);
        [cycles, m02, m05, m10, m20, first, mean, drift, rate, sum, drift_mean, l02, l05, l10]
    }
}
