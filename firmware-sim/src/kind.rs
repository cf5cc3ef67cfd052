//! The kinds of devices that can be simulated.

use std::fmt;
use std::str::FromStr;

use halo_proto::registry;

/// A kind of simulated device. Another kind is another variant here and another arm in `device::Source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Heart rate, RR intervals, steps, skin temperature, oxygen saturation, battery.
    Wristband,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 1] = [Self::Wristband];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wristband => "wristband",
        }
    }

    /// Start of its devices' names.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Wristband => "wrist",
        }
    }

    /// The registered schema its frames have.
    pub(crate) fn schema(self) -> &'static registry::Schema {
        registry::schema_named(self.name()).expect("every simulated kind has a registered schema of its name")
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
