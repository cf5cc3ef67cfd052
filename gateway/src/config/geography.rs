//! `[halo.zones]` and `[[halo.destination]]`: what the gateway is told of the map.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use halo_proto::topic;
use serde::{Deserialize, Serialize};

use super::geojson;
use crate::record::{Destination, Geography, Goal, Name, Traveller, Zone};
use crate::units;

/// Largest file of zones, bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Most destinations.
const DESTINATIONS_MAX: usize = 10_000;
/// Longest time inside or outside before it counts, and widest margin.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
const MARGIN_M_MAX: u32 = 10_000;

/// Zones by which halos tell where a subject is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zones {
    /// GeoJSON: a FeatureCollection of Polygon, MultiPolygon, and Point with `radius_m`, each with a `name` and, if
    /// wanted, a `kind`; read at the start. At most 2,000 zones, 10,000 positions and 4 MiB.
    pub file: PathBuf,
    /// Who is inside for this long has entered. Default 20 s; `0s`: with the first position inside.
    #[serde(default = "enter_after", deserialize_with = "units::duration")]
    pub enter_after: Duration,
    /// Who is outside, beyond the margin, for this long has left. Default 60 s; `0s`: with the first position outside.
    #[serde(default = "leave_after", deserialize_with = "units::duration")]
    pub leave_after: Duration,
    /// Within this of the edge nobody is outside, metres. Default 25: what a receiver wanders between houses.
    #[serde(default = "margin_m")]
    pub margin_m: u32,
}

fn enter_after() -> Duration {
    Duration::from_millis(Geography::default().enter_after_ms.into())
}

fn leave_after() -> Duration {
    Duration::from_millis(Geography::default().leave_after_ms.into())
}

fn margin_m() -> u32 {
    Geography::default().margin_m
}

/// One `[[halo.destination]]`: where a parcel is bound for. Exactly one of `device` and `subject`, and either `zone` or
/// both `latitude` and `longitude`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestinationEntry {
    /// A tracker's id.
    pub device: Option<String>,
    /// A subject's id: whatever tracker feeds it. A destination of the device itself goes first.
    pub subject: Option<String>,
    /// Name of a zone of `[halo.zones]`.
    pub zone: Option<String>,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
}

/// Key at fault, and what is wrong.
pub(super) type Wrong = (String, String);

/// Reads the zones and checks the destinations.
pub(super) fn read(zones: Option<&Zones>, destinations: &[DestinationEntry]) -> Result<Geography, Wrong> {
    let mut geography = Geography::default();
    if let Some(config) = zones {
        geography.zones = read_file(&config.file).map_err(|problem| ("halo.zones.file".to_owned(), problem))?;
        geography.enter_after_ms = wait("enter_after", config.enter_after)?;
        geography.leave_after_ms = wait("leave_after", config.leave_after)?;
        geography.margin_m = config.margin_m;
        if config.margin_m > MARGIN_M_MAX {
            let problem = format!("{} is out of range, wanted at most {MARGIN_M_MAX}", config.margin_m);
            return Err(("halo.zones.margin_m".to_owned(), problem));
        }
    }
    if destinations.len() > DESTINATIONS_MAX {
        let problem = format!("{} destinations, at most {DESTINATIONS_MAX} are taken", destinations.len());
        return Err(("halo.destination".to_owned(), problem));
    }
    for (index, entry) in destinations.iter().enumerate() {
        let wrong = |problem| (format!("halo.destination[{index}]"), problem);
        let destination = entry.checked(&geography.zones).map_err(wrong)?;
        geography.destinations.push(destination);
    }
    refuse_two_of_one(&geography.destinations)?;
    Ok(geography)
}

fn wait(key: &str, wait: Duration) -> Result<u32, Wrong> {
    let ms = u32::try_from(wait.as_millis()).ok().filter(|_| wait <= WAIT_MAX);
    ms.ok_or_else(|| (format!("halo.zones.{key}"), "is out of range, wanted at most 24h".to_owned()))
}

fn read_file(path: &Path) -> Result<Arc<[Zone]>, String> {
    let told = |problem: String| format!("{}: {problem}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| told(error.to_string()))?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| told(error.to_string()))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(told(format!("has more than {FILE_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|error| told(format!("is not UTF-8: {}", error.utf8_error())))?;
    geojson::read(&text).map(Arc::from).map_err(|refused| told(refused.to_string()))
}

impl DestinationEntry {
    fn checked(&self, zones: &[Zone]) -> Result<Destination, String> {
        let id = |what: &str, id: &String| match topic::id_is_valid(id) {
            true => Ok(Name::from(id.as_str())),
            false => Err(format!("{what} {id:?} is not of the form [A-Za-z0-9._-]{{1,64}}")),
        };
        let of = match (&self.device, &self.subject) {
            (Some(device), None) => Traveller::Device(id("device", device)?),
            (None, Some(subject)) => Traveller::Subject(id("subject", subject)?),
            _ => return Err("wants either device or subject".to_owned()),
        };
        let to = match (&self.zone, self.latitude, self.longitude) {
            (Some(zone), None, None) => match zones.iter().find(|known| *known.name == **zone) {
                Some(known) => Goal::Zone(known.name.clone()),
                None => return Err(format!("zone {zone:?} is not among those of halo.zones.file")),
            },
            (None, Some(latitude), Some(longitude)) => {
                if latitude.abs() > 90.0 || longitude.abs() > 180.0 || !latitude.is_finite() || !longitude.is_finite() {
                    return Err(format!("latitude {latitude}, longitude {longitude} is not on earth"));
                }
                Goal::Place([longitude, latitude].map(|degrees| (degrees / Geography::UNIT_DEG).round() as i32))
            }
            _ => return Err("wants either zone, or latitude and longitude".to_owned()),
        };
        Ok(Destination { of, to })
    }
}

fn refuse_two_of_one(destinations: &[Destination]) -> Result<(), Wrong> {
    let key = |destination: &Destination| match &destination.of {
        Traveller::Device(name) => format!("device {name:?}"),
        Traveller::Subject(name) => format!("subject {name:?}"),
    };
    let mut known = std::collections::BTreeMap::new();
    for (index, destination) in destinations.iter().enumerate() {
        if let Some(other) = known.insert(key(destination), index) {
            let problem = format!("{} is bound for halo.destination[{other}] already", key(destination));
            return Err((format!("halo.destination[{index}]"), problem));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
