//! Commands to a running gateway: devices, subjects, quarantine, upstreams.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::Value;

use super::Failure;
use super::accounts::{Where, change_token};
use super::client::Target;
use super::people;
use super::table::{print, text};
use crate::admin::{Command, Which};
use crate::auth::Change;
use crate::record::SubjectKind;
use crate::terminal::say;
use crate::units::count;
use crate::units::when::{self, When};

/// `device`, `subject`, `quarantine`, `upstream`: what to do, and on which gateway.
#[derive(Args)]
pub(super) struct On<T: Subcommand> {
    #[command(flatten)]
    pub(super) target: Target,
    #[command(subcommand)]
    pub(super) command: T,
}

/// What to do with devices.
#[derive(Subcommand)]
pub(super) enum Device {
    /// All devices: whose halo each feeds, whether it is connected, what is missing.
    List,
    /// One device, with its presence.
    Show {
        /// Its id.
        device: String,
    },
    /// Let a device feed a subject's halo.
    Assign {
        /// The device's id.
        device: String,
        /// The subject's id.
        subject: String,
        /// What the subject is.
        #[arg(long, value_enum, default_value = "thing")]
        kind: Kind,
        /// From this time of reading on, e.g. 2026-11-01T00:00:00Z or now-8h [default: now].
        #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true)]
        from: Option<When>,
        /// Up to this time of reading [default: until further notice].
        #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true)]
        until: Option<When>,
    },
    /// Let a device feed nobody but itself.
    Release {
        /// Its id.
        device: String,
        /// From this time of reading on (RFC 3339) [default: now].
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
    },
    /// Let a new device take a lost or broken one's place: it feeds that one's subject, and is told of it.
    Replace {
        /// The device that goes; it feeds nobody but itself then.
        old: String,
        /// The device that comes. On its topic d/<device>/cmd it gets the subject's settings and last state.
        new: String,
        /// From this time of reading on [default: now].
        #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true)]
        at: Option<When>,
    },
    /// Forget a device: what is known of it, and its token. Its readings stay where they went.
    Remove {
        /// Its id.
        device: String,
    },
    /// Make a new token for a device; it is shown once, an older one ends at once.
    Token {
        /// Its id, which is also its user name.
        device: String,
        /// Take its token away instead.
        #[arg(long)]
        remove: bool,
        /// File of the accounts, if not the data folder's.
        #[arg(long, value_name = "FILE")]
        accounts: Option<std::path::PathBuf>,
        /// Make the data folder if there is none yet: a token for a gateway that is still to be started.
        #[arg(long)]
        create: bool,
    },
}

/// What a subject is.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    Person,
    Machine,
    Thing,
    Organisation,
}

/// What to do with subjects.
#[derive(Subcommand)]
pub(super) enum Subject {
    /// All subjects, with the devices that feed them.
    List,
    /// One subject's halo, with its relations, other names and settings.
    Show {
        /// Its id, or another name of it.
        subject: String,
    },
    #[command(flatten)]
    Act(people::Act),
}

/// What to do with frames that could not be understood.
#[derive(Subcommand)]
pub(super) enum Quarantine {
    /// All of them, with the reason.
    List,
    /// One, with its bytes.
    Show {
        /// The offset where it was stored, see `list`.
        frame: u64,
    },
    /// Read them again: after an update, or once the device's birth has come.
    Replay(Chosen),
    /// Give them up.
    Discard(Chosen),
}

/// Which frames.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Chosen {
    /// The one stored at this offset, see `list`.
    frame: Option<u64>,
    /// Those of one device.
    #[arg(long)]
    device: Option<String>,
    /// All.
    #[arg(long)]
    all: bool,
}

/// What to do with upstreams.
#[derive(Subcommand)]
pub(super) enum Upstream {
    /// All, with their state and how far behind they are.
    List,
    /// Hold one back; what it would get waits in the log.
    Pause {
        /// Its name.
        upstream: String,
    },
    /// Let it go again.
    Resume {
        /// Its name.
        upstream: String,
    },
}

pub(super) fn device(on: On<Device>) -> Result<ExitCode, Failure> {
    let On { target, command } = on;
    match command {
        Device::List => {
            let fields = ["device", "subject", "online", "missing", "lost", "clocks_refused", "token"];
            print(&target.ask(Command::Devices)?, target.json, &fields, "no device was heard of yet");
        }
        Device::Show { device } => show(&target.ask(Command::Device { device })?, target.json),
        Device::Assign { device, subject, kind, from, until } => {
            let now_ms = crate::clock::Clock::system().now().wall_ms;
            let (from_ms, until_ms) = (from.map(|from| from.at(now_ms)), until.map(|until| until.at(now_ms)));
            let done = format!("{device} feeds {subject}");
            let command = Command::Assign { device, subject, kind: kind.into(), from_ms, until_ms };
            did(&target.ask(command)?, target.json, &done);
        }
        Device::Release { device, at } => {
            let done = format!("{device} feeds nobody but itself");
            let command = Command::Release { device, at_ms: at.map(Timestamp::as_millisecond) };
            did(&target.ask(command)?, target.json, &done);
        }
        Device::Replace { old, new, at } => {
            let done = format!("{new} takes the place of {old}");
            let now_ms = crate::clock::Clock::system().now().wall_ms;
            let command = Command::Replace { old, new, at_ms: at.map(|at| at.at(now_ms)) };
            did(&target.ask(command)?, target.json, &done);
        }
        Device::Remove { device } => {
            let done = format!("{device} is forgotten");
            did(&target.ask(Command::Forget { device })?, target.json, &done);
        }
        Device::Token { device, remove, accounts, create } => {
            let change = if remove { Change::RemoveToken { device } } else { Change::Token { device } };
            change_token(Where { target: &target, file: accounts.as_deref(), create }, change)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn subject(on: On<Subject>) -> Result<ExitCode, Failure> {
    let On { target, command } = on;
    match command {
        Subject::List => {
            let fields = ["subject", "kind", "devices", "signals", "accepted", "missing", "time"];
            print(&target.ask(Command::Subjects)?, target.json, &fields, "no subject yet");
        }
        Subject::Show { subject } => show(&target.ask(Command::Subject { subject })?, target.json),
        Subject::Act(act) => {
            let (command, done) = act.command()?;
            did(&target.ask(command)?, target.json, &done);
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn quarantine(on: On<Quarantine>) -> Result<ExitCode, Failure> {
    let On { target, command } = on;
    match command {
        Quarantine::List => {
            let fields = ["frame", "device", "since", "attempts", "bytes", "reason"];
            print(&target.ask(Command::Quarantine)?, target.json, &fields, "the quarantine is empty");
        }
        Quarantine::Show { frame } => show(&target.ask(Command::Quarantined { frame })?, target.json),
        Quarantine::Replay(chosen) => tell(&target.ask(Command::Replay(chosen.into()))?, target.json, replayed),
        Quarantine::Discard(chosen) => tell(&target.ask(Command::Discard(chosen.into()))?, target.json, discarded),
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn upstream(on: On<Upstream>) -> Result<ExitCode, Failure> {
    let On { target, command } = on;
    let hold = |upstream: String, held| {
        let done = format!("{upstream} {}", if held { "is held back" } else { "goes on" });
        target.ask(Command::Hold { upstream, held }).map(|rows| did(&rows, target.json, &done))
    };
    match command {
        Upstream::List => {
            let fields = [
                "upstream",
                "state",
                "lag_ms",
                "forwarded",
                "pending",
                "halos",
                "halos_pending",
                "round_trip_ms",
                "last_error",
            ];
            print(&target.ask(Command::Upstreams)?, target.json, &fields, "no upstream is configured");
        }
        Upstream::Pause { upstream } => hold(upstream, true)?,
        Upstream::Resume { upstream } => hold(upstream, false)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What to do with sources.
#[derive(Subcommand)]
pub(super) enum Source {
    /// All, with their state and what came from them.
    List,
}

/// What to do with the clock.
#[derive(Subcommand)]
pub(super) enum Clock {
    /// Say that the wall clock is right. After it jumped ahead by more than a day nothing is deleted by age (disk.keep)
    /// until somebody says so; where it did not, this changes nothing.
    Confirm,
}

pub(super) fn source(on: On<Source>) -> Result<ExitCode, Failure> {
    let On { target, command: Source::List } = on;
    let fields = ["source", "state", "received", "stored", "refused", "round_trip_ms", "last_error"];
    print(&target.ask(Command::Sources)?, target.json, &fields, "no source is configured");
    Ok(ExitCode::SUCCESS)
}

pub(super) fn clock(on: On<Clock>) -> Result<ExitCode, Failure> {
    let On { target, command: Clock::Confirm } = on;
    for row in target.ask(Command::ConfirmClock)? {
        if target.json {
            say(row);
        } else {
            let clock = text(&row["clock"]);
            say(format_args!(
                "the wall clock ({clock}) counts as right: frames older than disk.keep are deleted again"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(rows: &[Value], as_json: bool, words: fn(&Value) -> String) {
    rows.iter().all(|row| if as_json { say(row) } else { say(words(row)) });
}

fn replayed(row: &Value) -> String {
    let number = |key: &str| row[key].as_u64().unwrap_or_default();
    let (again, read, left) = (count(number("replayed"), "frame"), number("read"), number("still_quarantined"));
    let stays = match left {
        0 => "none stays in quarantine",
        1 => "1 stays in quarantine; `halo-gateway quarantine list` says why",
        _ => {
            return format!(
                "{again} read again: {read} understood, {left} stay in quarantine; `halo-gateway quarantine list` says why"
            );
        }
    };
    format!("{again} read again: {read} understood, {stays}")
}

fn discarded(row: &Value) -> String {
    format!("{} given up; the log says so", count(row["discarded"].as_u64().unwrap_or_default(), "frame"))
}

/// One thing: indented JSON, or `key value` lines when it is flat.
pub(super) fn show(rows: &[Value], as_json: bool) {
    for row in rows {
        let shown = match row.as_object() {
            _ if as_json => say(row),
            Some(fields) if fields.values().all(|value| !value.is_object()) => {
                let width = fields.keys().map(String::len).max().unwrap_or_default();
                fields.iter().all(|(key, value)| say(format_args!("{key:<width$}  {}", text(value))))
            }
            _ => say(format_args!("{row:#}")),
        };
        if !shown {
            return;
        }
    }
}

/// What was done, and where the log says so.
fn did(rows: &[Value], as_json: bool, done: &str) {
    for row in rows {
        if as_json {
            say(row)
        } else {
            say(format_args!("{done} (record {})", text(&row["offset"])))
        };
    }
}

impl From<Kind> for SubjectKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Person => Self::Person,
            Kind::Machine => Self::Machine,
            Kind::Thing => Self::Thing,
            Kind::Organisation => Self::Organisation,
        }
    }
}

impl From<Chosen> for Which {
    fn from(chosen: Chosen) -> Self {
        match chosen {
            Chosen { frame: Some(frame), .. } => Self::Frame(frame),
            Chosen { device: Some(device), .. } => Self::Device(device),
            _ => Self::All,
        }
    }
}
