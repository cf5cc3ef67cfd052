//! What can be told about an existing broker to read from.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use halo_proto::topic;
use serde::Deserialize;

use crate::units;

/// Below this the MQTT client library refuses to ping.
const KEEP_ALIVE_MIN: Duration = Duration::from_secs(5);
/// The filters below the root that are read unless others are given.
const FILTERS_DEFAULT: [&str; 3] = ["d/+/birth", "d/+/state", "d/+/t"];

/// One existing broker to read from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names it in the log (as the publisher of what it brings), in `status` and in complaints; `[A-Za-z0-9._-]{1,64}`.
    pub name: String,
    /// `mqtt://host[:1883]`, or `mqtts://host[:8883]` for TLS.
    pub url: String,
    /// Protocol version, `4` (MQTT 3.1.1) or `5`. Default 5.
    #[serde(default = "version_default")]
    pub version: u8,
    /// Client id at that broker, which keeps the session for it: no two clients may share it, and a new one is a new session.
    /// Default `halo-<gateway.id>-<name>`.
    pub client_id: Option<String>,
    /// User name, if that broker wants one.
    pub username: Option<String>,
    /// Password; better in a file of its own.
    pub password: Option<Secret>,
    /// File with the password; the line end does not count.
    pub password_file: Option<PathBuf>,
    /// PEM file of the authorities to believe. Default: the system's.
    pub ca: Option<PathBuf>,
    /// PEM file of the client certificate, with `key`.
    pub cert: Option<PathBuf>,
    /// PEM file of its private key.
    pub key: Option<PathBuf>,
    /// First levels of the topics at that broker. Default `gateway.root`; another one is replaced by it.
    pub root: Option<String>,
    /// Filters below the root. Default `["d/+/birth", "d/+/state", "d/+/t"]`; what matches and is none of these three kinds
    /// of topics is acknowledged and refused.
    #[serde(default = "filters_default")]
    pub filters: Vec<String>,
    /// Shares the telemetry among all clients that name the same group (`$share/<group>/…`). Births and states are
    /// subscribed to unshared: every member needs them, and a broker delivers no retained messages on a shared subscription.
    pub group: Option<String>,
    /// Publishes taken and not yet durable; also the Receive Maximum of MQTT 5. Default 256; at least 1.
    #[serde(default = "in_flight_default")]
    pub in_flight: u16,
    /// Keep-alive. Default 30 s; at least 5 s, at most 65,535 s.
    #[serde(default = "keep_alive_default", deserialize_with = "units::duration")]
    pub keep_alive: Duration,
    /// How long that broker shall keep the session while this gateway is away (MQTT 5; 3.1.1 brokers have a setting of their
    /// own). Default 168 h.
    #[serde(default = "session_expiry_default", deserialize_with = "units::duration")]
    pub session_expiry: Duration,
    /// Longest pause between two attempts to connect; the first is at most a second, each may be twice as long. Default 60 s.
    #[serde(default = "retry_max_default", deserialize_with = "units::duration")]
    pub retry_max: Duration,
    /// How often a message is sent through that broker and back, on topic `halo-probe/<client id>`, to measure that it
    /// delivers. Default 30 s; `0s` = never, for brokers that end connections that may not publish.
    #[serde(default = "probe_default", deserialize_with = "units::duration")]
    pub probe: Duration,
}

/// Something that is not to be shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// What it is.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn version_default() -> u8 {
    5
}

fn filters_default() -> Vec<String> {
    FILTERS_DEFAULT.map(str::to_owned).into()
}

fn in_flight_default() -> u16 {
    256
}

fn keep_alive_default() -> Duration {
    Duration::from_secs(30)
}

fn session_expiry_default() -> Duration {
    Duration::from_secs(7 * 86_400)
}

fn retry_max_default() -> Duration {
    Duration::from_secs(60)
}

fn probe_default() -> Duration {
    Duration::from_secs(30)
}

/// Where a broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
}

/// A key of a `[[source]]` that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct Invalid {
    /// The key, with the place of its table: `source[0].url`.
    pub key: String,
    /// What is wrong, and what would do.
    pub problem: String,
}

impl Config {
    /// Everything but where it is, as it is by default.
    pub fn new(name: &str, url: &str) -> Self {
        Self {
            name: name.to_owned(),
            url: url.to_owned(),
            version: version_default(),
            client_id: None,
            username: None,
            password: None,
            password_file: None,
            ca: None,
            cert: None,
            key: None,
            root: None,
            filters: filters_default(),
            group: None,
            in_flight: in_flight_default(),
            keep_alive: keep_alive_default(),
            session_expiry: session_expiry_default(),
            retry_max: retry_max_default(),
            probe: probe_default(),
        }
    }

    pub(super) fn address(&self) -> Result<Address, String> {
        let wanted = || format!("{:?} is not of the form mqtt://host[:port] or mqtts://host[:port]", self.url);
        let (scheme, rest) = self.url.split_once("://").ok_or_else(wanted)?;
        let tls = match scheme {
            "mqtt" => false,
            "mqtts" => true,
            _ => return Err(wanted()),
        };
        // The colons of an IPv6 address stand in brackets.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wanted())?),
            _ => (rest, if tls { 8_883 } else { 1_883 }),
        };
        let plain = host.starts_with('[') == host.ends_with(']') && (host.starts_with('[') || !host.contains(':'));
        if host.is_empty() || !plain || host.contains(['/', '@', '?', '#', ' ']) || port == 0 {
            return Err(wanted());
        }
        Ok(Address { host: host.to_owned(), port, tls })
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        if !topic::id_is_valid(&self.name) {
            return Err(("name", format!("{:?} is not of the form [A-Za-z0-9._-]{{1,64}}", self.name)));
        }
        let address = self.address().map_err(|problem| ("url", problem))?;
        if !matches!(self.version, 4 | 5) {
            return Err(("version", format!("{} is neither 4 (MQTT 3.1.1) nor 5", self.version)));
        }
        if let Some(id) = &self.client_id
            && (id.is_empty() || id.len() > 256 || id.contains(['+', '#', '\0']))
        {
            return Err(("client_id", format!("{id:?} has no 1 to 256 bytes without +, # and U+0000")));
        }
        if self.password.is_some() && self.password_file.is_some() {
            return Err(("password", "is given twice: drop it or password_file".to_owned()));
        }
        if self.username.is_none() && (self.password.is_some() || self.password_file.is_some()) {
            return Err(("username", "a password needs a user name".to_owned()));
        }
        let tls_files = [&self.ca, &self.cert, &self.key].into_iter().any(Option::is_some);
        if tls_files && !address.tls {
            return Err(("url", format!("{:?} has no TLS for ca, cert and key: write mqtts://", self.url)));
        }
        if self.cert.is_some() != self.key.is_some() {
            return Err(("cert", "cert and key are needed both or not at all".to_owned()));
        }
        if let Some(root) = &self.root
            && let Err(error) = topic::Grammar::new(root)
        {
            return Err(("root", format!("{root:?}: {error}")));
        }
        self.check_filters()?;
        if self.in_flight == 0 {
            return Err(("in_flight", "0 is out of range, wanted 1 to 65535".to_owned()));
        }
        if self.keep_alive < KEEP_ALIVE_MIN || self.keep_alive.as_secs() > u64::from(u16::MAX) {
            return Err(("keep_alive", format!("{:?} is out of range, wanted 5s to 65535s", self.keep_alive)));
        }
        Ok(())
    }

    fn check_filters(&self) -> Result<(), (&'static str, String)> {
        if self.filters.is_empty() {
            return Err(("filters", "nothing would be read: name at least one, such as \"d/+/t\"".to_owned()));
        }
        for filter in &self.filters {
            let levels: Vec<_> = filter.split('/').collect();
            let last = levels.len().saturating_sub(1);
            let misplaced = |(at, level): (usize, &&str)| match *level {
                "+" => false,
                "#" => at != last,
                level => level.is_empty() || level.contains(['+', '#', '\0']),
            };
            if filter.len() > 512 || levels.iter().enumerate().any(misplaced) {
                return Err(("filters", format!("{filter:?} is no topic filter below the root, such as \"d/+/t\"")));
            }
            // Which subscription is shared must be plain: a shared one brings no retained births.
            if self.group.is_some() && !matches!(levels.last(), Some(&("t" | "birth" | "state"))) {
                return Err(("filters", format!("{filter:?} with a group must end in t, birth or state")));
            }
        }
        match &self.group {
            Some(group) if !topic::id_is_valid(group) => {
                Err(("group", format!("{group:?} is not of the form [A-Za-z0-9._-]{{1,64}}")))
            }
            _ => Ok(()),
        }
    }
}

/// Checks what the types cannot.
///
/// # Errors
/// The first key that cannot be meant.
pub fn validate(sources: &[Config]) -> Result<(), Invalid> {
    let mut names = HashSet::new();
    for (index, source) in sources.iter().enumerate() {
        source.check().map_err(|(key, problem)| Invalid { key: format!("source[{index}].{key}"), problem })?;
        if !names.insert(source.name.as_str()) {
            let (key, problem) = (format!("source[{index}].name"), format!("{:?} is taken", source.name));
            return Err(Invalid { key, problem });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Config {
        toml::from_str(&format!("name = \"site\"\nurl = \"mqtt://broker\"\n{text}")).unwrap()
    }

    fn problem(text: &str) -> String {
        validate(&[read(text)]).unwrap_err().to_string()
    }

    #[test]
    fn name_and_url_are_enough_and_give_the_documented_defaults() {
        let config = read("");
        validate(std::slice::from_ref(&config)).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::new("site", "mqtt://broker")));
        assert_eq!((config.version, config.in_flight, config.keep_alive.as_secs()), (5, 256, 30));
        assert_eq!((config.session_expiry.as_secs(), config.filters.len()), (604_800, 3));
    }

    #[test]
    fn a_url_has_a_scheme_a_host_and_maybe_a_port() {
        let at = |url: &str| Config::new("s", url).address().map(|a| (a.host, a.port, a.tls));
        assert_eq!(at("mqtt://broker"), Ok(("broker".into(), 1_883, false)));
        assert_eq!(at("mqtts://broker.example:443"), Ok(("broker.example".into(), 443, true)));
        assert_eq!(at("mqtts://[::1]"), Ok(("[::1]".into(), 8_883, true)));
        assert_eq!(at("mqtt://[::1]:99"), Ok(("[::1]".into(), 99, false)));
        for url in [
            "broker",
            "http://broker",
            "mqtt://",
            "mqtt://:1883",
            "mqtt://b:0",
            "mqtt://b:x",
            "mqtt://::1",
            "mqtt://u@b",
        ] {
            assert!(at(url).is_err(), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_named_with_its_key() {
        for (text, key) in [
            ("version = 3", "source[0].version"),
            ("in_flight = 0", "source[0].in_flight"),
            ("keep_alive = \"1s\"", "source[0].keep_alive"),
            ("password = \"x\"", "source[0].username"),
            ("username = \"u\"\npassword = \"x\"\npassword_file = \"f\"", "source[0].password"),
            ("ca = \"ca.pem\"", "source[0].url"),
            ("root = \"/x\"", "source[0].root"),
            ("filters = []", "source[0].filters"),
            ("filters = [\"d/#/t\"]", "source[0].filters"),
            ("group = \"g\"\nfilters = [\"d/#\"]", "source[0].filters"),
            ("group = \"g/h\"", "source[0].group"),
            ("client_id = \"a+b\"", "source[0].client_id"),
        ] {
            assert!(problem(text).starts_with(&format!("{key}: ")), "{text}: {}", problem(text));
        }
        let twice = validate(&[read(""), read("")]).unwrap_err();
        assert_eq!(twice.key, "source[1].name");
    }

    #[test]
    fn a_password_is_not_shown() {
        let config = read("username = \"u\"\npassword = \"hunter2\"");
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(config.password.unwrap().reveal(), "hunter2");
    }
}
