//! `config show`: every effective key, its value, and where it comes from.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use toml::de::{DeTable, DeValue};

use super::{Failure, Settings};
use crate::config::ENV_PREFIX;
use crate::terminal::say;

/// What to do with a configuration.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Print every key with the value in force; secrets as `***`.
    Show(Show),
}

#[derive(Args)]
pub(super) struct Show {
    #[command(flatten)]
    settings: Settings,
    /// Also say where each value comes from: a default, a line of the file, a variable or a flag.
    #[arg(long)]
    origin: bool,
    /// One JSON document: sections and keys as in the file; with --origin `value` and `origin` of each key.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: Command) -> Result<ExitCode, Failure> {
    let Command::Show(Show { settings, origin, json }) = command;
    let config = serde_json::to_value(settings.load()?)?;
    let origins = origins(&settings)?;
    if json {
        say(tree(&config, "", &|key| origin.then(|| origin_of(&origins, key))));
        return Ok(ExitCode::SUCCESS);
    }
    let values = flat(&config);
    let width = values.iter().map(|(key, value)| key.len() + 3 + value.len()).max().unwrap_or_default();
    values.iter().all(|(key, value)| {
        let line = format!("{key} = {value}");
        if origin { say(format_args!("{line:<width$}  # {}", origin_of(&origins, key))) } else { say(line) }
    });
    Ok(ExitCode::SUCCESS)
}

/// The tree as programs read it: secrets as `***`, durations as they are written in a configuration, what is not set as
/// null. A key whose origin is asked for is an object of both.
fn tree(value: &Value, path: &str, origin: &impl Fn(&str) -> Option<String>) -> Value {
    let dot = if path.is_empty() { "" } else { "." };
    match value {
        Value::Object(fields) if duration(value).is_none() && !fields.is_empty() => {
            let below =
                |(key, value): (&String, &Value)| (key.clone(), tree(value, &format!("{path}{dot}{key}"), origin));
            Value::Object(fields.iter().map(below).collect())
        }
        Value::Array(tables) if tables.iter().any(Value::is_object) => {
            tables.iter().enumerate().map(|(at, it)| tree(it, &format!("{path}[{at}]"), origin)).collect()
        }
        value => {
            let told = match duration(value) {
                _ if !value.is_null() && is_secret(path) => json!("***"),
                Some(duration) => json!(exact(duration)),
                None => value.clone(),
            };
            origin(path).map_or(told.clone(), |origin| json!({"value": told, "origin": origin}))
        }
    }
}

/// Every leaf of the tree with its dotted key. Lists of tables are counted, as `upstream[0].name`.
fn flat(tree: &Value) -> Vec<(String, String)> {
    let mut leaves = Vec::new();
    let mut open = vec![(String::new(), tree)];
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Object(fields) if duration(value).is_none() && !fields.is_empty() => {
                let dot = if path.is_empty() { "" } else { "." };
                open.extend(fields.iter().rev().map(|(key, value)| (format!("{path}{dot}{key}"), value)));
            }
            Value::Array(tables) if tables.iter().any(Value::is_object) => {
                open.extend(tables.iter().enumerate().rev().map(|(at, it)| (format!("{path}[{at}]"), it)));
            }
            _ => {
                let shown = shown(&path, value);
                leaves.push((path, shown));
            }
        }
    }
    leaves
}

fn shown(path: &str, value: &Value) -> String {
    match (value, duration(value)) {
        (Value::Null, _) => "(not set)".to_owned(),
        _ if is_secret(path) => "***".to_owned(),
        (_, Some(duration)) => format!("\"{}\"", exact(duration)),
        (value, None) => value.to_string(),
    }
}

fn is_secret(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or_default();
    ["password", "token", "secret"].iter().any(|word| name.contains(word))
}

/// As it could be written in a configuration.
fn exact(duration: std::time::Duration) -> String {
    match (duration.as_secs(), duration.subsec_millis()) {
        (0, ms) if ms > 0 => format!("{ms}ms"),
        (s, 0) => format!("{s}s"),
        (s, ms) => format!("{s}s {ms}ms"),
    }
}

/// How serde writes a `Duration`.
fn duration(value: &Value) -> Option<std::time::Duration> {
    let fields = value.as_object().filter(|fields| fields.len() == 2)?;
    let nanos = u32::try_from(fields.get("nanos")?.as_u64()?).ok()?;
    Some(std::time::Duration::new(fields.get("secs")?.as_u64()?, nanos))
}

/// Where keys were set, later sources over earlier ones.
fn origins(settings: &Settings) -> Result<BTreeMap<String, String>, Failure> {
    let mut origins = BTreeMap::new();
    if let Some(path) = &settings.config {
        lines_of(path, &mut origins)?;
    }
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with(ENV_PREFIX)) {
        let key = name.strip_prefix(ENV_PREFIX).unwrap_or_default().to_lowercase().replace("__", ".");
        set(&mut origins, key, format!("variable {name}"));
    }
    for given in &settings.sets {
        let key = given.split('=').next().unwrap_or_default();
        set(&mut origins, key.to_owned(), format!("--set {key}"));
    }
    for (key, flag, given) in [
        ("gateway.mqtt", "--mqtt", settings.mqtt.is_some()),
        ("gateway.data_dir", "--data-dir", settings.data_dir.is_some()),
    ] {
        if given {
            set(&mut origins, key.to_owned(), flag.to_owned());
        }
    }
    Ok(origins)
}

/// What is set whole has no parts that were set before.
fn set(origins: &mut BTreeMap<String, String>, key: String, origin: String) {
    origins.retain(|old, _| !is_below(old, &key));
    origins.insert(key, origin);
}

fn is_below(key: &str, above: &str) -> bool {
    key.strip_prefix(above).is_some_and(|rest| rest.starts_with(['.', '[']))
}

fn origin_of(origins: &BTreeMap<String, String>, key: &str) -> String {
    let nearest = origins.iter().filter(|(set, _)| *set == key || is_below(key, set)).max_by_key(|(set, _)| set.len());
    nearest.map_or_else(|| "default".to_owned(), |(_, origin)| origin.clone())
}

fn lines_of(path: &Path, origins: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    let text = std::fs::read_to_string(path)?;
    let table = DeTable::parse(&text)?;
    let mut open = vec![(String::new(), table.get_ref())];
    while let Some((path_in, table)) = open.pop() {
        for (key, value) in table {
            let dot = if path_in.is_empty() { "" } else { "." };
            let key_path = format!("{path_in}{dot}{}", key.get_ref());
            let line = text.get(..key.span().start).unwrap_or_default().matches('\n').count() + 1;
            match value.get_ref() {
                DeValue::Table(table) => open.push((key_path, table)),
                DeValue::Array(items) if items.iter().any(|it| matches!(it.get_ref(), DeValue::Table(_))) => {
                    for (at, item) in items.iter().enumerate() {
                        if let DeValue::Table(table) = item.get_ref() {
                            open.push((format!("{key_path}[{at}]"), table));
                        }
                    }
                }
                _ => {
                    origins.insert(key_path, format!("{}:{line}", path.display()));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// What the configuration's own parser says it expects in a section: the one list that cannot be out of date.
    fn expected(section: &str) -> Vec<String> {
        let text = format!("{section}\nno_such_key = 1\n");
        let error = toml::from_str::<Config>(&text).expect_err("an unknown key").to_string();
        let list = error.split("expected ").nth(1).unwrap_or_else(|| panic!("{error}"));
        list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_key_there_is_is_shown() {
        let text = "[gateway.tls]\naddress = \"127.0.0.1:0\"\ncert = \"c\"\nkey = \"k\"\n\
                    [[source]]\nname = \"a\"\nurl = \"mqtt://a\"\n[[upstream]]\nname = \"b\"\nurl = \"mqtt://b\"\n\
                    [[assignment]]\ndevice = \"d\"\nsubject = \"s\"\n\
                    [[rule]]\nname = \"r\"\nwhen = \"true\"\n[[cohort]]\nname = \"c\"\n\
                    [halo.zones]\nfile = \"f\"\n[[halo.destination]]\ndevice = \"d\"\n\
                    [[halo.signals]]\nname = \"x\"\n[[halo.kinds]]\nname = \"k\"\nderive = [\"heart\"]\n";
        let config: Config = toml::from_str(text).expect("valid");
        let keys: Vec<String> =
            flat(&serde_json::to_value(config).expect("JSON")).into_iter().map(|(key, _)| key).collect();
        let is_shown = |key: &str| keys.iter().any(|shown| shown == key || is_below(shown, key));
        let lists = ["source", "upstream", "assignment", "rule", "cohort"];
        for section in expected("") {
            assert!(is_shown(&section), "{section} of {keys:?}");
            let (heading, path) = match lists.contains(&&*section) {
                true => (format!("[[{section}]]"), format!("{section}[0]")),
                false => (format!("[{section}]"), section),
            };
            for key in expected(&heading) {
                assert!(is_shown(&format!("{path}.{key}")), "{path}.{key} of {keys:?}");
            }
        }
        assert!(is_shown("halo.zones.margin_m") && is_shown("halo.destination[0].zone"), "{keys:?}");
        assert!(is_shown("gateway.tls.cert") && keys.len() > 30, "{keys:?}");
    }

    /// What a section has to say before anything in it can be left out.
    const LEAST: [(&str, &str); 10] = [
        ("[[halo.signals]]", "name = \"a\"\n"),
        ("[[halo.kinds]]", "name = \"a\"\nderive = [\"heart\"]\n"),
        ("[halo.zones]", "file = \"f\"\n"),
        ("[gateway.tls]", "address = \"127.0.0.1:0\"\ncert = \"c\"\nkey = \"k\"\n"),
        ("[[source]]", "name = \"a\"\nurl = \"mqtt://a\"\n"),
        ("[[upstream]]", "name = \"a\"\nurl = \"mqtt://a\"\n"),
        ("[[assignment]]", "device = \"a\"\nsubject = \"a\"\n"),
        ("[[rule]]", "name = \"a\"\nwhen = \"true\"\n"),
        ("[[cohort]]", "name = \"a\"\n"),
        ("[[halo.models.onnx]]", "name = \"a\"\nfile = \"a.onnx\"\ninputs = [\"signals.a.value\"]\n"),
    ];

    fn least(heading: &str) -> &'static str {
        LEAST.iter().find(|(it, _)| *it == heading).map_or("", |(_, least)| least)
    }

    fn configuration(heading: &str, keys: &str) -> Value {
        let text = format!("{heading}\n{keys}");
        let config: Config = toml::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
        serde_json::to_value(config).expect("JSON")
    }

    /// Keys and defaults of the table under a heading of `docs/configuration.md`.
    fn documented(docs: &str, heading: &str) -> Vec<(String, String)> {
        let section = docs.split(&format!("\n## `{heading}`\n")).nth(1).unwrap_or_else(|| panic!("no {heading}"));
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let cells = |row: &str| row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
        rows.map(cells).map(|cells| (cells[1].clone(), cells[3].clone())).collect()
    }

    #[test]
    fn every_key_there_is_stands_in_the_documentation_with_its_default() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        let docs = std::fs::read_to_string(docs).expect("docs/configuration.md is there");
        let lists = ["source", "upstream", "assignment", "rule", "cohort"];
        let sections = expected("")
            .into_iter()
            .map(|it| if lists.contains(&&*it) { format!("[[{it}]]") } else { format!("[{it}]") });
        let inner = ["[gateway.tls]", "[halo.models]", "[[halo.models.onnx]]", "[halo.zones]", "[[halo.destination]]"];
        let own = ["signals]", "kinds]", "drive", "drive.score", "journey", "heart", "motion", "motion.fall", "taste"];
        let own = own.map(|it| if it.ends_with(']') { format!("[[halo.{it}]") } else { format!("[halo.{it}]") });
        for heading in sections.chain(inner.map(str::to_owned)).chain(own) {
            let (told, least) = (documented(&docs, &heading), least(&heading));
            let mut keys: Vec<&String> = told.iter().map(|(key, _)| key).collect();
            let mut wanted = expected(&heading);
            keys.sort();
            wanted.sort();
            assert_eq!(keys, wanted.iter().collect::<Vec<_>>(), "{heading}");
            let unset = configuration(&heading, least);
            for (key, default) in &told {
                let is_least = least.lines().any(|line| line.starts_with(&format!("{key} =")));
                match default.as_str() {
                    "*required*" => assert!(is_least, "{heading} {key}"),
                    "*none*" => {
                        let (text, path) = (key.as_str(), heading.trim_matches(['[', ']']));
                        let section = path.split('.').fold(&unset, |it, level| &it[level]);
                        let section = section.get(0).unwrap_or(section);
                        assert!(section[text].is_null(), "{heading} {key} has a default: {}", section[text]);
                    }
                    default => {
                        let set = configuration(&heading, &format!("{least}{key} = {default}\n"));
                        assert_eq!(set, unset, "{heading} {key} = {default} is not the default");
                    }
                }
            }
        }
    }

    #[test]
    fn secrets_and_durations_are_shown_as_people_may_see_them() {
        let tree = json!({"upstream": [{"password": "hunter2", "url": "x"}], "halo": {"silent_after": {"secs": 90, "nanos": 0}}, "none": null});
        let shown = flat(&tree);
        let expected = [
            ("halo.silent_after", "\"90s\""),
            ("none", "(not set)"),
            ("upstream[0].password", "***"),
            ("upstream[0].url", "\"x\""),
        ];
        for (key, value) in expected {
            assert!(shown.contains(&(key.to_owned(), value.to_owned())), "{key} of {shown:?}");
        }
    }

    #[test]
    fn programs_get_a_tree_with_numbers_as_numbers_and_origins_beside_values_when_asked() {
        let config = json!({
            "upstream": [{"password": "hunter2", "window": 9}], "halo": {"silent_after": {"secs": 90, "nanos": 0}},
            "gateway": {"tls": null},
        });
        let plain = json!({
            "upstream": [{"password": "***", "window": 9}], "halo": {"silent_after": "90s"}, "gateway": {"tls": null},
        });
        assert_eq!(tree(&config, "", &|_| None), plain);
        let origins = BTreeMap::from([("upstream[0].window".to_owned(), "gw.toml:2".to_owned())]);
        let told = tree(&config, "", &|key| Some(origin_of(&origins, key)));
        assert_eq!(told["upstream"][0]["window"], json!({"value": 9, "origin": "gw.toml:2"}));
        assert_eq!(told["halo"]["silent_after"], json!({"value": "90s", "origin": "default"}));
        assert_eq!(told["gateway"]["tls"], json!({"value": null, "origin": "default"}));
    }

    #[test]
    fn the_nearest_origin_counts() {
        let mut origins = BTreeMap::from([("gateway.id".to_owned(), "gw.toml:2".to_owned())]);
        set(&mut origins, "upstream".to_owned(), "--set upstream".to_owned());
        assert_eq!(origin_of(&origins, "gateway.id"), "gw.toml:2");
        assert_eq!(origin_of(&origins, "gateway.idx"), "default");
        assert_eq!(origin_of(&origins, "upstream[0].url"), "--set upstream");
    }
}
