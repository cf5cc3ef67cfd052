//! The kinds of devices that can be simulated.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use halo_proto::registry;

use crate::kinds::{
    Car, CareBand, Guest, Host, PHONE, Pacemaker, Parcel, Phone, Player, Sensors, Station, Turbofan, WEATHER, Wristband,
};
use crate::random::{Purpose, stream};

/// Members of a family in a park.
const PARTY_MEMBERS: u32 = 4;
/// Two families of three and a host, where there are hosts; and how many families hosts know.
const HOSTED: u32 = 7;
const HOSTED_FAMILIES: u32 = 8;

/// What is unlike usual in the lives of some devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Twist {
    /// Nothing.
    #[default]
    None,
    /// Parcels stand in the frost, not in the sun.
    Frost,
    /// Wearers put their wristbands into a drawer, for a day or three.
    Drawers,
    /// In a park each seventh guest is a host, who goes along with one family after the other; families are of three.
    Hosts,
}

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
    /// What a listener likes and skips.
    Player,
    /// Humidity, temperature and pressure of the air: signals that only its births describe.
    WeatherStation,
    /// As [`Self::CarDongle`], in a car that three drivers have in turn, eight hours each.
    SharedCar,
    /// Minutes until the next appointment, steps, charge; its births describe them.
    Phone,
    /// As [`Self::Wristband`], with acceleration, on an elderly wearer who falls at times.
    CareBand,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Wristband,
        Self::CarDongle,
        Self::Turbofan,
        Self::ParcelTracker,
        Self::ParkBand,
        Self::Pacemaker,
        Self::Player,
        Self::WeatherStation,
        Self::SharedCar,
        Self::Phone,
        Self::CareBand,
    ];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wristband => "wristband",
            Self::CarDongle => "car-dongle",
            Self::Turbofan => "turbofan",
            Self::ParcelTracker => "parcel-tracker",
            Self::ParkBand => "park-band",
            Self::Pacemaker => "pacemaker",
            Self::Player => "player",
            Self::WeatherStation => "weather-station",
            Self::SharedCar => "shared-car",
            Self::Phone => "phone",
            Self::CareBand => "care-band",
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
            Self::Player => "player",
            Self::WeatherStation => "station",
            Self::SharedCar => "share",
            Self::Phone => "phone",
            Self::CareBand => "care",
        }
    }

    /// The schema its frames have: a registered one, or its own.
    pub(crate) fn schema(self) -> &'static registry::Schema {
        let name = match self {
            Self::WeatherStation => return &WEATHER,
            Self::Phone => return &PHONE,
            Self::CarDongle | Self::SharedCar => "car-dongle-trip",
            Self::CareBand => "wristband-acc",
            other => other.name(),
        };
        registry::schema_named(name).expect("every other simulated kind has a registered schema")
    }

    /// Least device time in one of its frames: how often there is anything to say.
    pub(crate) fn period_min(self) -> Duration {
        Duration::from_secs(match self {
            Self::ParcelTracker => 5,
            Self::ParkBand => 2,
            Self::Phone => 10,
            Self::WeatherStation => 60,
            Self::Wristband | Self::CareBand | Self::Pacemaker | Self::Player => 1,
            Self::CarDongle | Self::SharedCar | Self::Turbofan => 1,
        })
    }

    /// Whether none of its devices would be of use without the time of day.
    pub(crate) fn knows_the_time(self) -> bool {
        matches!(self, Self::WeatherStation | Self::SharedCar | Self::Phone)
    }

    /// The sensors of the device called `name`, the `number`th (from 0) of its crew, switched on at `start_ms` of its
    /// own time.
    pub(crate) fn sensors(self, seed: u64, name: &str, number: u32, start_ms: u64) -> Box<dyn Sensors> {
        self.sensors_with(Twist::None, seed, name, number, start_ms)
    }

    /// The same with something that is unlike usual; kinds it does not concern live as ever.
    pub(crate) fn sensors_with(
        self,
        twist: Twist,
        seed: u64,
        name: &str,
        number: u32,
        start_ms: u64,
    ) -> Box<dyn Sensors> {
        let body = stream(seed, name, Purpose::Body);
        match self {
            Self::Wristband if twist == Twist::Drawers => Box::new(Wristband::with_drawers(body, start_ms)),
            Self::Wristband => Box::new(Wristband::new(body, start_ms)),
            Self::CareBand => Box::new(CareBand::new(body, start_ms)),
            Self::CarDongle => Box::new(Car::new(body)),
            Self::SharedCar => Box::new(Car::shared(body)),
            Self::Turbofan => Box::new(Turbofan::new(body)),
            Self::ParcelTracker if twist == Twist::Frost => Box::new(Parcel::in_frost(body)),
            Self::ParcelTracker => Box::new(Parcel::new(body)),
            Self::ParkBand if twist == Twist::Hosts => {
                let family = |number: u32| {
                    let name = format!("family-{:02}", number + 1);
                    (stream(seed, &name, Purpose::Body), name)
                };
                match number % HOSTED {
                    at if at + 1 == HOSTED => Box::new(Host::new(body, (0..HOSTED_FAMILIES).map(family).collect())),
                    at => {
                        let (party, name) = family(number / HOSTED * 2 + at / 3);
                        Box::new(Guest::new(body, party, name).who_tells_meetings())
                    }
                }
            }
            Self::ParkBand => {
                let party = format!("family-{:02}", number / PARTY_MEMBERS + 1);
                Box::new(Guest::new(body, stream(seed, &party, Purpose::Body), party))
            }
            Self::Pacemaker => Box::new(Pacemaker::new(body, start_ms)),
            Self::Player => Box::new(Player::new(body)),
            Self::WeatherStation => Box::new(Station::new(body)),
            Self::Phone => Box::new(Phone::new(body)),
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
