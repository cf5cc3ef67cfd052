//! `[[upstream]]`: which broker, as whom, what it gets.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use halo_proto::topic::id_is_valid;
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};

use crate::tls;
use crate::units::{self, Secret};

/// Longest topic prefix, bytes.
const PREFIX_LEN_MAX: usize = 256;
/// Most messages that may be under way.
const WINDOW_MAX: u16 = 8_192;

/// One broker far away.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names its cursor, also in `status` and in complaints; `[A-Za-z0-9._-]{1,64}`. A new name is a new cursor.
    pub name: String,
    /// `mqtt://host:port` or `mqtts://host:port`; the port may be left out (1883, 8883).
    pub url: String,
    /// MQTT version: `5` (default) or `4`, which is 3.1.1.
    #[serde(default = "version_default")]
    pub version: u8,
    /// Which client library speaks: `rumqttc` (default) or `rumqttc-next` (version 5 only; a feature of the build).
    #[serde(default)]
    pub client: Client,
    /// MQTT client id. Default: the gateway's id and the upstream's name. Two gateways with one id throw each other out.
    #[serde(default)]
    pub client_id: Option<String>,
    /// User name. Default: none.
    #[serde(default)]
    pub username: Option<String>,
    /// Password; rather use `password_file`.
    #[serde(default)]
    pub password: Option<Secret>,
    /// File whose first line is the password, read at every connect, so that it can be changed while the gateway runs.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file of the authorities trusted for `mqtts`. Default: the system's. Read at every connect, like the two below.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// PEM file of this client's certificate chain.
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// PEM file of its private key.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// What it gets: `halos`, `readings`, `losses`. Default: all three.
    #[serde(default = "send_default")]
    pub send: Vec<Send>,
    /// Put before every topic there, with a `/` between. Default: none, the same topics as here.
    #[serde(default)]
    pub prefix: String,
    /// Where a name that was never seen begins: `head` (default), or the `oldest` record still kept.
    #[serde(default)]
    pub from: From,
    /// Most messages that may be repeated after a crash, and so most that are under way. 16 to 8192, default 1024.
    #[serde(default = "window_default")]
    pub window: u16,
    /// MQTT keep-alive. 5 s to 10 min, default 30 s.
    #[serde(default = "keep_alive_default", deserialize_with = "units::duration")]
    pub keep_alive: Duration,
    /// A link on which something is under way and nothing is confirmed for this long is torn down. Default 20 s.
    #[serde(default = "stall_after_default", deserialize_with = "units::duration")]
    pub stall_after: Duration,
    /// First bound of the random wait before the next try; it doubles. Default 500 ms.
    #[serde(default = "backoff_min_default", deserialize_with = "units::duration")]
    pub backoff_min: Duration,
    /// Last bound of it. Default 60 s.
    #[serde(default = "backoff_max_default", deserialize_with = "units::duration")]
    pub backoff_max: Duration,
}

/// A client library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Client {
    /// rumqttc 0.25.
    #[default]
    #[serde(rename = "rumqttc")]
    Rumqttc,
    /// rumqttc-v5-next, a fork.
    #[serde(rename = "rumqttc-next")]
    RumqttcNext,
}

/// What an upstream may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Send {
    /// The newest halo of each subject.
    Halos,
    /// Every frame.
    Readings,
    /// What was lost.
    Losses,
    /// What rules raised, and what became of it.
    Sparks,
}

/// Where a new cursor begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// With what comes.
    #[default]
    Head,
    /// With the oldest record there is.
    Oldest,
}

/// A URL taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let wanted = || format!("{} is not of the form mqtt://host:port or mqtts://host:port", without_secrets(url));
        let (tls, rest) = match url.split_once("://") {
            Some(("mqtt", rest)) => (false, rest),
            Some(("mqtts", rest)) => (true, rest),
            _ => return Err(wanted()),
        };
        if rest.contains('@') {
            return Err(
                "a user name or password in the URL would be shown in logs; use username and password_file".into()
            );
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let default = if tls { 8883 } else { 1883 };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && (!host.contains(':') || host.ends_with(']')) => {
                (host, port.parse().map_err(|_| wanted())?)
            }
            _ => (rest, default),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || host.contains(['/', '?', '#', ' ']) || port == 0 {
            return Err(wanted());
        }
        Ok(Self { tls, host: host.to_owned(), port })
    }
}

/// A URL as it may be shown.
pub(super) fn without_secrets(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://***@{host}"),
        _ => url.to_owned(),
    }
}

impl Config {
    /// Whether it needs the log kept until it has confirmed it; halos alone are rendered from the fold.
    pub fn reads_log(&self) -> bool {
        self.send.iter().any(|what| matches!(what, Send::Readings | Send::Losses | Send::Sparks))
    }

    /// How `mqtts` is trusted; read anew at every connect, so that a renewed certificate is in use from the next one on.
    pub(super) fn tls(&self) -> Result<Arc<ClientConfig>, String> {
        let (ca, cert, key) = (self.ca.as_deref(), self.cert.as_deref(), self.key.as_deref());
        tls::client_config(ca, cert, key).map_err(|error| error.to_string())
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// The key at fault, and what is wrong with it.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        let address = Address::parse(&self.url).map_err(|problem| ("url", problem))?;
        let certificates = [("ca", &self.ca), ("cert", &self.cert), ("key", &self.key)];
        let unused = certificates.iter().find(|(_, file)| !address.tls && file.is_some());
        let missing =
            [("ca", &self.ca), ("cert", &self.cert), ("key", &self.key), ("password_file", &self.password_file)]
                .into_iter()
                .find_map(|(key, file)| file.as_ref().filter(|file| !file.is_file()).map(|file| (key, file.clone())));
        let millis = |duration: Duration| duration.as_millis();
        let rules: [(bool, &'static str, String); 13] = [
            (!id_is_valid(&self.name), "name", format!("{:?} is not of the form [A-Za-z0-9._-]{{1,64}}", self.name)),
            (![4, 5].contains(&self.version), "version", format!("{} is no version, wanted 4 or 5", self.version)),
            (
                self.client == Client::RumqttcNext && self.version != 5,
                "client",
                "rumqttc-next speaks version 5 only".into(),
            ),
            (
                self.client == Client::RumqttcNext && !cfg!(feature = "rumqttc-next"),
                "client",
                "this build has no rumqttc-next; build it with --features rumqttc-next".into(),
            ),
            (self.send.is_empty(), "send", "nothing to send, wanted some of halos, readings, sparks, losses".into()),
            (
                self.password.is_some() && self.password_file.is_some(),
                "password",
                "given beside password_file, wanted one of them".into(),
            ),
            (
                (self.password.is_some() || self.password_file.is_some()) && self.username.is_none(),
                "username",
                "missing, and a password is given".into(),
            ),
            (self.cert.is_some() != self.key.is_some(), "key", "cert and key go together".into()),
            (
                self.prefix.len() > PREFIX_LEN_MAX
                    || self.prefix.contains(['+', '#', '\0'])
                    || self.prefix.ends_with('/'),
                "prefix",
                format!("{:?} has a wildcard, ends with / or is longer than {PREFIX_LEN_MAX} bytes", self.prefix),
            ),
            (
                !(16..=WINDOW_MAX).contains(&self.window),
                "window",
                format!("{} is out of range, wanted 16 to {WINDOW_MAX}", self.window),
            ),
            (
                !(5_000..=600_000).contains(&millis(self.keep_alive)),
                "keep_alive",
                "out of range, wanted 5 s to 10 min".into(),
            ),
            (
                !(200..=600_000).contains(&millis(self.stall_after)),
                "stall_after",
                "out of range, wanted 200 ms to 10 min".into(),
            ),
            (
                self.backoff_min > self.backoff_max
                    || self.backoff_min.is_zero()
                    || millis(self.backoff_max) > 3_600_000,
                "backoff_max",
                "wanted backoff_min > 0, not above backoff_max, and that at most 1 h".into(),
            ),
        ];
        if let Some((_, key, problem)) = rules.into_iter().find(|(wrong, ..)| *wrong) {
            return Err((key, problem));
        }
        if let Some((key, _)) = unused {
            return Err((key, "is for mqtts:// only, and the url says mqtt://".into()));
        }
        match missing {
            Some((key, file)) => Err((key, format!("{} is no file that can be read", file.display()))),
            None => Ok(()),
        }
    }

    pub(super) fn sends(&self, what: Send) -> bool {
        self.send.contains(&what)
    }

    /// A topic of ours as it is there.
    pub(super) fn topic(&self, ours: &str) -> String {
        if self.prefix.is_empty() { ours.to_owned() } else { format!("{}/{ours}", self.prefix) }
    }

    /// Longest wait for CONNACK, name resolution, TCP and TLS included: as patient as with silence later, in bounds.
    pub(super) fn connect_wait(&self) -> Duration {
        self.stall_after.clamp(Duration::from_secs(1), Duration::from_secs(10))
    }

    pub(super) fn password(&self) -> Result<String, String> {
        match (&self.password, &self.password_file) {
            (Some(secret), _) => Ok(secret.reveal().to_owned()),
            (None, Some(file)) => first_line(file),
            (None, None) => Ok(String::new()),
        }
    }
}

fn first_line(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("password_file {}: {error}", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn version_default() -> u8 {
    5
}

fn send_default() -> Vec<Send> {
    vec![Send::Halos, Send::Readings, Send::Sparks, Send::Losses]
}

fn window_default() -> u16 {
    1_024
}

fn keep_alive_default() -> Duration {
    Duration::from_secs(30)
}

fn stall_after_default() -> Duration {
    Duration::from_secs(20)
}

fn backoff_min_default() -> Duration {
    Duration::from_millis(500)
}

fn backoff_max_default() -> Duration {
    Duration::from_secs(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> Config {
        toml::from_str(&format!("name = \"cloud\"\nurl = \"mqtt://host:1884\"\n{more}")).expect("well formed")
    }

    #[test]
    fn a_name_and_a_url_are_enough() {
        let config = config("");
        config.validate().expect("valid");
        assert_eq!((config.version, config.window, config.from), (5, 1_024, From::Head));
        assert_eq!(config.topic("halo/v1/x"), "halo/v1/x");
    }

    #[test]
    fn a_wrong_value_is_refused_by_its_key() {
        let cases = [
            ("version = 3", "version"),
            ("client = \"rumqttc-next\"\nversion = 4", "client"),
            ("send = []", "send"),
            ("password = \"x\"", "username"),
            ("username = \"u\"\npassword = \"x\"\npassword_file = \"/dev/null\"", "password"),
            ("cert = \"/x\"", "key"),
            ("ca = \"/etc/hostname\"", "ca"),
            ("prefix = \"a/#\"", "prefix"),
            ("window = 8", "window"),
            ("keep_alive = \"1s\"", "keep_alive"),
            ("backoff_min = \"2m\"", "backoff_max"),
            ("password_file = \"/no/such/file\"\nusername = \"u\"", "password_file"),
        ];
        for (text, key) in cases {
            assert_eq!(config(text).validate().expect_err(text).0, key, "{text}");
        }
        for url in ["http://x", "mqtt://", "mqtt://x:99999", "mqtt://x:0", "mqtt://a b"] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let config = config("username = \"u\"\npassword = \"hunter2\"");
        assert!(!format!("{config:?}").contains("hunter2"));
        let error = Address::parse("mqtt://u:hunter2@host").expect_err("a secret in the url");
        assert!(!error.contains("hunter2") && error.contains("password_file"), "{error}");
        assert_eq!(without_secrets("mqtt://u:hunter2@host"), "mqtt://***@host");
    }

    #[test]
    fn addresses_are_names_numbers_and_bracketed_numbers() {
        let parsed = |url| Address::parse(url).map(|it| (it.tls, it.host, it.port)).expect(url);
        assert_eq!(parsed("mqtt://broker"), (false, "broker".into(), 1883));
        assert_eq!(parsed("mqtts://broker/"), (true, "broker".into(), 8883));
        assert_eq!(parsed("mqtt://127.0.0.1:7"), (false, "127.0.0.1".into(), 7));
        assert_eq!(parsed("mqtt://[::1]:7"), (false, "::1".into(), 7));
    }
}
