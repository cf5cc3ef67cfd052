//! Zones by place.

use rstar::RTree;
use rstar::primitives::{GeomWithData, Rectangle};

use super::super::earth::Position;
use super::geojson::{self, Told, ZonesError};
use super::shape::{Corner, Shape};

/// All zones of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    /// In the order of the file.
    zones: Vec<Zone>,
    /// Numbers of zones, in order of their names.
    by_name: Vec<u32>,
    boxes: RTree<GeomWithData<Rectangle<Corner>, u32>>,
}

/// One zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// Of its properties; unlike any other's.
    pub name: Box<str>,
    /// Square metres, to a few percent.
    pub area_m2: f64,
    pub(super) shape: Shape,
}

/// Number of a zone in its collection, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZoneId(pub u32);

impl Zones {
    /// Reads a GeoJSON feature collection of named polygons, multi polygons and circles; with what is odd about it.
    ///
    /// # Errors
    /// The first thing that is wrong, with the number of its feature.
    pub fn read(text: &str) -> Result<(Self, Vec<Told>), ZonesError> {
        let (zones, told) = geojson::read(text)?;
        let mut boxes = Vec::new();
        for (number, zone) in (0..).zip(&zones) {
            let around = zone.shape.boxes().into_iter();
            boxes.extend(around.map(|(least, most)| GeomWithData::new(Rectangle::from_corners(least, most), number)));
        }
        let mut by_name: Vec<u32> = (0..).zip(&zones).map(|(number, _)| number).collect();
        by_name.sort_by_key(|number| zones.get(*number as usize).map(|zone| &zone.name));
        Ok((Self { by_name, boxes: RTree::bulk_load(boxes), zones }, told))
    }

    /// The zones that hold a place, the smallest first.
    pub fn at(&self, place: Position) -> Vec<ZoneId> {
        let found = self.boxes.locate_all_at_point([place.longitude(), place.latitude()]);
        let mut ids: Vec<u32> = found.map(|boxed| boxed.data).collect();
        ids.sort_unstable();
        ids.dedup();
        let area = |id: &u32| self.get(ZoneId(*id)).map_or(0.0, |zone| zone.area_m2);
        ids.retain(|id| self.get(ZoneId(*id)).is_some_and(|zone| zone.shape.contains(place)));
        ids.sort_by(|a, b| area(a).total_cmp(&area(b)));
        ids.into_iter().map(ZoneId).collect()
    }

    /// The zone with that number.
    pub fn get(&self, id: ZoneId) -> Option<&Zone> {
        self.zones.get(id.0 as usize)
    }

    /// The zone with that name.
    pub fn named(&self, name: &str) -> Option<(ZoneId, &Zone)> {
        let of = |number: &u32| self.get(ZoneId(*number)).map_or("", |zone| &*zone.name);
        let at = self.by_name.binary_search_by(|number| of(number).cmp(name)).ok()?;
        let id = ZoneId(*self.by_name.get(at)?);
        Some((id, self.get(id)?))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.zones.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }
}

impl Zone {
    /// Metres from a place outside to its nearest edge.
    pub fn distance_m(&self, place: Position) -> f64 {
        self.shape.distance_m(place)
    }
}
