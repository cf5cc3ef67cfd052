//! The topic grammar: the only place that builds or parses a topic.
//!
//! Under a root (default `halo/v1`); ids are `[A-Za-z0-9._-]{1,64}`:
//!
//! ```text
//! device → gateway        d/<device>/t   d/<device>/birth   d/<device>/state   d/<device>/answer
//! organisation → gateway  offers/<organisation>/<table>
//! gateway → device        d/<device>/cmd
//! gateway → integrators   halos/<subject>   sparks/<subject>/<rule>   readings/<subject>/<device>   cohorts/<cohort>
//!                         partners/<partner>/halos/<pseudonym>   partners/<partner>/sparks/<pseudonym>/<rule>
//!                         gateway/<gateway>/health   gateway/<gateway>/losses   gateway/<gateway>/probe
//! ```

use core::fmt;

/// Longest id, bytes.
pub const ID_LEN_MAX: usize = 64;
/// Longest root, bytes.
pub const ROOT_LEN_MAX: usize = 64;
/// The root used unless configured otherwise.
pub const ROOT_DEFAULT: &str = "halo/v1";

/// Whether `id` is one to 64 of `A-Z a-z 0-9 . _ -`: the ids of devices, subjects, tables, rules, partners and gateways.
pub fn id_is_valid(id: &str) -> bool {
    (1..=ID_LEN_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// What a topic is for. Ids in a parsed topic are valid; who builds one checks them with [`id_is_valid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic<'a> {
    /// Frames, and plain clients' JSON.
    Telemetry {
        /// Who sends.
        device: &'a str,
    },
    /// A device's birth; retained.
    Birth {
        /// Who is born.
        device: &'a str,
    },
    /// A device's own state; retained, its last will.
    State {
        /// Whose.
        device: &'a str,
    },
    /// What a device's subject says to a spark.
    Answer {
        /// Which device sends it.
        device: &'a str,
    },
    /// Commands to a device.
    Cmd {
        /// To whom.
        device: &'a str,
    },
    /// A table of what an organisation offers; retained.
    Offers {
        /// Whose.
        subject: &'a str,
        /// Which.
        table: &'a str,
    },
    /// A halo; retained.
    Halo {
        /// Whose.
        subject: &'a str,
    },
    /// A spark.
    Spark {
        /// Whose.
        subject: &'a str,
        /// Of which rule.
        rule: &'a str,
    },
    /// Readings of one device, enriched.
    Readings {
        /// Whom it feeds.
        subject: &'a str,
        /// Which one.
        device: &'a str,
    },
    /// An aggregate over many subjects; retained.
    Cohort {
        /// Which.
        cohort: &'a str,
    },
    /// A halo as one partner may see it.
    PartnerHalo {
        /// Who sees.
        partner: &'a str,
        /// Whom, under a name of this partner's own.
        pseudonym: &'a str,
    },
    /// A spark as one partner may see it.
    PartnerSpark {
        /// Who sees.
        partner: &'a str,
        /// Whose, under a name of this partner's own.
        pseudonym: &'a str,
        /// Of which rule.
        rule: &'a str,
    },
    /// A gateway's health; retained.
    Health {
        /// Which gateway.
        gateway: &'a str,
    },
    /// What a gateway had to drop.
    Losses {
        /// Which gateway.
        gateway: &'a str,
    },
    /// What a gateway publishes to an upstream to see it come back.
    Probe {
        /// Which gateway.
        gateway: &'a str,
    },
    /// Inside the root, but not in the grammar; no one may publish there.
    Invalid {
        /// What is wrong with it.
        why: Invalid,
    },
    /// Outside the root: ordinary MQTT between clients.
    Foreign,
}

/// Why a topic inside the root is not in the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Invalid {
    /// No such branch, or a wrong number of levels.
    Shape,
    /// An id is empty, too long, or has another character than `A-Z a-z 0-9 . _ -`.
    Id,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => "topic is under the root but not in the grammar",
            Self::Id => "topic has an id that is not 1 to 64 of A-Z a-z 0-9 . _ -",
        })
    }
}

impl<'a> Topic<'a> {
    /// Whether only the gateway publishes there; a client that tries is refused.
    pub fn is_gateway_owned(&self) -> bool {
        match self {
            Self::Telemetry { .. } | Self::Birth { .. } | Self::State { .. } => false,
            Self::Answer { .. } | Self::Offers { .. } => false,
            Self::Invalid { .. } | Self::Foreign => false,
            Self::Cmd { .. } | Self::Halo { .. } | Self::Spark { .. } | Self::Readings { .. } => true,
            Self::Cohort { .. } | Self::PartnerHalo { .. } | Self::PartnerSpark { .. } => true,
            Self::Health { .. } | Self::Losses { .. } | Self::Probe { .. } => true,
        }
    }

    /// The device whose branch (`d/<device>/…`) the topic is in.
    pub fn device_branch(&self) -> Option<&'a str> {
        match *self {
            Self::Telemetry { device }
            | Self::Birth { device }
            | Self::State { device }
            | Self::Answer { device }
            | Self::Cmd { device } => Some(device),
            _ => None,
        }
    }

    /// The levels below the root; unused ones are empty.
    fn levels(&self) -> [&'a str; 5] {
        match *self {
            Self::Telemetry { device } => ["d", device, "t", "", ""],
            Self::Birth { device } => ["d", device, "birth", "", ""],
            Self::State { device } => ["d", device, "state", "", ""],
            Self::Answer { device } => ["d", device, "answer", "", ""],
            Self::Cmd { device } => ["d", device, "cmd", "", ""],
            Self::Offers { subject, table } => ["offers", subject, table, "", ""],
            Self::Halo { subject } => ["halos", subject, "", "", ""],
            Self::Spark { subject, rule } => ["sparks", subject, rule, "", ""],
            Self::Readings { subject, device } => ["readings", subject, device, "", ""],
            Self::Cohort { cohort } => ["cohorts", cohort, "", "", ""],
            Self::PartnerHalo { partner, pseudonym } => ["partners", partner, "halos", pseudonym, ""],
            Self::PartnerSpark { partner, pseudonym, rule } => ["partners", partner, "sparks", pseudonym, rule],
            Self::Health { gateway } => ["gateway", gateway, "health", "", ""],
            Self::Losses { gateway } => ["gateway", gateway, "losses", "", ""],
            Self::Probe { gateway } => ["gateway", gateway, "probe", "", ""],
            Self::Invalid { .. } | Self::Foreign => [""; 5],
        }
    }

    /// Finds the shape first, then checks its ids.
    fn from_levels(levels: &[&'a str]) -> Self {
        let topic = match *levels {
            ["d", device, "t"] => Self::Telemetry { device },
            ["d", device, "birth"] => Self::Birth { device },
            ["d", device, "state"] => Self::State { device },
            ["d", device, "answer"] => Self::Answer { device },
            ["d", device, "cmd"] => Self::Cmd { device },
            ["offers", subject, table] => Self::Offers { subject, table },
            ["halos", subject] => Self::Halo { subject },
            ["sparks", subject, rule] => Self::Spark { subject, rule },
            ["readings", subject, device] => Self::Readings { subject, device },
            ["cohorts", cohort] => Self::Cohort { cohort },
            ["partners", partner, "halos", pseudonym] => Self::PartnerHalo { partner, pseudonym },
            ["partners", partner, "sparks", pseudonym, rule] => Self::PartnerSpark { partner, pseudonym, rule },
            ["gateway", gateway, "health"] => Self::Health { gateway },
            ["gateway", gateway, "losses"] => Self::Losses { gateway },
            ["gateway", gateway, "probe"] => Self::Probe { gateway },
            _ => return Self::Invalid { why: Invalid::Shape },
        };
        if levels.iter().all(|level| id_is_valid(level)) { topic } else { Self::Invalid { why: Invalid::Id } }
    }
}

/// Sets of topics that integrators subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filter<'a> {
    /// Everything under the root.
    All,
    /// What one device sends: telemetry, birth and state, and its commands.
    Device {
        /// Which.
        device: &'a str,
    },
    /// All devices' frames.
    Telemetry,
    /// All births.
    Births,
    /// All halos.
    Halos,
    /// All sparks.
    Sparks,
    /// One subject's sparks.
    SparksOf {
        /// Whose.
        subject: &'a str,
    },
    /// All readings.
    Readings,
    /// One subject's readings.
    ReadingsOf {
        /// Whose.
        subject: &'a str,
    },
    /// Everything one partner may see.
    Partner {
        /// Which.
        partner: &'a str,
    },
    /// Health of all gateways.
    Health,
}

impl<'a> Filter<'a> {
    fn levels(&self) -> [&'a str; 5] {
        match *self {
            Self::All => ["#", "", "", "", ""],
            Self::Device { device } => ["d", device, "+", "", ""],
            Self::Telemetry => ["d", "+", "t", "", ""],
            Self::Births => ["d", "+", "birth", "", ""],
            Self::Halos => ["halos", "+", "", "", ""],
            Self::Sparks => ["sparks", "+", "+", "", ""],
            Self::SparksOf { subject } => ["sparks", subject, "+", "", ""],
            Self::Readings => ["readings", "+", "+", "", ""],
            Self::ReadingsOf { subject } => ["readings", subject, "+", "", ""],
            Self::Partner { partner } => ["partners", partner, "#", "", ""],
            Self::Health => ["gateway", "+", "health", "", ""],
        }
    }
}

/// A root that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootError;

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic root is not levels of A-Z a-z 0-9 . _ - joined by '/', at most {ROOT_LEN_MAX} bytes in all")
    }
}

impl core::error::Error for RootError {}

/// The grammar under one root; cheap to copy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Grammar {
    root: [u8; ROOT_LEN_MAX],
    root_len: usize,
}

impl Default for Grammar {
    fn default() -> Self {
        Self::with_root(ROOT_DEFAULT)
    }
}

impl fmt::Debug for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Grammar").field(&self.root()).finish()
    }
}

impl Grammar {
    /// A grammar under `root`: one or more ids joined by `/`, at most [`ROOT_LEN_MAX`] bytes.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn new(root: &str) -> Result<Self, RootError> {
        if root.len() <= ROOT_LEN_MAX && root.split('/').all(id_is_valid) {
            Ok(Self::with_root(root))
        } else {
            Err(RootError)
        }
    }

    fn with_root(root: &str) -> Self {
        let mut bytes = [0; ROOT_LEN_MAX];
        bytes.iter_mut().zip(root.bytes()).for_each(|(to, from)| *to = from);
        Self { root: bytes, root_len: root.len() }
    }

    /// The root, without a slash at either end.
    pub fn root(&self) -> &str {
        core::str::from_utf8(self.root_bytes()).unwrap_or_default()
    }

    fn root_bytes(&self) -> &[u8] {
        self.root.get(..self.root_len).unwrap_or_default()
    }

    /// Reads a topic name (not a filter). Work is bounded by its length; levels past the sixth are not looked at.
    pub fn parse<'a>(&self, topic: &'a str) -> Topic<'a> {
        let Some(below) = topic.as_bytes().strip_prefix(self.root_bytes()) else { return Topic::Foreign };
        match below.first() {
            None => return Topic::Invalid { why: Invalid::Shape },
            Some(b'/') => {}
            Some(_) => return Topic::Foreign,
        }
        let mut levels = [""; 6];
        let mut count = 0;
        let below = topic.get(self.root_len + 1..).unwrap_or_default();
        for (slot, level) in levels.iter_mut().zip(below.split('/')) {
            *slot = level;
            count += 1;
        }
        Topic::from_levels(levels.get(..count).unwrap_or_default())
    }

    /// The topic as text; nothing for [`Topic::Invalid`] and [`Topic::Foreign`], which are not in the grammar.
    pub fn display<'a>(&'a self, topic: Topic<'a>) -> impl fmt::Display + 'a {
        Joined { root: self.root(), levels: topic.levels() }
    }

    /// The filter as text, for SUBSCRIBE.
    pub fn filter<'a>(&'a self, filter: Filter<'a>) -> impl fmt::Display + 'a {
        Joined { root: self.root(), levels: filter.levels() }
    }
}

struct Joined<'a> {
    root: &'a str,
    levels: [&'a str; 5],
}

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels = || self.levels.iter().take_while(|level| !level.is_empty());
        if levels().next().is_none() {
            return Ok(());
        }
        f.write_str(self.root)?;
        // Not by `write!`, whose arguments cost more than the texts: a topic is written for each frame.
        levels().try_for_each(|level| f.write_str("/").and_then(|()| f.write_str(level)))
    }
}

#[cfg(test)]
mod tests;
