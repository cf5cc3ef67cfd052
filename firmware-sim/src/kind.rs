//! The kinds of devices that can be simulated.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use halo_proto::registry;

use crate::kinds::{Car, Guest, Pacemaker, Parcel, Sensors, Turbofan, Wristband};
use crate::random::{Purpose, stream};

/// Members of a family in a park.
const PARTY_MEMBERS: u32 = 4;

/// A kind of simulated device. Another kind is another variant here and another file in `kinds/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Heart rate, RR intervals, steps, skin temperature, oxygen saturation, battery.
    Wristband,
    /// Position, speed, engine, fuel; trips, harsh braking, trouble codes.
    CarDongle,
    /// The sensors of a jet engine that wears out, one flight cycle a second.
    Turbofan,
    /// Position, shocks and temperature of a parcel under way.
    ParcelTracker,
    /// Where a guest of a park is, and which readers were tapped.
    ParkBand,
    /// Beats and who made them, lead, battery; arrhythmia.
    Pacemaker,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Wristband, Self::CarDongle, Self::Turbofan, Self::ParcelTracker, Self::ParkBand, Self::Pacemaker];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wristband => "wristband",
            Self::CarDongle => "car-dongle",
            Self::Turbofan => "turbofan",
            Self::ParcelTracker => "parcel-tracker",
            Self::ParkBand => "park-band",
            Self::Pacemaker => "pacemaker",
        }
    }

    /// Start of its devices' names.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Wristband => "wrist",
            Self::CarDongle => "car",
            Self::Turbofan => "engine",
            Self::ParcelTracker => "parcel",
            Self::ParkBand => "band",
            Self::Pacemaker => "pacer",
        }
    }

    /// The registered schema its frames have.
    pub(crate) fn schema(self) -> &'static registry::Schema {
        let name = match self {
            Self::CarDongle => "car-dongle-trip",
            other => other.name(),
        };
        registry::schema_named(name).expect("every simulated kind has a registered schema")
    }

    /// Least device time in one of its frames: how often there is anything to say.
    pub(crate) fn period_min(self) -> Duration {
        Duration::from_secs(match self {
            Self::ParcelTracker => 5,
            Self::ParkBand => 2,
            Self::Wristband | Self::CarDongle | Self::Turbofan | Self::Pacemaker => 1,
        })
    }

    /// The sensors of the device called `name`, the `number`th (from 0) of its crew, switched on at `start_ms` of its
    /// own time.
    pub(crate) fn sensors(self, seed: u64, name: &str, number: u32, start_ms: u64) -> Box<dyn Sensors> {
        let body = stream(seed, name, Purpose::Body);
        match self {
            Self::Wristband => Box::new(Wristband::new(body, start_ms)),
            Self::CarDongle => Box::new(Car::new(body)),
            Self::Turbofan => Box::new(Turbofan::new(body)),
            Self::ParcelTracker => Box::new(Parcel::new(body)),
            Self::ParkBand => {
                let party = format!("family-{:02}", number / PARTY_MEMBERS + 1);
                Box::new(Guest::new(body, stream(seed, &party, Purpose::Body), party))
            }
            Self::Pacemaker => Box::new(Pacemaker::new(body, start_ms)),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("kind is {text:?}, wanted one of: {known}")
        })
    }
}
