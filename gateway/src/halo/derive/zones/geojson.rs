//! GeoJSON (RFC 7946) in, checked zones out. Whoever wrote the file is told which feature is wrong and how.

use rstar::primitives::{GeomWithData, Line};
use rstar::{AABB, RTree, RTreeObject};
use serde::Deserialize;
use serde_json::Value as Json;
use thiserror::Error;

use super::super::earth::Position;
use super::index::Zone;
use super::shape::{Corner, Polygon, Shape, ring_area_m2};

/// Most zones of a collection.
pub const ZONES_MAX: usize = 10_000;
/// Most corners of a collection, all zones together.
pub const VERTICES_MAX: usize = 10_000;
/// Longest name of a zone, bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Largest radius of a circle, m.
const RADIUS_MAX_M: f64 = 1_000_000.0;

/// Why a collection of zones was refused.
#[derive(Debug, Error)]
pub enum ZonesError {
    /// Not JSON, or not an object with `type` and a list of `features`.
    #[error("not a GeoJSON feature collection: {0}")]
    NotACollection(String),
    /// More zones than are kept.
    #[error("{got} features, at most {ZONES_MAX} are allowed")]
    TooManyZones {
        /// How many there are.
        got: usize,
    },
    /// More corners than are kept.
    #[error("feature {feature}: more than {VERTICES_MAX} positions in all features up to here")]
    TooManyVertices {
        /// The first one too many, counted from 1.
        feature: usize,
    },
    /// A feature cannot be a zone.
    #[error("feature {feature}: {wrong}")]
    Feature {
        /// Counted from 1.
        feature: usize,
        /// What is wrong.
        wrong: Wrong,
    },
}

/// What is wrong with a feature. Rings and positions are counted from 1; a polygon's first ring is its outline.
#[derive(Debug, Error, PartialEq)]
pub enum Wrong {
    /// Another object.
    #[error("type is not \"Feature\"")]
    NotAFeature,
    /// No `properties.name`, or an empty or too long one.
    #[error("properties.name is to be a text of 1 to {NAME_BYTES_MAX} bytes")]
    Name,
    /// Two zones of one name.
    #[error("name {name:?} is feature {other}'s too")]
    NameTaken {
        /// The name.
        name: String,
        /// Who has it.
        other: usize,
    },
    /// A geometry that is no area.
    #[error("geometry is {0}, a zone is a Polygon, a MultiPolygon, or a Point with properties.radius_m")]
    Geometry(String),
    /// Coordinates of another shape than the geometry's type has.
    #[error("coordinates do not fit a {kind}: {why}")]
    Coordinates {
        /// The geometry's type.
        kind: &'static str,
        /// As the parser says it.
        why: String,
    },
    /// No radius, or one that is none.
    #[error("a Point needs properties.radius_m above 0 and at most {RADIUS_MAX_M}, got {0}")]
    Radius(String),
    /// A multi polygon, or a polygon, of nothing.
    #[error("geometry has no ring")]
    Empty,
    /// Too few positions.
    #[error("ring {ring} has {got} positions, a closed ring has at least 4")]
    Short {
        /// Which ring.
        ring: usize,
        /// How many positions.
        got: usize,
    },
    /// The last position is not the first.
    #[error("ring {ring} is not closed: it begins at {first:?} and ends at {last:?}")]
    Open {
        /// Which ring.
        ring: usize,
        /// Longitude and latitude.
        first: Corner,
        /// Longitude and latitude.
        last: Corner,
    },
    /// All positions on one line.
    #[error("ring {ring} encloses nothing")]
    Flat {
        /// Which ring.
        ring: usize,
    },
    /// Out of range in a way that looks like latitude first.
    #[error("position {got:?} has a latitude beyond 90: longitude comes first, are they swapped?")]
    Swapped {
        /// As written.
        got: Corner,
    },
    /// Out of range.
    #[error("position {got:?} is not on earth: longitude −180 to 180, then latitude −90 to 90")]
    OffEarth {
        /// As written.
        got: Corner,
    },
    /// An edge over more than half the earth.
    #[error("the edge from {from:?} to {to:?} crosses the antimeridian: cut the zone in two there (RFC 7946, 3.1.9)")]
    Antimeridian {
        /// Longitude and latitude.
        from: Corner,
        /// Longitude and latitude.
        to: Corner,
    },
}

/// Something odd that was accepted: a ring that crosses itself. What is inside then follows the even-odd rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Counted from 1.
    pub feature: usize,
    /// The zone's.
    pub name: String,
    /// Counted from 1.
    pub ring: usize,
    /// Where one of the crossing edges begins, longitude and latitude.
    pub near: [f64; 2],
}

#[derive(Deserialize)]
struct Collection {
    r#type: String,
    features: Vec<Json>,
}

/// Reads a feature collection.
pub(super) fn read(text: &str) -> Result<(Vec<Zone>, Vec<Told>), ZonesError> {
    let collection: Collection =
        serde_json::from_str(text).map_err(|error| ZonesError::NotACollection(error.to_string()))?;
    if collection.r#type != "FeatureCollection" {
        return Err(ZonesError::NotACollection(format!("type is {:?}", collection.r#type)));
    }
    if collection.features.len() > ZONES_MAX {
        return Err(ZonesError::TooManyZones { got: collection.features.len() });
    }
    let (mut zones, mut told, mut vertices) = (Vec::new(), Vec::new(), 0);
    for (feature, json) in (1..).zip(&collection.features) {
        vertices += count_positions(json.get("geometry").and_then(|geometry| geometry.get("coordinates")));
        if vertices > VERTICES_MAX {
            return Err(ZonesError::TooManyVertices { feature });
        }
        let zone = zone(json).map_err(|wrong| ZonesError::Feature { feature, wrong })?;
        told.extend(crossings(&zone.shape).map(|(ring, near)| Told {
            feature,
            name: zone.name.to_string(),
            ring,
            near,
        }));
        zones.push(zone);
    }
    refuse_same_names(&zones)?;
    Ok((zones, told))
}

/// Lists of numbers in a tree of lists.
fn count_positions(json: Option<&Json>) -> usize {
    match json {
        Some(Json::Array(items)) if items.iter().any(Json::is_array) => {
            items.iter().map(|item| count_positions(Some(item))).sum()
        }
        Some(Json::Array(_)) => 1,
        _ => 0,
    }
}

fn zone(json: &Json) -> Result<Zone, Wrong> {
    let property = |name: &str| json.get("properties").and_then(|properties| properties.get(name));
    if json.get("type").and_then(Json::as_str) != Some("Feature") {
        return Err(Wrong::NotAFeature);
    }
    let name = property("name").and_then(Json::as_str).filter(|name| (1..=NAME_BYTES_MAX).contains(&name.len()));
    let name = name.ok_or(Wrong::Name)?;
    let geometry = json.get("geometry").unwrap_or(&Json::Null);
    let kind = geometry.get("type").unwrap_or(&Json::Null);
    let shape = match kind.as_str() {
        Some("Polygon") => Shape::Polygons(vec![polygon(coordinates(geometry, "Polygon")?, 1)?]),
        Some("MultiPolygon") => Shape::Polygons(polygons(coordinates(geometry, "MultiPolygon")?)?),
        Some("Point") => circle(coordinates(geometry, "Point")?, property("radius_m"))?,
        _ => return Err(Wrong::Geometry(kind.to_string())),
    };
    Ok(Zone { name: name.into(), area_m2: shape.area_m2(), shape })
}

fn coordinates<T: for<'de> Deserialize<'de>>(geometry: &Json, kind: &'static str) -> Result<T, Wrong> {
    let coordinates = geometry.get("coordinates").unwrap_or(&Json::Null);
    T::deserialize(coordinates).map_err(|error| Wrong::Coordinates { kind, why: error.to_string() })
}

/// A position; an altitude may follow.
#[derive(Deserialize)]
#[serde(try_from = "Vec<f64>")]
struct Written(Corner);

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
    fn checked(self) -> Result<Corner, Wrong> {
        let got @ [longitude, latitude] = self.0;
        match (longitude.abs() <= 180.0, latitude.abs() <= 90.0) {
            (true, true) => Ok(got),
            (_, false) if longitude.abs() <= 90.0 && latitude.abs() <= 180.0 => Err(Wrong::Swapped { got }),
            _ => Err(Wrong::OffEarth { got }),
        }
    }
}

fn circle(centre: Written, radius: Option<&Json>) -> Result<Shape, Wrong> {
    let [longitude, latitude] = centre.checked()?;
    let centre = Position::new(latitude, longitude).ok_or(Wrong::OffEarth { got: [longitude, latitude] })?;
    let sound = radius.and_then(Json::as_f64).filter(|radius| *radius > 0.0 && *radius <= RADIUS_MAX_M);
    let radius_m = sound.ok_or_else(|| Wrong::Radius(radius.map_or("none".to_owned(), Json::to_string)))?;
    Ok(Shape::Circle { centre, radius_m })
}

fn polygons(parts: Vec<Vec<Vec<Written>>>) -> Result<Vec<Polygon>, Wrong> {
    let mut first_ring = 1;
    let mut polygons = Vec::new();
    for part in parts {
        let rings = part.len();
        polygons.push(polygon(part, first_ring)?);
        first_ring += rings;
    }
    if polygons.is_empty() { Err(Wrong::Empty) } else { Ok(polygons) }
}

fn polygon(rings: Vec<Vec<Written>>, first_ring: usize) -> Result<Polygon, Wrong> {
    let mut rings = (first_ring..).zip(rings).map(|(number, written)| ring(written, number));
    let shell = rings.next().ok_or(Wrong::Empty)??;
    Ok(Polygon { shell, holes: rings.collect::<Result<_, _>>()? })
}

fn ring(written: Vec<Written>, ring: usize) -> Result<Vec<Corner>, Wrong> {
    let corners: Vec<Corner> = written.into_iter().map(Written::checked).collect::<Result<_, _>>()?;
    let (Some(first), Some(last)) = (corners.first().copied(), corners.last().copied()) else {
        return Err(Wrong::Short { ring, got: 0 });
    };
    if first != last {
        return Err(Wrong::Open { ring, first, last });
    }
    if corners.len() < 4 {
        return Err(Wrong::Short { ring, got: corners.len() });
    }
    for edge in corners.windows(2) {
        if let [from, to] = edge
            && (from[0] - to[0]).abs() > 180.0
        {
            return Err(Wrong::Antimeridian { from: *from, to: *to });
        }
    }
    if !corners.iter().any(|corner| corner[1] != first[1]) || !corners.iter().any(|corner| corner[0] != first[0]) {
        return Err(Wrong::Flat { ring });
    }
    if ring_area_m2(&corners) <= 0.0 && crossing(&corners).is_none() {
        return Err(Wrong::Flat { ring });
    }
    Ok(corners)
}

/// The rings that cross themselves, and where.
fn crossings(shape: &Shape) -> impl Iterator<Item = (usize, Corner)> {
    let parts = if let Shape::Polygons(parts) = shape { parts.as_slice() } else { &[] };
    let rings = parts.iter().flat_map(|part| std::iter::once(&part.shell).chain(&part.holes));
    (1..).zip(rings).filter_map(|(number, ring)| Some((number, crossing(ring)?)))
}

/// Where the first edge begins that properly crosses another one.
fn crossing(ring: &[Corner]) -> Option<Corner> {
    let edges: Vec<_> = ring.windows(2).filter_map(|edge| Some((*edge.first()?, *edge.last()?))).collect();
    let boxed = edges.iter().map(|(a, b)| GeomWithData::new(Line::new(*a, *b), ()));
    let tree = RTree::bulk_load(boxed.collect());
    let crossed = |(a, b): &&(Corner, Corner)| {
        let near: AABB<Corner> = Line::new(*a, *b).envelope();
        tree.locate_in_envelope_intersecting(near).any(|other| {
            let (c, d) = (other.geom().from, other.geom().to);
            side(*a, *b, c) * side(*a, *b, d) < 0.0 && side(c, d, *a) * side(c, d, *b) < 0.0
        })
    };
    edges.iter().find(crossed).map(|(a, _)| *a)
}

/// On which side of the line from a to b: its sign.
fn side(a: Corner, b: Corner, place: Corner) -> f64 {
    let cross = (b[0] - a[0]) * (place[1] - a[1]) - (b[1] - a[1]) * (place[0] - a[0]);
    if cross == 0.0 { 0.0 } else { cross.signum() }
}

fn refuse_same_names(zones: &[Zone]) -> Result<(), ZonesError> {
    let mut numbered: Vec<_> = (1..).zip(zones).map(|(feature, zone)| (&zone.name, feature)).collect();
    numbered.sort();
    for pair in numbered.windows(2) {
        if let [(name, other), (same, feature)] = pair
            && name == same
        {
            let wrong = Wrong::NameTaken { name: name.to_string(), other: *other };
            return Err(ZonesError::Feature { feature: *feature, wrong });
        }
    }
    Ok(())
}
