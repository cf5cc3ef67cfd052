//! The tree of all stages' configuration: load, overlay, validate, freeze.
//!
//! One TOML file; `HALO_GATEWAY__SECTION__KEY` in the environment and `--set section.key=value` on the command line
//! mirror it, in that order. An unknown key is an error that names its line and column. No stage reads the environment.

mod geojson;
mod geography;
mod halo;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use halo_proto::topic;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ingest::own::OwnInvalid;
use crate::record::{Assignment, FoldConfig, Geography, SubjectKind};
use crate::spark::{self, CohortConfig, RuleConfig};
use crate::{auth, broker, forward, ingest, source, store};

pub use geography::{DestinationEntry, Zones};
pub use halo::{Halo, ModelFiles, OnnxModel};

/// What starts an environment variable that mirrors a configuration key.
pub const ENV_PREFIX: &str = "HALO_GATEWAY__";

/// Everything the gateway can be told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who this gateway is and where it keeps its data.
    pub gateway: Gateway,
    /// The MQTT front.
    pub broker: broker::Config,
    /// Who may connect from elsewhere than this machine, and what they may do.
    pub auth: auth::Config,
    /// Existing brokers to read telemetry from.
    pub source: Vec<source::Config>,
    /// What telemetry is believed.
    pub ingest: ingest::keys::Config,
    /// What is kept of frames that cannot be understood.
    pub quarantine: ingest::quarantine::Config,
    /// The log and its checkpoints.
    pub store: store::Config,
    /// How much disk all this may take, and what happens when that is used up.
    pub disk: store::disk::Config,
    /// Where the checkpoints are kept.
    pub state: store::state::Config,
    /// Brokers far away that get halos, readings and losses.
    pub upstream: Vec<forward::upstream::Config>,
    /// What a halo shows.
    pub halo: Halo,
    /// Which device feeds whose halo, and when; a device without one feeds a subject of its own name.
    pub assignment: Vec<AssignmentEntry>,
    /// When sparks are raised, and who is told.
    pub rule: Vec<RuleConfig>,
    /// What is told of many subjects together, of those that take part.
    pub cohort: Vec<CohortConfig>,
}

/// Identity and places of one gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// Names this gateway in its health topic and in message ids; `[A-Za-z0-9._-]{1,64}`. Default `gateway`.
    pub id: String,
    /// First levels of every topic. Default `halo/v1`; change it when several installations share one broker.
    pub root: String,
    /// Folder of the log and the checkpoints, made when absent. Default `halo-data` in the working folder.
    pub data_dir: PathBuf,
    /// Address of the MQTT listener; beyond loopback only once there are accounts. Default `127.0.0.1:1883`; port 0
    /// picks a free one.
    pub mqtt: SocketAddr,
    /// A second MQTT listener, under TLS. Default none.
    pub tls: Option<auth::Tls>,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            id: "gateway".to_owned(),
            root: topic::ROOT_DEFAULT.to_owned(),
            data_dir: PathBuf::from("halo-data"),
            mqtt: SocketAddr::from(([127, 0, 0, 1], 1883)),
            tls: None,
        }
    }
}

/// One `[[assignment]]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignmentEntry {
    /// The device's id.
    pub device: String,
    /// The subject's id.
    pub subject: String,
    /// `person`, `machine`, `thing` or `organisation`. Default `thing`.
    #[serde(default)]
    pub kind: SubjectKind,
    /// From this time of reading on, inclusive (RFC 3339). Absent: since ever.
    #[serde(default, deserialize_with = "timestamp", serialize_with = "as_text")]
    pub from: Option<Timestamp>,
    /// Up to this time of reading, exclusive (RFC 3339). Absent: until further notice.
    #[serde(default, deserialize_with = "timestamp", serialize_with = "as_text")]
    pub until: Option<Timestamp>,
}

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Wrong syntax, type or key; `message` names line and column.
    #[error("configuration {origin}: {message}")]
    Syntax {
        /// File, environment variable or flag.
        origin: String,
        /// What the parser said.
        message: String,
    },
    /// Right form, impossible meaning.
    #[error("configuration: {key}: {problem}")]
    Invalid {
        /// The key at fault.
        key: String,
        /// What is wrong and what would be right.
        problem: String,
    },
}

impl Config {
    /// Loads `file` (none: defaults), overlays `environment` and then `sets` (`section.key=value`), and validates.
    ///
    /// # Errors
    /// [`ConfigError`], naming file, line and column, variable or flag.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        sets: &[String],
    ) -> Result<Self, ConfigError> {
        let mut tree = toml::Table::new();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
            // Parsed as Config first: only the text itself knows line and column.
            parse::<Config>(&path.display().to_string(), &text)?;
            tree = parse(&path.display().to_string(), &text)?;
        }
        for (name, value) in environment_keys(environment) {
            overlay(
                &mut tree,
                &name.to_lowercase().replace("__", "."),
                &value,
                &format!("variable {ENV_PREFIX}{name}"),
            )?;
        }
        for set in sets {
            let (key, value) = set.split_once('=').ok_or_else(|| ConfigError::Syntax {
                origin: format!("--set {set}"),
                message: "wants section.key=value".to_owned(),
            })?;
            overlay(&mut tree, key, value, &format!("--set {set}"))?;
        }
        let mut config: Config = tree.try_into().map_err(|error: toml::de::Error| ConfigError::Syntax {
            origin: "after environment and flags".to_owned(),
            message: error.to_string(),
        })?;
        config.read_geography()?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with the key at fault.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let invalid = |key: &str, problem: String| Err(ConfigError::Invalid { key: key.to_owned(), problem });
        if !topic::id_is_valid(&self.gateway.id) {
            return invalid("gateway.id", format!("{:?} is not of the form [A-Za-z0-9._-]{{1,64}}", self.gateway.id));
        }
        if let Err(error) = topic::Grammar::new(&self.gateway.root) {
            return invalid("gateway.root", format!("{:?}: {error}", self.gateway.root));
        }
        if let Err(error) = self.broker.validate() {
            return invalid("broker", error.to_string());
        }
        // A group takes at most half a segment, and must hold the largest packet with its topic and envelope.
        let largest = 2 * (u64::from(self.broker.packet_bytes_max) + store::ENVELOPE_BYTES_MAX);
        let (got, wanted) = (self.store.segment_bytes, largest..=store::SEGMENT_BYTES_MAX);
        if !wanted.contains(&got) {
            let (least, most) = wanted.into_inner();
            return invalid(
                "store.segment_bytes",
                format!("{got} is out of range, wanted {least} (for broker.packet_bytes_max) to {most}"),
            );
        }
        if !self.state.engine.is_built() {
            return invalid("state.engine", store::state::StateError::NotBuilt(self.state.engine.name()).to_string());
        }
        for (index, upstream) in self.upstream.iter().enumerate() {
            if let Err((key, problem)) = upstream.validate() {
                return invalid(&format!("upstream[{index}].{key}"), problem);
            }
            if self.upstream.iter().take(index).any(|before| before.name == upstream.name) {
                return invalid(
                    &format!("upstream[{index}].name"),
                    format!("{:?} is another's already", upstream.name),
                );
            }
        }
        if let Err(problem) = self.disk.check(self.store.segment_bytes) {
            return invalid("disk.max", problem);
        }
        for (index, entry) in self.assignment.iter().enumerate() {
            for (what, id) in [("device", &entry.device), ("subject", &entry.subject)] {
                if !topic::id_is_valid(id) {
                    return invalid(
                        &format!("assignment[{index}].{what}"),
                        format!("{id:?} is not of the form [A-Za-z0-9._-]{{1,64}}"),
                    );
                }
            }
        }
        // As a record it must fit a group of the log, which takes at most half a segment.
        let map = postcard::to_stdvec(&self.halo.geography).map_or(0, |bytes| bytes.len() as u64);
        if 2 * (map + store::ENVELOPE_BYTES_MAX) > self.store.segment_bytes {
            let problem =
                format!("zones and destinations take {map} bytes, more than half of store.segment_bytes less 8 KB");
            return invalid("halo.zones.file", problem);
        }
        if let Err(OwnInvalid { key, problem }) = self.halo.own().check() {
            return invalid(&format!("halo.{key}"), problem);
        }
        if let Err(source::Invalid { key, problem }) = source::validate(&self.source) {
            return invalid(&key, problem);
        }
        if let Err(error) = ingest::assign::check(&self.assignments()) {
            return invalid("assignment", error.to_string());
        }
        let rules = match spark::Rules::compile(&self.rule, &self.known()) {
            Ok(rules) => rules,
            Err(error) => return invalid("rule", error.to_string()),
        };
        if let Err(error) = spark::check_cohorts(&self.cohort, &rules, &self.known()) {
            return invalid("cohort", error.to_string());
        }
        Ok(())
    }

    /// What rules can name beside the registry.
    pub fn known(&self) -> spark::Known {
        let signals = self.halo.signals.iter().map(|signal| signal.name.as_str().into()).collect();
        let derived = self.halo.models.onnx.iter().map(|model| model.name.as_str().into()).collect();
        spark::Known { signals, derived, ..spark::Known::default() }
    }

    /// Where the accounts are.
    pub fn accounts_file(&self) -> PathBuf {
        self.auth.accounts.clone().unwrap_or_else(|| self.gateway.data_dir.join(auth::ACCOUNTS_FILE))
    }

    /// A source or an upstream that is this gateway itself would go round for ever.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with the key at fault.
    pub fn check_no_loop(&self) -> Result<(), ConfigError> {
        let tls = self.gateway.tls.as_ref().map(|tls| tls.address);
        let ports: Vec<u16> = std::iter::once(self.gateway.mqtt).chain(tls).map(|it| it.port()).collect();
        let sources = self.source.iter().map(|it| &it.url).enumerate().map(|(index, url)| ("source", index, url));
        let upstreams = self.upstream.iter().map(|it| &it.url).enumerate().map(|(index, url)| ("upstream", index, url));
        for (what, index, url) in sources.chain(upstreams) {
            let place = url.rsplit("://").next().unwrap_or_default().trim_end_matches('/');
            let default_port = if url.starts_with("mqtts") { 8883 } else { 1883 };
            let (host, port) = match place.rsplit_once(':') {
                Some((host, port)) => (host, port.parse().unwrap_or(default_port)),
                None => (place, default_port),
            };
            let is_here = ["127.0.0.1", "localhost", "[::1]"].contains(&host);
            if is_here && port != 0 && ports.contains(&port) {
                let problem = format!("{url} is this gateway itself: messages would go round for ever");
                return Err(ConfigError::Invalid { key: format!("{what}[{index}].url"), problem });
            }
        }
        Ok(())
    }

    /// The grammar of this gateway's topics.
    pub fn grammar(&self) -> topic::Grammar {
        topic::Grammar::new(&self.gateway.root).expect("validated when it was loaded")
    }

    /// The part of the configuration that changes what a fold computes.
    pub fn fold(&self) -> FoldConfig {
        let silent_after_ms = u64::try_from(self.halo.silent_after.as_millis()).unwrap_or(u64::MAX);
        let forecasts = self.halo.forecasts;
        let geography = self.halo.geography.clone();
        let (assignments, derivations) = (self.assignments(), self.halo.own().text());
        let mut fold = FoldConfig { hash: 0, assignments, silent_after_ms, forecasts, geography, derivations };
        let first = (fold.hash, &fold.assignments, fold.silent_after_ms, fold.forecasts);
        let mut bytes = postcard::to_stdvec(&first).expect("plain structs of strings and numbers always serialise");
        // A configuration without a map has the hash it had before there were maps: it is not written again.
        if fold.geography != Geography::default() {
            bytes = postcard::to_extend(&fold.geography, bytes).expect("plain structs always serialise");
        }
        bytes.extend_from_slice(fold.derivations.as_bytes());
        fold.hash = crc32c::crc32c(&bytes);
        fold
    }

    /// The files that are part of the configuration of the fold are read once, when it is loaded.
    fn read_geography(&mut self) -> Result<(), ConfigError> {
        let Halo { zones, destination, .. } = &self.halo;
        let geography = geography::read(zones.as_ref(), destination);
        self.halo.geography = geography.map_err(|(key, problem)| ConfigError::Invalid { key, problem })?;
        Ok(())
    }

    fn assignments(&self) -> Vec<Assignment> {
        self.assignment
            .iter()
            .map(|entry| Assignment {
                device: entry.device.clone(),
                subject: entry.subject.clone(),
                kind: entry.kind,
                from_ms: entry.from.map(Timestamp::as_millisecond),
                until_ms: entry.until.map(Timestamp::as_millisecond),
            })
            .collect()
    }
}

fn parse<T: for<'de> Deserialize<'de>>(origin: &str, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::Syntax {
        origin: origin.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    })
}

/// Sorted, so that which of two clashing variables is reported does not depend on the shell.
fn environment_keys(environment: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    environment
        .into_iter()
        .filter_map(|(name, value)| name.strip_prefix(ENV_PREFIX).map(|rest| (rest.to_owned(), value)))
        .collect()
}

/// Sets one dotted key; a value that is not TOML is taken as a string, so that quotes are not needed in a shell.
fn overlay(tree: &mut toml::Table, key: &str, value: &str, origin: &str) -> Result<(), ConfigError> {
    let value = match parse::<toml::Table>(origin, &format!("value = {value}")) {
        Ok(mut table) => table.remove("value").unwrap_or_else(|| toml::Value::String(value.to_owned())),
        Err(_) => toml::Value::String(value.to_owned()),
    };
    let mut levels: Vec<&str> = key.split('.').collect();
    let last = levels.pop().unwrap_or_default();
    let mut at = &mut *tree;
    for level in levels {
        let entry = at.entry(level).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        at = entry.as_table_mut().ok_or_else(|| ConfigError::Syntax {
            origin: origin.to_owned(),
            message: format!("{level:?} is not a section"),
        })?;
    }
    at.insert(last.to_owned(), value);
    // Checked one by one, so that the error names the variable or flag at fault; a section may still lack keys that come.
    match tree_is_config(tree) {
        Err(message) if !message.contains("missing field") => {
            Err(ConfigError::Syntax { origin: origin.to_owned(), message })
        }
        _ => Ok(()),
    }
}

fn tree_is_config(tree: &toml::Table) -> Result<(), String> {
    tree.clone().try_into::<Config>().map(drop).map_err(|error| error.to_string().trim_end().to_owned())
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = match toml::Value::deserialize(deserializer)? {
        toml::Value::Datetime(datetime) => datetime.to_string(),
        toml::Value::String(text) => text,
        other => return Err(serde::de::Error::custom(format!("{other} is not a time such as 2026-11-21T19:48:00Z"))),
    };
    let wanted = |_| serde::de::Error::custom(format!("{text:?} is not a time such as 2026-11-21T19:48:00Z"));
    text.parse().map(Some).map_err(wanted)
}

fn as_text<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.to_string()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("written");
        Config::load(Some(file.path()), [], &[])
    }

    #[test]
    fn an_unknown_key_is_an_error_with_line_and_column() {
        let error = load("[gateway]\nid = \"gw\"\n\n[brokr]\nx = 1\n").expect_err("unknown section").to_string();
        assert!(error.contains("line 4") && error.contains("column 2"), "{error}");
        assert!(error.contains("brokr"), "{error}");
        let error = load("[gateway]\nidd = \"gw\"\n").expect_err("unknown key").to_string();
        assert!(error.contains("line 2, column 1") && error.contains("idd"), "{error}");
    }

    #[test]
    fn the_environment_overlays_the_file_and_flags_overlay_the_environment() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "[gateway]\nid = \"from-file\"\nroot = \"halo/v1\"\n").expect("written");
        let environment = [("HALO_GATEWAY__GATEWAY__ID".to_owned(), "from-env".to_owned())];
        let config = Config::load(Some(file.path()), environment.clone(), &[]).expect("valid");
        assert_eq!(config.gateway.id, "from-env");
        let sets = ["gateway.id=from-flag".to_owned()];
        let config = Config::load(Some(file.path()), environment, &sets).expect("valid");
        assert_eq!(config.gateway.id, "from-flag");
    }

    #[test]
    fn an_unknown_variable_or_flag_is_named_in_the_error() {
        let environment = [("HALO_GATEWAY__GATEWAY__IDD".to_owned(), "x".to_owned())];
        let error = Config::load(None, environment, &[]).expect_err("unknown").to_string();
        assert!(error.contains("HALO_GATEWAY__GATEWAY__IDD"), "{error}");
        let error = Config::load(None, [], &["gateway.idd=x".to_owned()]).expect_err("unknown").to_string();
        assert!(error.contains("--set gateway.idd=x"), "{error}");
    }

    #[test]
    fn assignments_carry_times_and_change_the_hash() {
        let config = load(
            "[[assignment]]\ndevice = \"car-1\"\nsubject = \"anna\"\nkind = \"person\"\nfrom = 2026-11-21T08:00:00Z\nuntil = \"2026-11-21T12:00:00Z\"\n",
        )
        .expect("valid");
        let fold = config.fold();
        let only = fold.assignments.first().expect("one assignment");
        assert_eq!((only.from_ms, only.until_ms), (Some(1_795_248_000_000), Some(1_795_262_400_000)));
        assert_eq!(only.kind, SubjectKind::Person);
        assert_ne!(fold.hash, Config::default().fold().hash);
        assert_eq!(fold.hash, config.fold().hash);
    }

    #[test]
    fn two_assignments_of_one_device_at_one_time_are_refused() {
        let error = load(
            "[[assignment]]\ndevice = \"c\"\nsubject = \"a\"\n\n[[assignment]]\ndevice = \"c\"\nsubject = \"b\"\n",
        );
        let error = error.expect_err("overlap").to_string();
        assert!(error.contains('a') && error.contains('b') && error.contains("assignment"), "{error}");
    }

    #[test]
    fn a_section_with_several_required_keys_can_be_set_key_by_key() {
        let sets = ["address=\"127.0.0.1:8883\"", "cert=\"cert.pem\"", "key=\"key.pem\""];
        let sets = sets.map(|set| format!("gateway.tls.{set}"));
        assert!(Config::load(None, [], &sets).expect("valid").gateway.tls.is_some());
        let error = Config::load(None, [], &sets[..1]).expect_err("incomplete").to_string();
        assert!(error.contains("missing field"), "{error}");
    }

    #[test]
    fn a_source_or_an_upstream_that_is_the_gateway_itself_is_refused() {
        for (what, url) in [("source", "mqtt://127.0.0.1"), ("upstream", "mqtt://localhost:1883/")] {
            let config = load(&format!("[[{what}]]\nname = \"me\"\nurl = \"{url}\"\n")).expect("valid by itself");
            let error = config.check_no_loop().expect_err("a loop").to_string();
            assert!(error.contains(&format!("{what}[0].url")), "{error}");
        }
        let far = load("[[upstream]]\nname = \"far\"\nurl = \"mqtt://127.0.0.1:1884\"\n").expect("valid");
        assert!(far.check_no_loop().is_ok());
    }

    #[test]
    fn a_limit_out_of_range_is_refused_by_name() {
        let error = load("[broker]\nreceive_maximum = 0\n").expect_err("out of range").to_string();
        assert!(error.contains("broker.receive_maximum is 0, wanted at least 1"), "{error}");
        let error = load("[store]\nsegment_bytes = 1024\n").expect_err("out of range").to_string();
        assert!(error.contains("store.segment_bytes: 1024 is out of range"), "{error}");
    }

    /// `data did not match any variant of untagged enum Size` helped nobody.
    #[test]
    fn a_wrong_size_or_duration_is_told_with_its_key_what_was_found_and_an_example() {
        for (key, value, found) in [
            ("disk.max", "true", "boolean `true`"),
            ("disk.reserve", "-5", "`-5`"),
            ("disk.max", "\"much\"", "\"much\""),
            ("store.segment_bytes", "1.5", "`1.5`"),
            ("quarantine.max", "[]", "sequence"),
            ("disk.keep", "20", "integer `20`"),
            ("halo.silent_after", "\"soon\"", "\"soon\""),
        ] {
            let example = if ["disk.keep", "halo.silent_after"].contains(&key) { "\"20s\"" } else { "\"512MB\"" };
            let (section, name) = key.split_once('.').expect("a dotted key");
            let in_file = load(&format!("[{section}]\n{name} = {value}\n")).expect_err("wrong").to_string();
            for wanted in [name, found, example, "line 2"] {
                assert!(in_file.contains(wanted), "{wanted} is not in {in_file}");
            }
            let set = format!("{key}={value}");
            let flag = Config::load(None, [], std::slice::from_ref(&set)).expect_err("wrong").to_string();
            for wanted in [&*set, found, example] {
                assert!(flag.contains(wanted), "{wanted} is not in {flag}");
            }
        }
    }

    #[test]
    fn the_size_of_segments_is_told_like_every_other_size() {
        let size = |text: &str| load(&format!("[store]\nsegment_bytes = {text}\n")).map(|it| it.store.segment_bytes);
        assert_eq!(size("\"16MB\"").expect("valid"), 16_000_000);
        assert_eq!(size("\"16MiB\"").expect("valid"), 16 << 20);
        assert_eq!(size("16777216").expect("valid"), 16 << 20);
    }

    #[test]
    fn a_subject_with_a_slash_is_refused_by_name() {
        let error = load("[[assignment]]\ndevice = \"c\"\nsubject = \"a/b\"\n").expect_err("bad id").to_string();
        assert!(error.contains("assignment[0].subject") && error.contains("a/b"), "{error}");
    }
}
