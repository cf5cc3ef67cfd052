//! Shapes on the map: what is inside, and how far outside the rest is.

use super::super::earth::{METRES_PER_DEGREE, Position};
use crate::record::{Area, Corner, Geography};

/// Metres of the shortest degree of latitude, at the equator: boxes made with it are never too small.
const SHORT_DEGREE_M: f64 = 110_574.0;

/// Degrees east, degrees north.
pub(super) type Degrees = [f64; 2];
/// Least and greatest corner.
type Box2 = (Degrees, Degrees);

/// An area on the map.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// Their union.
    Polygons(Vec<Polygon>),
    /// What is near enough to a centre.
    Circle { centre: Position, radius_m: f64 },
}

/// A ring and its holes; each ring ends with its first corner.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Polygon {
    shell: Vec<Degrees>,
    holes: Vec<Vec<Degrees>>,
}

impl Shape {
    pub(super) fn of(area: &Area) -> Self {
        match area {
            Area::Polygons(parts) => Self::Polygons(parts.iter().map(|rings| Polygon::of(rings)).collect()),
            Area::Circle { centre, radius_m } => {
                let [longitude, latitude] = degrees(centre);
                Self::Circle { centre: Position::on_earth(latitude, longitude), radius_m: *radius_m }
            }
        }
    }

    pub(super) fn middle(&self) -> Position {
        match self {
            Self::Polygons(parts) => {
                let ([west, south], [east, north]) =
                    parts.first().map_or_else(Box2::default, |part| around(&part.shell));
                Position::on_earth(f64::midpoint(south, north), f64::midpoint(west, east))
            }
            Self::Circle { centre, .. } => *centre,
        }
    }

    pub(super) fn contains(&self, place: Position) -> bool {
        match self {
            Self::Polygons(parts) => parts.iter().any(|part| part.contains(place)),
            Self::Circle { centre, radius_m } => centre.distance_m(place) <= *radius_m,
        }
    }

    /// Metres from a place outside to the nearest edge; on the plane that touches the earth there, so near ones are
    /// exact and far ones are far.
    pub(super) fn distance_m(&self, place: Position) -> f64 {
        match self {
            Self::Polygons(parts) => {
                let rings = parts.iter().flat_map(Polygon::rings);
                let edges = rings.flat_map(|ring| ring.windows(2));
                edges.map(|edge| edge_distance_m(edge, place)).fold(f64::INFINITY, f64::min)
            }
            Self::Circle { centre, radius_m } => (centre.distance_m(place) - radius_m).max(0.0),
        }
    }

    /// Square metres, to a few percent: enough to tell the inner zone from the outer.
    pub(super) fn area_m2(&self) -> f64 {
        match self {
            Self::Polygons(parts) => parts.iter().map(Polygon::area_m2).sum(),
            Self::Circle { radius_m, .. } => std::f64::consts::PI * radius_m * radius_m,
        }
    }

    /// Boxes that hold it: one for each part, two for a circle across the antimeridian.
    pub(super) fn boxes(&self) -> Vec<Box2> {
        match self {
            Self::Polygons(parts) => parts.iter().map(|part| around(&part.shell)).collect(),
            Self::Circle { centre, radius_m } => circle_boxes(*centre, *radius_m),
        }
    }
}

impl Polygon {
    fn of(rings: &[Vec<Corner>]) -> Self {
        let mut rings = rings.iter().map(|ring| ring.iter().map(degrees).collect());
        Self { shell: rings.next().unwrap_or_default(), holes: rings.collect() }
    }

    fn rings(&self) -> impl Iterator<Item = &Vec<Degrees>> {
        std::iter::once(&self.shell).chain(&self.holes)
    }

    fn contains(&self, place: Position) -> bool {
        in_ring(&self.shell, place) && !self.holes.iter().any(|hole| in_ring(hole, place))
    }

    fn area_m2(&self) -> f64 {
        let holes: f64 = self.holes.iter().map(|hole| ring_area_m2(hole)).sum();
        (ring_area_m2(&self.shell) - holes).max(0.0)
    }
}

fn degrees(corner: &Corner) -> Degrees {
    corner.map(|units| f64::from(units) * Geography::UNIT_DEG)
}

/// Whether an odd number of edges is east of the place; an edge has its southern end and not its northern one.
fn in_ring(ring: &[Degrees], place: Position) -> bool {
    let (x, y) = (place.longitude(), place.latitude());
    let crossed = ring.windows(2).filter(|edge| {
        let [[ax, ay], [bx, by]] = **edge else { return false };
        (ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax
    });
    crossed.count() % 2 == 1
}

fn edge_distance_m(edge: &[Degrees], place: Position) -> f64 {
    let [a, b] = edge else { return f64::INFINITY };
    let narrow = place.latitude().to_radians().cos();
    let flat = |[x, y]: &Degrees| {
        let mut east = x - place.longitude();
        if east.abs() > 180.0 {
            east -= 360.0 * east.signum();
        }
        (east * narrow * METRES_PER_DEGREE, (y - place.latitude()) * METRES_PER_DEGREE)
    };
    let ((ax, ay), (bx, by)) = (flat(a), flat(b));
    let (dx, dy) = (bx - ax, by - ay);
    let length2 = dx * dx + dy * dy;
    let along = if length2 > 0.0 { (-(ax * dx + ay * dy) / length2).clamp(0.0, 1.0) } else { 0.0 };
    (ax + along * dx).hypot(ay + along * dy)
}

fn ring_area_m2(ring: &[Degrees]) -> f64 {
    let Some([x0, y0]) = ring.first() else { return 0.0 };
    let twice: f64 = ring
        .windows(2)
        .map(|edge| {
            let [[ax, ay], [bx, by]] = edge else { return 0.0 };
            (ax - x0) * (by - y0) - (bx - x0) * (ay - y0)
        })
        .sum();
    let middle = ring.iter().map(|[_, y]| y).sum::<f64>() / ring.len() as f64;
    twice.abs() / 2.0 * METRES_PER_DEGREE * METRES_PER_DEGREE * middle.to_radians().cos()
}

fn around(ring: &[Degrees]) -> Box2 {
    let none = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    ring.iter().fold(none, |([x0, y0], [x1, y1]), [x, y]| ([x0.min(*x), y0.min(*y)], [x1.max(*x), y1.max(*y)]))
}

fn circle_boxes(centre: Position, radius_m: f64) -> Vec<Box2> {
    let tall = radius_m / SHORT_DEGREE_M;
    let (south, north) = (centre.latitude() - tall, centre.latitude() + tall);
    let narrow = south.abs().max(north.abs()).min(90.0).to_radians().cos();
    let wide = tall / narrow.max(1e-9);
    if north >= 90.0 || south <= -90.0 || wide >= 180.0 {
        return vec![([-180.0, south.max(-90.0)], [180.0, north.min(90.0)])];
    }
    let (west, east) = (centre.longitude() - wide, centre.longitude() + wide);
    let mut boxes = vec![([west.max(-180.0), south], [east.min(180.0), north])];
    if west < -180.0 {
        boxes.push(([west + 360.0, south], [180.0, north]));
    }
    if east > 180.0 {
        boxes.push(([-180.0, south], [east - 360.0, north]));
    }
    boxes
}
