//! From run-to-failure histories to a model.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::boost;
use super::calibrate::{self, HeldOut};
use super::features::{SENSORS, TRAINED, UNTRAINED, WEAR_FEATURES};
use super::figures::{phm08_score, rmse};
use super::file::ModelError;
use super::flight::Flight;
use super::fold::{Engine, EngineSettings};
use super::model::{Figures, Knot, Model, Stored, StoredScale, TREES_MAX, TrainSettings, Training};
use super::rows::Row;

/// Weight of the fused sensors' weights against their error, in rows.
const RIDGE: f64 = 10.0;
/// Flights at the start of a life whose fused wear counts as new.
const FRESH: usize = 20;
/// Most rows and units trained on.
const ROWS_MAX: usize = 1_000_000;

/// Why no model came of it.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum TrainError {
    /// Too few engines for cross-validation, too few flights, or too many.
    #[error("history has {units} units and {rows} rows, wanted at least {folds} units and at most {ROWS_MAX} rows")]
    Size {
        /// Engines.
        units: usize,
        /// Flights.
        rows: usize,
        /// Parts asked for.
        folds: u8,
    },
    /// A setting outside what its documentation says.
    #[error("setting {0} is out of range")]
    Setting(&'static str),
    /// No sensor changes, or nothing lives long enough to be forecast.
    #[error("history shows no wear")]
    NoWear,
    /// The library could not grow trees.
    #[error("trees cannot be grown: {0}")]
    Trees(String),
    /// What came out is no model.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// One unit's history, in order.
struct Life {
    unit: u32,
    flights: Vec<Flight>,
}

/// Flights that can be forecast, of one or more lives.
#[derive(Default)]
struct Examples {
    inputs: Vec<Vec<f32>>,
    /// True remaining life, not capped.
    truths: Vec<f64>,
}

/// Trains a model on lives that end in failure: the rows of one unit follow each other, its last row is its last flight.
///
/// Figures and intervals come from cross-validation: each part of the units is forecast by a model that saw none of
/// them. The same rows and settings give the same model. The hash it carries is SHA-256 over unit, cycle (u32) and the 24
/// values (f64) of each row, little endian. `progress` hears how many boosters are grown, and of how many.
///
/// # Errors
/// When there is nothing to learn from, or a setting is senseless.
pub(crate) fn train(
    name: &str,
    rows: &[Row],
    settings: &TrainSettings,
    mut progress: impl FnMut(usize, usize),
) -> Result<Model, TrainError> {
    check(settings)?;
    let lives = lives(rows);
    if lives.len() < usize::from(settings.folds) || rows.len() > ROWS_MAX {
        return Err(TrainError::Size { units: lives.len(), rows: rows.len(), folds: settings.folds });
    }
    let boosters = (usize::from(settings.folds) + 1) * usize::from(settings.bags);
    let mut grown = 0;
    let mut one_more = || {
        grown += 1;
        progress(grown, boosters);
    };
    let held_out = hold_out(&lives, settings, &mut one_more)?;
    let training = Training {
        name: name.to_owned(),
        units: u32::try_from(lives.len()).unwrap_or(u32::MAX),
        rows: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        sha256: hash(rows),
    };
    let all: Vec<&Life> = lives.iter().collect();
    let mut stored = fit(&all, settings, &mut one_more)?;
    stored.training = training;
    stored.figures = figures(&held_out, settings.life_max);
    stored.knots = calibrate::knots(held_out, settings.coverage);
    Ok(Model::check(stored)?)
}

fn check(settings: &TrainSettings) -> Result<(), TrainError> {
    let share = |share: f64| share > 0.0 && share <= 1.0;
    let sound = [
        ("life_max", settings.life_max >= 1.0 && settings.life_max <= 1e6),
        ("trees", (1..=TREES_MAX).contains(&usize::from(settings.trees))),
        ("rate", share(f64::from(settings.rate))),
        ("leaves", (2..=128).contains(&settings.leaves)),
        ("leaf_rows", settings.leaf_rows >= 1),
        ("row_share", share(f64::from(settings.row_share))),
        ("feature_share", share(settings.feature_share)),
        ("bags", settings.bags >= 1 && usize::from(settings.trees) * usize::from(settings.bags) <= TREES_MAX),
        ("far_weight", share(settings.far_weight)),
        ("shrink", settings.shrink >= 0.0 && settings.shrink.is_finite()),
        ("caution", (0.0..=10.0).contains(&settings.caution)),
        ("folds", (2..=20).contains(&settings.folds)),
        ("coverage", settings.coverage > 0.0 && settings.coverage < 1.0),
    ];
    sound.iter().find(|(_, sound)| !sound).map_or(Ok(()), |(name, _)| Err(TrainError::Setting(name)))
}

fn lives(rows: &[Row]) -> Vec<Life> {
    let mut lives = BTreeMap::new();
    for row in rows {
        lives.entry(row.unit).or_insert_with(Vec::new).push(row.flight);
    }
    lives.into_iter().map(|(unit, flights)| Life { unit, flights }).collect()
}

/// Forecasts of every unit by models that did not see it. Units are dealt to the parts in a fixed, mixed order.
fn hold_out(lives: &[Life], settings: &TrainSettings, one_more: &mut dyn FnMut()) -> Result<Vec<HeldOut>, TrainError> {
    let folds = usize::from(settings.folds);
    let mut held_out = Vec::new();
    for part in 0..folds {
        let (out, seen): (Vec<_>, Vec<_>) =
            lives.iter().enumerate().partition(|(at, _)| (at.wrapping_mul(37) % lives.len()) % folds == part);
        let seen: Vec<&Life> = seen.into_iter().map(|(_, life)| life).collect();
        let model = Model::check(fit(&seen, settings, one_more)?)?;
        for (_, life) in out {
            follow(life, |engine, truth| {
                let forecast = model.forecast(engine).map(|forecast| forecast.rul);
                held_out.extend(forecast.map(|forecast| HeldOut { unit: life.unit, forecast, truth }));
            });
        }
    }
    Ok(held_out)
}

fn figures(held_out: &[HeldOut], life_max: f64) -> Figures {
    let pairs = |within: f64| {
        let near = held_out.iter().filter(move |one| one.truth <= within);
        near.map(|one| (one.forecast, one.truth.min(life_max))).collect::<Vec<_>>()
    };
    let (all, near) = (pairs(f64::INFINITY), pairs(life_max));
    let per_flight = |pairs: &[(f64, f64)]| phm08_score(pairs) / pairs.len().max(1) as f64;
    Figures {
        forecasts: u32::try_from(all.len()).unwrap_or(u32::MAX),
        rmse_capped: rmse(&all),
        rmse_near: rmse(&near),
        score_capped: per_flight(&all),
        score_near: per_flight(&near),
    }
}

/// A model of these lives; its training, figures and knots are still to be filled in.
fn fit(lives: &[&Life], settings: &TrainSettings, one_more: &mut dyn FnMut()) -> Result<Stored, TrainError> {
    let mut stored = Stored {
        training: Training { name: String::new(), units: 0, rows: 0, sha256: [0; 32] },
        settings: settings.clone(),
        figures: Figures { forecasts: 0, rmse_capped: 0.0, rmse_near: 0.0, score_capped: 0.0, score_near: 0.0 },
        scales: scales(lives, settings.life_max)?,
        fresh: 1.0,
        failed: 0.0,
        features: WEAR_FEATURES
            .iter()
            .filter(|name| !UNTRAINED.contains(name))
            .map(|name| (*name).to_owned())
            .collect(),
        base: 0.0,
        trees: Vec::new(),
        knots: vec![Knot { at: 0.0, under: 0.0, over: 0.0 }],
    };
    for part in TRAINED {
        stored.features.extend(stored.scales.iter().map(|scale| format!("{part}.{}", scale.sensor)));
    }
    (stored.fresh, stored.failed) = ends(lives, &Model::check(stored.clone())?);
    if stored.fresh == stored.failed {
        return Err(TrainError::NoWear);
    }
    let untrained = Model::check(stored.clone())?;
    let mut examples = Examples::default();
    lives.iter().for_each(|life| gather(life, &untrained, &mut examples));
    let labels: Vec<f64> = examples.truths.iter().map(|truth| truth.min(settings.life_max)).collect();
    let weight = |truth: &f64| if *truth > settings.life_max { settings.far_weight } else { 1.0 };
    let weights: Vec<f64> = examples.truths.iter().map(weight).collect();
    for bag in 0..settings.bags {
        let seeded = TrainSettings { seed: settings.seed.wrapping_add(u64::from(bag)), ..settings.clone() };
        let (base, trees) = boost::grow(&examples.inputs, &labels, &weights, &seeded)?;
        one_more();
        stored.base += base / f64::from(settings.bags);
        stored.trees.extend(trees.into_iter().map(|tree| tree.shared(f32::from(settings.bags))));
    }
    stored.base -= settings.caution;
    Ok(stored)
}

/// Fused wear of new engines and of engines at failure, means over `lives`.
fn ends(lives: &[&Life], model: &Model) -> (f64, f64) {
    let (mut fresh, mut failed) = (Vec::new(), Vec::new());
    for life in lives {
        let mut levels = Vec::new();
        follow(life, |engine, _| levels.extend(model.level(engine)));
        fresh.extend(levels.iter().take(FRESH).copied());
        failed.extend(levels.last().copied());
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    (mean(&fresh), mean(&failed))
}

/// Adds a life's flights.
fn gather(life: &Life, model: &Model, examples: &mut Examples) {
    follow(life, |engine, truth| {
        if let Some(inputs) = model.inputs(engine) {
            examples.inputs.push(inputs);
            examples.truths.push(truth);
        }
    });
}

/// The fold along a life; after each flight it is seen with the flights left.
fn follow(life: &Life, mut seen: impl FnMut(&Engine, f64)) {
    let mut engine = Engine::new(&EngineSettings::default());
    for (at, flight) in life.flights.iter().enumerate() {
        engine.flight(0, flight);
        seen(&engine, (life.flights.len() - 1 - at) as f64);
    }
}

/// Mean and deviation of each sensor that changes, and its weight in the fused wear: what a linear forecast of remaining
/// life gives it.
fn scales(lives: &[&Life], life_max: f64) -> Result<Vec<StoredScale>, TrainError> {
    let flights = || lives.iter().flat_map(|life| &life.flights);
    let mut scales: Vec<(usize, StoredScale)> = Vec::new();
    for (at, name) in SENSORS.iter().enumerate() {
        let values = || flights().filter_map(move |flight| flight.sensors.get(at)).filter(|value| value.is_finite());
        let (least, most) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), v| (l.min(*v), m.max(*v)));
        if most > least {
            let n = values().count() as f64;
            let mean = values().sum::<f64>() / n;
            let sd = (values().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n).sqrt();
            scales.push((at, StoredScale { sensor: (*name).to_owned(), mean, sd, weight: 0.0 }));
        }
    }
    let scaled = |flight: &Flight, at: usize, scale: &StoredScale| {
        flight.sensors.get(at).filter(|value| value.is_finite()).map_or(0.0, |value| (value - scale.mean) / scale.sd)
    };
    let row = |flight: &Flight| scales.iter().map(|(at, scale)| scaled(flight, *at, scale)).collect::<Vec<f64>>();
    let rows: Vec<Vec<f64>> = flights().map(row).collect();
    let left = |life: &&Life| (0..life.flights.len()).rev().map(|left| (left as f64).min(life_max)).collect::<Vec<_>>();
    let labels: Vec<f64> = lives.iter().flat_map(left).collect();
    let weights = calibrate::ridge(&rows, &labels, RIDGE);
    let weighed = scales.into_iter().zip(weights).map(|((_, scale), weight)| StoredScale { weight, ..scale });
    let weighed: Vec<StoredScale> = weighed.collect();
    if weighed.is_empty() { Err(TrainError::NoWear) } else { Ok(weighed) }
}

fn hash(rows: &[Row]) -> [u8; 32] {
    let mut sha = Sha256::new();
    for row in rows {
        sha.update(row.unit.to_le_bytes());
        sha.update(row.flight.cycle.unwrap_or(0).to_le_bytes());
        for value in row.flight.settings.iter().chain(&row.flight.sensors) {
            sha.update(value.to_le_bytes());
        }
    }
    sha.finalize().into()
}
