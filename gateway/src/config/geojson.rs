//! GeoJSON (RFC 7946) in, zones out. Whoever drew the file is told which feature is wrong, where in it, and how.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;
use thiserror::Error;

use crate::record::{Area, Corner, Geography, Name, Zone};

/// Most zones of a file.
pub(super) const ZONES_MAX: usize = 2_000;
/// Most positions of a file, all zones together: 100 KB in the log.
pub(super) const POSITIONS_MAX: usize = 10_000;
/// Longest name or kind of a zone, bytes.
pub(super) const NAME_BYTES_MAX: usize = 64;
/// Most readers of a zone.
const READERS_MAX: usize = 64;
/// Largest radius of a circle, m.
const RADIUS_MAX_M: f64 = 1_000_000.0;

/// Why zones were refused.
#[derive(Debug, Error, PartialEq)]
pub(super) enum Refused {
    /// Not JSON, or not an object with `type` and a list of `features`.
    #[error("not a GeoJSON feature collection: {0}")]
    NotACollection(String),
    /// More zones than are taken.
    #[error("{got} features, at most {ZONES_MAX} are taken")]
    TooManyZones { got: usize },
    /// More positions than are taken.
    #[error("feature {feature}: more than {POSITIONS_MAX} positions in all features up to here")]
    TooManyPositions { feature: usize },
    /// A feature, counted from 1, cannot be a zone.
    #[error("feature {feature}{}: {wrong}", .name.as_ref().map(|name| format!(" ({name:?})")).unwrap_or_default())]
    Feature { feature: usize, name: Option<String>, wrong: Wrong },
}

/// What is wrong with a feature.
#[derive(Debug, Error, PartialEq)]
pub(super) enum Wrong {
    #[error("type is not \"Feature\"")]
    NotAFeature,
    #[error("properties.{0} is to be a text of 1 to {NAME_BYTES_MAX} bytes without control characters")]
    Text(&'static str),
    #[error("feature {other} has that name too")]
    NameTaken { other: usize },
    #[error("geometry is {0}, a zone is a Polygon, a MultiPolygon, or a Point with properties.radius_m")]
    Geometry(String),
    #[error("coordinates do not fit a {kind}: {why}")]
    Coordinates { kind: &'static str, why: String },
    #[error("a Point needs properties.radius_m above 0 and at most {RADIUS_MAX_M}, got {0}")]
    Radius(String),
    #[error("properties.readers is to be a list of at most {READERS_MAX} numbers from 0 to 65535, on a Point")]
    Readers,
    #[error("reader {reader} stands in {other:?} too")]
    ReaderTaken { reader: u16, other: String },
    #[error("geometry has no ring")]
    Empty,
    #[error("{at} has {got} positions, a closed ring has at least 4")]
    Short { at: Ring, got: usize },
    #[error("{at} is not closed: it begins at {first:?} and ends at {last:?}")]
    Open { at: Ring, first: [f64; 2], last: [f64; 2] },
    #[error("{at} encloses nothing: its positions are on one line")]
    Flat { at: Ring },
    #[error("{at}, position {position}: {got:?} has a latitude beyond 90; longitude comes first, are they swapped?")]
    Swapped { at: Ring, position: usize, got: [f64; 2] },
    #[error("{at}, position {position}: {got:?} is not on earth; longitude is -180 to 180, latitude -90 to 90")]
    OffEarth { at: Ring, position: usize, got: [f64; 2] },
    #[error(
        "{at}, position {position}: the edge from {from:?} to {to:?} goes more than half around the earth; what crosses \
         the antimeridian is to be cut in two there (RFC 7946, 3.1.9)"
    )]
    Antimeridian { at: Ring, position: usize, from: [f64; 2], to: [f64; 2] },
}

/// A ring of a geometry, both counted from 1; a polygon's first ring is its outline.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("polygon {polygon}, ring {ring}")]
pub(super) struct Ring {
    polygon: usize,
    ring: usize,
}

#[derive(Deserialize)]
struct Collection {
    r#type: String,
    features: Vec<Json>,
}

/// Reads a feature collection.
pub(super) fn read(text: &str) -> Result<Vec<Zone>, Refused> {
    // Some editors put a byte order mark first; JSON has none.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let collection: Collection =
        serde_json::from_str(text).map_err(|error| Refused::NotACollection(error.to_string()))?;
    if collection.r#type != "FeatureCollection" {
        return Err(Refused::NotACollection(format!("type is {:?}", collection.r#type)));
    }
    if collection.features.len() > ZONES_MAX {
        return Err(Refused::TooManyZones { got: collection.features.len() });
    }
    let (mut zones, mut taken, mut positions) = (Vec::new(), Taken::default(), 0);
    for (feature, json) in (1..).zip(&collection.features) {
        positions += positions_in(json.get("geometry").and_then(|geometry| geometry.get("coordinates")));
        if positions > POSITIONS_MAX {
            return Err(Refused::TooManyPositions { feature });
        }
        let zone = zone(json).and_then(|zone| taken.take(feature, &zone).map(|()| zone));
        zones.push(zone.map_err(|wrong| Refused::Feature { feature, name: name_of(json), wrong })?);
    }
    Ok(zones)
}

/// Names and readers of the zones so far.
#[derive(Default)]
struct Taken {
    names: BTreeMap<Name, usize>,
    readers: BTreeMap<u16, Name>,
}

impl Taken {
    fn take(&mut self, feature: usize, zone: &Zone) -> Result<(), Wrong> {
        if let Some(other) = self.names.insert(zone.name.clone(), feature) {
            return Err(Wrong::NameTaken { other });
        }
        for reader in &zone.readers {
            if let Some(other) = self.readers.insert(*reader, zone.name.clone()) {
                return Err(Wrong::ReaderTaken { reader: *reader, other: other.to_string() });
            }
        }
        Ok(())
    }
}

/// Lists of numbers in a tree of lists.
fn positions_in(json: Option<&Json>) -> usize {
    match json {
        Some(Json::Array(items)) if items.iter().any(Json::is_array) => {
            items.iter().map(|item| positions_in(Some(item))).sum()
        }
        Some(Json::Array(_)) => 1,
        _ => 0,
    }
}

fn property<'a>(json: &'a Json, name: &str) -> Option<&'a Json> {
    json.get("properties")?.get(name).filter(|value| !value.is_null())
}

fn name_of(json: &Json) -> Option<String> {
    property(json, "name")?.as_str().map(|name| name.chars().take(NAME_BYTES_MAX).collect())
}

fn text(value: &Json, what: &'static str) -> Result<Name, Wrong> {
    let sound = |text: &&str| (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    value.as_str().filter(sound).map(Name::from).ok_or(Wrong::Text(what))
}

fn zone(json: &Json) -> Result<Zone, Wrong> {
    if json.get("type").and_then(Json::as_str) != Some("Feature") {
        return Err(Wrong::NotAFeature);
    }
    let name = text(property(json, "name").unwrap_or(&Json::Null), "name")?;
    let kind = property(json, "kind").map(|kind| text(kind, "kind")).transpose()?;
    let geometry = json.get("geometry").unwrap_or(&Json::Null);
    let shape = geometry.get("type").unwrap_or(&Json::Null);
    let area = match shape.as_str() {
        Some("Polygon") => Area::Polygons(vec![polygon(coordinates(geometry, "Polygon")?, 1)?]),
        Some("MultiPolygon") => Area::Polygons(polygons(coordinates(geometry, "MultiPolygon")?)?),
        Some("Point") => circle(coordinates(geometry, "Point")?, property(json, "radius_m"))?,
        _ => return Err(Wrong::Geometry(shape.to_string())),
    };
    let readers = property(json, "readers").map(|list| readers(list, &area)).transpose()?.unwrap_or_default();
    Ok(Zone { name, kind, area, readers })
}

fn readers(list: &Json, area: &Area) -> Result<Vec<u16>, Wrong> {
    let readers = Vec::<u16>::deserialize(list).map_err(|_| Wrong::Readers)?;
    let sound = readers.len() <= READERS_MAX && matches!(area, Area::Circle { .. });
    if sound { Ok(readers) } else { Err(Wrong::Readers) }
}

fn coordinates<T: for<'de> Deserialize<'de>>(geometry: &Json, kind: &'static str) -> Result<T, Wrong> {
    let coordinates = geometry.get("coordinates").unwrap_or(&Json::Null);
    T::deserialize(coordinates).map_err(|error| Wrong::Coordinates { kind, why: error.to_string() })
}

/// A position; an altitude may follow.
#[derive(Deserialize)]
#[serde(try_from = "Vec<f64>")]
struct Written([f64; 2]);

impl TryFrom<Vec<f64>> for Written {
    type Error = &'static str;

    fn try_from(numbers: Vec<f64>) -> Result<Self, Self::Error> {
        match numbers.as_slice() {
            [longitude, latitude] | [longitude, latitude, _] => Ok(Self([*longitude, *latitude])),
            _ => Err("a position has 2 or 3 numbers"),
        }
    }
}

impl Written {
    fn corner(&self, at: Ring, position: usize) -> Result<Corner, Wrong> {
        let got @ [longitude, latitude] = self.0;
        match (longitude.abs() <= 180.0, latitude.abs() <= 90.0) {
            (true, true) => Ok(got.map(|degrees| (degrees / Geography::UNIT_DEG).round() as i32)),
            (_, false) if longitude.abs() <= 90.0 && latitude.abs() <= 180.0 => {
                Err(Wrong::Swapped { at, position, got })
            }
            _ => Err(Wrong::OffEarth { at, position, got }),
        }
    }
}

fn circle(centre: Written, radius: Option<&Json>) -> Result<Area, Wrong> {
    let centre = centre.corner(Ring { polygon: 1, ring: 1 }, 1)?;
    let sound = radius.and_then(Json::as_f64).filter(|radius| *radius > 0.0 && *radius <= RADIUS_MAX_M);
    let radius_m = sound.ok_or_else(|| Wrong::Radius(radius.map_or("none".to_owned(), Json::to_string)))?;
    Ok(Area::Circle { centre, radius_m })
}

fn polygons(parts: Vec<Vec<Vec<Written>>>) -> Result<Vec<Vec<Vec<Corner>>>, Wrong> {
    if parts.is_empty() {
        return Err(Wrong::Empty);
    }
    (1..).zip(parts).map(|(number, part)| polygon(part, number)).collect()
}

fn polygon(rings: Vec<Vec<Written>>, polygon: usize) -> Result<Vec<Vec<Corner>>, Wrong> {
    if rings.is_empty() {
        return Err(Wrong::Empty);
    }
    (1..).zip(rings).map(|(number, written)| ring(&written, Ring { polygon, ring: number })).collect()
}

fn ring(written: &[Written], at: Ring) -> Result<Vec<Corner>, Wrong> {
    let corners: Vec<Corner> =
        (1..).zip(written).map(|(position, written)| written.corner(at, position)).collect::<Result<_, _>>()?;
    let (Some(first), Some(last)) = (written.first(), written.last()) else {
        return Err(Wrong::Short { at, got: 0 });
    };
    if corners.first() != corners.last() {
        return Err(Wrong::Open { at, first: first.0, last: last.0 });
    }
    if corners.len() < 4 {
        return Err(Wrong::Short { at, got: corners.len() });
    }
    for (position, edge) in (1..).zip(written.windows(2)) {
        if let [Written(from), Written(to)] = edge
            && (from[0] - to[0]).abs() > 180.0
        {
            return Err(Wrong::Antimeridian { at, position, from: *from, to: *to });
        }
    }
    if is_flat(&corners) { Err(Wrong::Flat { at }) } else { Ok(corners) }
}

/// Whether all corners are on one line; exact.
fn is_flat(corners: &[Corner]) -> bool {
    let Some((first, rest)) = corners.split_first() else { return true };
    let from_first = |corner: &Corner| [0, 1].map(|axis| i128::from(corner[axis]) - i128::from(first[axis]));
    let Some(along) = rest.iter().map(from_first).find(|way| *way != [0, 0]) else { return true };
    rest.iter().map(from_first).all(|way| along[0] * way[1] == along[1] * way[0])
}

#[cfg(test)]
pub(super) mod tests;
