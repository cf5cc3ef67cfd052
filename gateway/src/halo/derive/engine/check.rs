//! What a model must be before it is asked: whoever asks a checked one meets no NaN, no loop and no missing sensor.

use super::features::{Feature, PARTS, SENSORS, SensorId, WEAR_FEATURES};
use super::file::ModelError;
use super::model::{DEPTH_MAX, Knot, Model, NODES_MAX, Node, Scale, Stored, TREES_MAX, Tree};

const FEATURES_MAX: usize = WEAR_FEATURES.len() + PARTS.len() * SENSORS.len();
const KNOTS_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 64;

impl Model {
    pub(super) fn check(stored: Stored) -> Result<Self, ModelError> {
        let scales = check_scales(&stored)?;
        let features = check_features(&stored)?;
        let trees = bounded("trees", &stored.trees, 0..=TREES_MAX)?;
        for (at, tree) in trees.iter().enumerate() {
            check_tree(at, tree, features.len())?;
        }
        check_knots(bounded("knots of the interval", &stored.knots, 1..=KNOTS_MAX)?)?;
        finite("base of the trees", &[stored.base])?;
        finite("fused wear of new and failed engines", &[stored.fresh, stored.failed])?;
        if stored.fresh == stored.failed {
            return Err(ModelError::Value { what: "fused wear of new and failed engines", at: 0 });
        }
        let (life_max, coverage) = (stored.settings.life_max, stored.settings.coverage);
        let sound = life_max > 0.0 && life_max <= 1e6 && coverage > 0.0 && coverage < 1.0;
        if !sound || stored.training.name.len() > NAME_BYTES_MAX {
            return Err(ModelError::Value { what: "settings", at: 0 });
        }
        Ok(Self::of(stored, scales, features))
    }
}

fn check_scales(stored: &Stored) -> Result<Vec<Scale>, ModelError> {
    let mut scales: Vec<Scale> = Vec::new();
    for (at, scale) in bounded("sensors", &stored.scales, 1..=SENSORS.len())?.iter().enumerate() {
        let unknown = || ModelError::Sensor { at, name: short(&scale.sensor) };
        let sensor = SensorId::of(&scale.sensor).ok_or_else(unknown)?;
        if scales.iter().any(|known| known.sensor == sensor) {
            return Err(unknown());
        }
        let (mean, sd, weight) = (scale.mean, scale.sd, scale.weight);
        finite("scale of a sensor", &[mean, sd, weight]).map_err(|error| error.at(at))?;
        if sd < 1e-12 {
            return Err(ModelError::Value { what: "scale of a sensor", at });
        }
        scales.push(Scale { sensor, mean, sd, weight });
    }
    Ok(scales)
}

fn check_features(stored: &Stored) -> Result<Vec<Feature>, ModelError> {
    let names = bounded("features", &stored.features, 1..=FEATURES_MAX)?;
    let scaled = |id: SensorId| stored.scales.iter().any(|scale| scale.sensor == id.name());
    let known = |name: &str| match Feature::of(name)? {
        Feature::Of(_, sensor) if !scaled(sensor) => None,
        feature => Some(feature),
    };
    let named = names.iter().enumerate();
    named.map(|(at, name)| known(name).ok_or_else(|| ModelError::Feature { at, name: short(name) })).collect()
}

fn check_tree(tree: usize, stored: &Tree, features: usize) -> Result<(), ModelError> {
    let nodes = bounded("nodes of a tree", &stored.nodes, 1..=NODES_MAX).map_err(|error| error.at(tree))?;
    let mut depths = vec![0_u8; nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        let wrong = |what| ModelError::Tree { tree, node: at, what };
        match *node {
            Node::Leaf(value) if value.is_finite() => {}
            Node::Leaf(_) => return Err(wrong("a value that is not finite")),
            Node::Split { feature, below, left, right } => {
                if usize::from(feature) >= features {
                    return Err(wrong("a feature that is not listed"));
                }
                if !below.is_finite() {
                    return Err(wrong("a bound that is not finite"));
                }
                let depth = depths.get(at).map_or(0, |depth| depth.saturating_add(1));
                if depth > DEPTH_MAX {
                    return Err(wrong("too long a path"));
                }
                for child in [usize::from(left), usize::from(right)] {
                    let place = depths.get_mut(child).filter(|_| child > at);
                    let place = place.ok_or_else(|| wrong("a child that is not after it"))?;
                    *place = depth.max(*place);
                }
            }
        }
    }
    Ok(())
}

fn check_knots(knots: &[Knot]) -> Result<(), ModelError> {
    let what = "knot of the interval";
    for (at, knot) in knots.iter().enumerate() {
        finite(what, &[knot.at, knot.under, knot.over]).map_err(|error| error.at(at))?;
    }
    let ascending = |pair: &[Knot]| matches!(pair, [one, other] if one.at <= other.at);
    match knots.windows(2).position(|pair| !ascending(pair)) {
        Some(at) => Err(ModelError::Value { what, at: at + 1 }),
        None => Ok(()),
    }
}

fn bounded<'a, T>(
    what: &'static str,
    list: &'a [T],
    allowed: std::ops::RangeInclusive<usize>,
) -> Result<&'a [T], ModelError> {
    if allowed.contains(&list.len()) {
        return Ok(list);
    }
    Err(ModelError::Count { what, at: 0, got: list.len(), least: *allowed.start(), most: *allowed.end() })
}

/// Within what a double can add up a thousand times over.
fn finite(what: &'static str, values: &[f64]) -> Result<(), ModelError> {
    let sound = values.iter().all(|value| value.abs() <= 1e12);
    if sound { Ok(()) } else { Err(ModelError::Value { what, at: 0 }) }
}

/// A name from a file, cut to what a message can show.
fn short(name: &str) -> String {
    name.chars().take(NAME_BYTES_MAX).collect()
}
