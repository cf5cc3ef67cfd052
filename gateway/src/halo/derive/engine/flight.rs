//! One flight, as a device tells of it.

use super::super::row::{self, Field};
use super::features::{SENSORS, SensorId};

/// One flight cycle, in the order and units of C-MAPSS; NaN where a value is absent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Flight {
    /// Flights since the engine was new, from 1, where its device counts them.
    pub(crate) cycle: Option<u32>,
    /// Operational settings 1 to 3.
    pub(crate) settings: [f64; 3],
    /// Sensors 1 to 21: [`SENSORS`].
    pub(crate) sensors: [f64; SENSORS.len()],
}

impl Default for Flight {
    fn default() -> Self {
        Self { cycle: None, settings: [f64::NAN; 3], sensors: [f64::NAN; SENSORS.len()] }
    }
}

/// What a device said at one time, in the registry's units; `cycle` is a signal of no schema in the registry, which a
/// device that describes its own may have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Readout {
    cycle: Option<f64>,
    settings: [Option<f64>; 3],
    sensors: [Option<f64>; SENSORS.len()],
}

impl row::Row for Readout {
    fn field(signal: &str) -> Option<Field<Self>> {
        let field: Field<Self> = match signal {
            "cycle" => |row| &mut row.cycle,
            "setting_1" => |row| &mut row.settings[0],
            "setting_2" => |row| &mut row.settings[1],
            "setting_3" => |row| &mut row.settings[2],
            sensor => *PLACES.get(usize::from(SensorId::of(sensor)?.0))?,
        };
        Some(field)
    }
}

impl From<&Readout> for Flight {
    fn from(readout: &Readout) -> Self {
        let known = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let cycle = readout.cycle.filter(|cycle| *cycle >= 0.0 && *cycle <= f64::from(u32::MAX));
        Self {
            cycle: cycle.map(|cycle| cycle as u32),
            settings: readout.settings.map(known),
            sensors: readout.sensors.map(known),
        }
    }
}

/// Where each of [`SENSORS`] belongs.
const PLACES: [Field<Readout>; SENSORS.len()] = [
    place::<0>,
    place::<1>,
    place::<2>,
    place::<3>,
    place::<4>,
    place::<5>,
    place::<6>,
    place::<7>,
    place::<8>,
    place::<9>,
    place::<10>,
    place::<11>,
    place::<12>,
    place::<13>,
    place::<14>,
    place::<15>,
    place::<16>,
    place::<17>,
    place::<18>,
    place::<19>,
    place::<20>,
];

fn place<const AT: usize>(row: &mut Readout) -> &mut Option<f64> {
    &mut row.sensors[AT]
}
