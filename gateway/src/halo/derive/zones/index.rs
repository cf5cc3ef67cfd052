//! Zones by place; the one file that knows the library of spatial indexes.

use std::collections::BTreeMap;
use std::sync::Arc;

use rstar::RTree;
use rstar::primitives::{GeomWithData, Rectangle};

use super::super::earth::Position;
use super::shape::{Degrees, Shape};
use crate::record::{self, Name};

/// All zones of a configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Zones {
    /// In the order of the file.
    zones: Vec<Zone>,
    by_name: BTreeMap<Name, usize>,
    by_reader: BTreeMap<u16, usize>,
    boxes: RTree<GeomWithData<Rectangle<Degrees>, usize>>,
    pub(super) waits: Waits,
}

/// How long, and how far, a border is not believed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    pub(crate) enter_after_ms: i64,
    pub(crate) leave_after_ms: i64,
    pub(crate) margin_m: f64,
}

/// One zone.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    pub(crate) name: Name,
    pub(crate) kind: Option<Name>,
    /// Square metres, to a few percent: enough to tell the inner zone from the outer.
    pub(super) area_m2: f64,
    shape: Shape,
}

impl Zones {
    /// Of those in force.
    pub(crate) fn of(told: &Arc<[record::Zone]>, waits: Waits) -> Self {
        let (mut zones, mut boxes) = (Vec::new(), Vec::new());
        let (mut by_name, mut by_reader) = (BTreeMap::new(), BTreeMap::new());
        for (number, zone) in told.iter().enumerate() {
            let shape = Shape::of(&zone.area);
            let around = shape.boxes().into_iter();
            boxes.extend(around.map(|(least, most)| GeomWithData::new(Rectangle::from_corners(least, most), number)));
            by_name.insert(zone.name.clone(), number);
            by_reader.extend(zone.readers.iter().map(|reader| (*reader, number)));
            let (name, kind, area_m2) = (zone.name.clone(), zone.kind.clone(), shape.area_m2());
            zones.push(Zone { name, kind, area_m2, shape });
        }
        Self { zones, by_name, by_reader, boxes: RTree::bulk_load(boxes), waits }
    }

    /// The zones that hold a place, the smallest first.
    pub(crate) fn at(&self, place: Position) -> Vec<&Zone> {
        let place = place.east_of_the_antimeridian();
        let found = self.boxes.locate_all_at_point([place.longitude(), place.latitude()]);
        let mut numbers: Vec<usize> = found.map(|boxed| boxed.data).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut zones: Vec<&Zone> = numbers.into_iter().filter_map(|number| self.zones.get(number)).collect();
        zones.retain(|zone| zone.shape.contains(place));
        zones.sort_by(|a, b| a.area_m2.total_cmp(&b.area_m2).then_with(|| a.name.cmp(&b.name)));
        zones
    }

    /// The zone with that name.
    pub(crate) fn named(&self, name: &str) -> Option<&Zone> {
        self.zones.get(*self.by_name.get(name)?)
    }

    /// Where a reader stands.
    pub(crate) fn of_reader(&self, reader: u16) -> Option<Position> {
        Some(self.zones.get(*self.by_reader.get(&reader)?)?.middle())
    }
}

impl Zone {
    /// Metres from a place outside to its nearest edge.
    pub(super) fn distance_m(&self, place: Position) -> f64 {
        self.shape.distance_m(place)
    }

    /// The centre of a circle, else the middle of its first polygon's box.
    pub(crate) fn middle(&self) -> Position {
        self.shape.middle()
    }

    /// How far from its middle its edge is, metres, if it were a circle.
    pub(crate) fn radius_m(&self) -> f64 {
        (self.area_m2 / std::f64::consts::PI).sqrt()
    }
}
