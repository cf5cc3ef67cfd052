//! A trained model: what is asked of a state and what it answers.

use serde::{Deserialize, Serialize};

use super::features::{Feature, Part, SensorId, Wear};
use super::fold::{CYCLES_MIN, Engine};

/// Most trees a model may have, and nodes a tree: a forecast walks at most one path of each.
pub(super) const TREES_MAX: usize = 1_000;
pub(super) const NODES_MAX: usize = 255;
/// Longest path from the root of a tree to a leaf.
pub(super) const DEPTH_MAX: u8 = 16;
/// Most sensors named as drivers, and the least share of the drift that names one.
const DRIVERS_MAX: usize = 3;
const DRIVER_SHARE_MIN: f64 = 0.1;
/// Healthier engines have no drivers: their drift is noise.
const DRIVEN_BELOW: f64 = 0.8;

/// What a model was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Training {
    /// Name of the history.
    pub(crate) name: String,
    /// How many engines.
    pub(crate) units: u32,
    /// How many flights.
    pub(crate) rows: u32,
    /// SHA-256 of the history, row by row: see `train`.
    pub(crate) sha256: [u8; 32],
}

/// How a model is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TrainSettings {
    /// Remaining life is told up to this many flights: wear does not show earlier. Default 125.
    pub(crate) life_max: f64,
    /// Trees of one booster.
    pub(crate) trees: u16,
    /// Boosters whose mean is the forecast, each with a seed of its own; bags x trees is 1 to 1,000.
    pub(crate) bags: u8,
    /// Share of each tree's correction that is applied.
    pub(crate) rate: f32,
    /// Leaves of a tree, 2 to 128.
    pub(crate) leaves: u8,
    /// Least rows of a leaf.
    pub(crate) leaf_rows: u16,
    /// Share of the rows that a tree sees.
    pub(crate) row_share: f32,
    /// Share of the features that a tree sees.
    pub(crate) feature_share: f64,
    /// Weight of a leaf's size against its value.
    pub(crate) shrink: f32,
    /// What a flight with more than `life_max` left counts in training, above 0 and at most 1: a life has many such, all
    /// alike.
    pub(crate) far_weight: f64,
    /// Parts for cross-validation; whole engines are held out. 2 to 20.
    pub(crate) folds: u8,
    /// Flights that every forecast is lowered by, as late ones cost more: the one that makes the product of RMSE and
    /// score least in cross-validation, over flights with at most `life_max` + 20 left. 0 to 10.
    pub(crate) caution: f64,
    /// Coverage of the interval, above 0 and below 1.
    pub(crate) coverage: f64,
    /// Where chance starts.
    pub(crate) seed: u64,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            life_max: 125.0,
            trees: 250,
            bags: 1,
            rate: 0.04,
            leaves: 40,
            leaf_rows: 100,
            row_share: 0.5,
            feature_share: 0.5,
            shrink: 20.0,
            far_weight: 0.25,
            folds: 5,
            caution: 1.0,
            coverage: 0.9,
            seed: 1,
        }
    }
}

/// How good the model was on engines held out, over all their flights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Flights that were forecast.
    pub(crate) forecasts: u32,
    /// RMSE, lives counted up to `life_max`.
    pub(crate) rmse_capped: f64,
    /// RMSE over the flights within `life_max` of failure.
    pub(crate) rmse_near: f64,
    /// PHM08 score per flight, lives counted up to `life_max`.
    pub(crate) score_capped: f64,
    /// PHM08 score per flight within `life_max` of failure.
    pub(crate) score_near: f64,
}

/// What the fold answers with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Forecast {
    /// 1 as new, 0 at failure: where the fused wear is between its means at both ends in training.
    pub(crate) health: f64,
    /// Flights left, at most the model's `life_max`.
    pub(crate) rul: f64,
    /// Lower end of the interval, flights.
    pub(crate) low: f64,
    /// Upper end of the interval, flights.
    pub(crate) high: f64,
    /// Share of engines whose life ends within the interval.
    pub(crate) coverage: f64,
    /// Sensors whose drift speaks of wear, strongest first; none for a healthy engine.
    pub(crate) drivers: Vec<&'static str>,
}

/// One sensor's part in the fused wear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) sensor: SensorId,
    pub(super) mean: f64,
    pub(super) sd: f64,
    pub(super) weight: f64,
}

/// A model as its file has it; the shape of format version 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) training: Training,
    pub(super) settings: TrainSettings,
    pub(super) figures: Figures,
    pub(super) scales: Vec<StoredScale>,
    /// Fused wear of new engines and of engines at failure, means.
    pub(super) fresh: f64,
    pub(super) failed: f64,
    pub(super) features: Vec<String>,
    pub(super) base: f64,
    pub(super) trees: Vec<Tree>,
    pub(super) knots: Vec<Knot>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredScale {
    pub(super) sensor: String,
    pub(super) mean: f64,
    pub(super) sd: f64,
    pub(super) weight: f64,
}

/// The root is first; a node's children come after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Node {
    Leaf(f32),
    Split { feature: u8, below: f32, left: u8, right: u8 },
}

/// How far the truth is from forecasts around `at`: the interval is `at + under` to `at + over`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Knot {
    pub(super) at: f64,
    pub(super) under: f64,
    pub(super) over: f64,
}

/// A model that has been checked: asking it cannot fail, and ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    stored: Stored,
    scales: Vec<Scale>,
    features: Vec<Feature>,
}

impl Model {
    /// What it was made from.
    pub(crate) fn training(&self) -> &Training {
        &self.stored.training
    }

    /// How it was made.
    pub(crate) fn settings(&self) -> &TrainSettings {
        &self.stored.settings
    }

    /// What cross-validation found.
    pub(crate) fn figures(&self) -> &Figures {
        &self.stored.figures
    }

    /// Names of the trees' inputs.
    pub(crate) fn features(&self) -> &[String] {
        &self.stored.features
    }

    /// Names of the sensors it needs.
    pub(crate) fn sensors(&self) -> impl Iterator<Item = &'static str> {
        self.scales.iter().map(|scale| scale.sensor.name())
    }

    /// How many trees.
    pub(crate) fn trees(&self) -> usize {
        self.stored.trees.len()
    }

    /// What it says of an engine; none while too little is known.
    pub(crate) fn forecast(&self, engine: &Engine) -> Option<Forecast> {
        let wear = self.wear(engine)?;
        let rul = self.rul(engine, &wear);
        let (under, over) = self.interval(rul);
        let health = self.health(&wear);
        Some(Forecast {
            health,
            rul,
            low: (rul + under).clamp(0.0, rul),
            high: (rul + over).max(rul),
            coverage: self.stored.settings.coverage,
            drivers: if health < DRIVEN_BELOW { self.drivers(engine) } else { Vec::new() },
        })
    }

    /// What [`Model::check`] found to be sound.
    pub(super) fn of(stored: Stored, scales: Vec<Scale>, features: Vec<Feature>) -> Self {
        Self { stored, scales, features }
    }

    #[cfg(any(test, feature = "train"))]
    pub(super) fn stored(&self) -> &Stored {
        &self.stored
    }

    fn wear(&self, engine: &Engine) -> Option<Wear> {
        if !engine.is_at_home() || engine.cycles() < CYCLES_MIN {
            return None;
        }
        Wear::of(engine, &self.scales)
    }

    /// Inputs of the trees, in their order; single precision, so that trees split where they were trained to.
    #[cfg(feature = "train")]
    pub(super) fn inputs(&self, engine: &Engine) -> Option<Vec<f32>> {
        self.wear(engine).map(|wear| self.inputs_of(engine, &wear))
    }

    fn inputs_of(&self, engine: &Engine, wear: &Wear) -> Vec<f32> {
        let fused = wear.features(engine.cycles(), self.stored.fresh, self.stored.failed);
        let value = |feature: &Feature| match feature {
            Feature::Wear(at) => fused.get(usize::from(*at)).copied(),
            Feature::Of(part, sensor) => self.scaled(engine, *part, *sensor),
        };
        self.features.iter().map(|feature| value(feature).unwrap_or_default() as f32).collect()
    }

    /// Fused wear as health is read from it.
    #[cfg(feature = "train")]
    pub(super) fn level(&self, engine: &Engine) -> Option<f64> {
        self.wear(engine).map(|wear| wear.level())
    }

    fn scaled(&self, engine: &Engine, part: Part, sensor: SensorId) -> Option<f64> {
        let scale = self.scales.iter().find(|scale| scale.sensor == sensor)?;
        let gauge = engine.gauge(sensor)?;
        let ([_, _, mean10, mean20], [_, lead05, lead10]) = (gauge.levels(), gauge.leads());
        let value = match part {
            Part::Mean10 => mean10 - scale.mean,
            Part::Mean20 => mean20 - scale.mean,
            Part::Drift => mean20 - gauge.first,
            Part::Lead05 => lead05,
            Part::Lead10 => lead10,
        };
        Some(value / scale.sd)
    }

    fn rul(&self, engine: &Engine, wear: &Wear) -> f64 {
        let inputs = self.inputs_of(engine, wear);
        let corrections: f64 = self.stored.trees.iter().map(|tree| f64::from(tree.value(&inputs))).sum();
        (self.stored.base + corrections).clamp(0.0, self.stored.settings.life_max)
    }

    fn health(&self, wear: &Wear) -> f64 {
        ((wear.level() - self.stored.failed) / (self.stored.fresh - self.stored.failed)).clamp(0.0, 1.0)
    }

    /// Straight lines between the knots, level beyond them.
    fn interval(&self, rul: f64) -> (f64, f64) {
        let mut before: Option<&Knot> = None;
        for knot in &self.stored.knots {
            if rul < knot.at {
                let before = before.unwrap_or(knot);
                let share = if knot.at > before.at { (rul - before.at) / (knot.at - before.at) } else { 1.0 };
                let between = |from: f64, to: f64| from + (to - from) * share;
                return (between(before.under, knot.under), between(before.over, knot.over));
            }
            before = Some(knot);
        }
        before.map_or((0.0, 0.0), |last| (last.under, last.over))
    }

    /// Each sensor's part of the fused wear's way from the first values, in the direction of failure.
    fn drivers(&self, engine: &Engine) -> Vec<&'static str> {
        let direction = (self.stored.failed - self.stored.fresh).signum();
        let part = |scale: &Scale| {
            let drift = engine.gauge(scale.sensor)?.drift() / scale.sd;
            Some((drift * scale.weight * direction, scale.sensor)).filter(|(part, _)| *part > 0.0)
        };
        let mut parts: Vec<(f64, SensorId)> = self.scales.iter().filter_map(part).collect();
        parts.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let least = parts.iter().map(|(part, _)| part).sum::<f64>() * DRIVER_SHARE_MIN;
        let named = parts.iter().filter(|(part, _)| *part >= least).take(DRIVERS_MAX);
        named.map(|(_, sensor)| sensor.name()).collect()
    }
}

impl Tree {
    /// One of `of` whose sum counts once.
    #[cfg(feature = "train")]
    pub(super) fn shared(mut self, of: f32) -> Self {
        for node in &mut self.nodes {
            if let Node::Leaf(value) = node {
                *value /= of;
            }
        }
        self
    }

    fn value(&self, inputs: &[f32]) -> f32 {
        let mut at = 0;
        // Children come after their parent: the walk ends.
        while let Some(node) = self.nodes.get(usize::from(at)) {
            match *node {
                Node::Leaf(value) => return value,
                Node::Split { feature, below, left, right } => {
                    at =
                        if inputs.get(usize::from(feature)).is_some_and(|input| *input < below) { left } else { right };
                }
            }
        }
        0.0
    }
}
