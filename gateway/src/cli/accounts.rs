//! Accounts: through the running gateway, or, when none runs, in the file itself under the folder's lock.

use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command as Program, ExitCode, Stdio};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use super::client::Target;
use super::table::print;
use crate::admin::{self, Command};
use crate::auth::{self, ACCOUNTS_FILE, Accounts, Change, Filter, Grants, Password, Prefix};
use crate::store::LOG_FOLDER;
use crate::store::fs::{Disk, Fs};
use crate::terminal::{complain, prompt, say};

/// `passwd USER`.
#[derive(Args)]
pub(super) struct Passwd {
    /// The user's name; made if there is none.
    user: String,
    #[command(flatten)]
    granted: Granted,
    #[command(flatten)]
    place: Place,
}

/// What is granted; what is not said stays as it is.
#[derive(Args)]
struct Granted {
    /// A role; say it again for more. Replaces the roles so far.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    #[command(flatten)]
    may: May,
}

/// What an account or a role may do.
#[derive(Args)]
pub(super) struct May {
    /// A topic filter it may publish to; say it again for more.
    #[arg(long, value_name = "FILTER", value_parser = filter)]
    publish: Vec<Filter>,
    /// A topic filter it may subscribe with; say it again for more.
    #[arg(long, value_name = "FILTER", value_parser = filter)]
    subscribe: Vec<Filter>,
    /// Devices it speaks for, by how their ids begin (for bridges); say it again for more.
    #[arg(long = "devices", value_name = "PREFIX", value_parser = prefix)]
    devices: Vec<Prefix>,
}

/// Where the accounts are.
#[derive(Args)]
struct Place {
    #[command(flatten)]
    target: Target,
    /// File of the accounts, if not the data folder's; only needed while no gateway runs.
    #[arg(long, value_name = "FILE", global = true, display_order = 82)]
    accounts: Option<PathBuf>,
    /// Make the data folder if there is none yet: accounts for a gateway that is still to be started.
    #[arg(long, global = true, display_order = 83)]
    create: bool,
}

/// As [`Place`], of a command that has its target from elsewhere.
#[derive(Clone, Copy)]
pub(super) struct Where<'a> {
    pub(super) target: &'a Target,
    pub(super) file: Option<&'a Path>,
    pub(super) create: bool,
}

impl Place {
    fn at(&self) -> Where<'_> {
        Where { target: &self.target, file: self.accounts.as_deref(), create: self.create }
    }
}

/// `user …`.
#[derive(Args)]
pub(super) struct Users {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: User,
}

#[derive(Subcommand)]
enum User {
    /// All accounts, without their secrets.
    List,
    /// Change what a user may do; the password stays.
    Grant {
        /// The user's name.
        user: String,
        #[command(flatten)]
        granted: Granted,
    },
    /// Remove a user; open sessions end at once.
    Remove {
        /// The user's name.
        user: String,
    },
}

/// `role …`.
#[derive(Args)]
pub(super) struct Roles {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Role,
}

#[derive(Subcommand)]
enum Role {
    /// All roles and what they grant.
    List,
    /// Make a role, or replace what it grants.
    Set {
        /// Its name.
        role: String,
        #[command(flatten)]
        may: May,
    },
    /// Remove a role nobody has.
    Remove {
        /// Its name.
        role: String,
    },
}

pub(super) fn passwd(args: Passwd) -> Result<ExitCode, Failure> {
    let Passwd { user, granted, place } = args;
    let password = Some(Password(read_password(&user)?));
    let Granted { roles, may } = granted;
    let (roles, may) = (said(roles), may.said());
    let change = Change::User { name: user.clone(), password, roles, may };
    change_with(place.at(), change)?;
    done(&place.target, json!({"user": user}), &format!("the password of {user} is set"));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn users(args: Users) -> Result<ExitCode, Failure> {
    let Users { place, command } = args;
    let (target, at) = (&place.target, place.at());
    match command {
        User::List => {
            let rows = list(at, Command::Users, admin::users)?;
            let nothing = "no accounts: whoever is on this machine may connect, nobody else can";
            print(&rows, target.json, &["user", "kind", "roles", "publish", "subscribe", "devices"], nothing);
        }
        User::Grant { user, granted: Granted { roles, may } } => {
            let change = Change::User { name: user.clone(), password: None, roles: said(roles), may: may.said() };
            change_with(at, change)?;
            done(target, json!({"user": user}), &format!("what {user} may do is set"));
        }
        User::Remove { user } => {
            change_with(at, Change::RemoveUser { name: user.clone() })?;
            done(target, json!({"removed": user}), &format!("{user} is removed"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn roles(args: Roles) -> Result<ExitCode, Failure> {
    let Roles { place, command } = args;
    let (target, at) = (&place.target, place.at());
    match command {
        Role::List => {
            let rows = list(at, Command::Roles, admin::roles)?;
            print(&rows, target.json, &["role", "publish", "subscribe", "devices"], "no roles");
        }
        Role::Set { role, may } => {
            change_with(at, Change::Role { name: role.clone(), may: may.into() })?;
            done(target, json!({"role": role}), &format!("role {role} is set"));
        }
        Role::Remove { role } => {
            change_with(at, Change::RemoveRole { name: role.clone() })?;
            done(target, json!({"removed": role}), &format!("role {role} is removed"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `device token`: prints the token, the only time it is seen.
pub(super) fn change_token(at: Where<'_>, change: Change) -> Result<(), Failure> {
    let as_json = at.target.json;
    match change_with(at, change)? {
        Some(token) if as_json => say(json!({"token": token})),
        Some(token) => {
            complain("the password of the device, shown only now; its user name is its id:");
            say(token)
        }
        None => say(if as_json { "{}" } else { "the token is taken away" }),
    };
    Ok(())
}

/// Through the gateway if one runs, else in the file; a new token comes back.
fn change_with(at: Where<'_>, change: Change) -> Result<Option<String>, Failure> {
    let Where { target, create, .. } = at;
    if running(target)? {
        let rows = target.ask(Command::Accounts(change))?;
        return Ok(rows.first().and_then(|row| row["token"].as_str()).map(str::to_owned));
    }
    if !create {
        check_data_folder(&target.data_dir)?;
    }
    // Held until the file is written, so that no gateway starts with the old one meanwhile.
    let log = target.data_dir.join(LOG_FOLDER);
    Disk.create_dir(&target.data_dir).and_then(|()| Disk.create_dir(&log))?;
    let _lock = Disk.lock(&log.join("lock")).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => {
            format!("{} is in use by another process, which does not answer yet: try again", target.data_dir.display())
        }
        _ => format!("{}: {error}", log.display()),
    })?;
    let path = accounts_path(at);
    let mut accounts = auth::read(&path)?;
    let token = change.make(&mut accounts)?;
    auth::write(&path, &accounts)?;
    Ok(token)
}

/// A folder whose name was mistyped gets no accounts, which no gateway would ever read.
fn check_data_folder(folder: &Path) -> Result<(), Failure> {
    if folder.join(LOG_FOLDER).is_dir() || folder.join(ACCOUNTS_FILE).exists() {
        return Ok(());
    }
    let (folder, is) =
        (folder.display(), if folder.exists() { "is no data folder of a gateway" } else { "is not there" });
    Err(format!(
        "{folder} {is}: name the data folder with --data-dir, or, before the first start of a gateway, have it made with \
         --create"
    )
    .into())
}

fn running(target: &Target) -> Result<bool, Failure> {
    Ok(target.try_ask(Command::Roles)?.is_some())
}

fn list(at: Where<'_>, command: Command, rows: fn(&Accounts) -> Vec<Value>) -> Result<Vec<Value>, Failure> {
    if let Some(rows) = at.target.try_ask(command)? {
        return Ok(rows);
    }
    if at.file.is_none() {
        check_data_folder(&at.target.data_dir)?;
    }
    Ok(rows(&auth::read(&accounts_path(at))?))
}

fn accounts_path(at: Where<'_>) -> PathBuf {
    at.file.map_or_else(|| at.target.data_dir.join(ACCOUNTS_FILE), Path::to_owned)
}

fn done(target: &Target, row: Value, words: &str) {
    if target.json {
        say(row)
    } else {
        say(words)
    };
}

/// Asked twice without showing it on a terminal; else the first line of stdin.
fn read_password(user: &str) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return line();
    }
    prompt(format_args!("password for {user}: "));
    let first = unseen(line)?;
    prompt("\nonce more: ");
    let second = unseen(line)?;
    complain("");
    if first == second { Ok(first) } else { Err("the two are not the same".into()) }
}

fn line() -> Result<String, Failure> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Without `stty` it is seen; better than no password.
fn unseen<T>(read: impl FnOnce() -> T) -> T {
    let echo = |on: &str| drop(Program::new("stty").arg(on).stderr(Stdio::null()).status());
    echo("-echo");
    let read = read();
    echo("echo");
    read
}

fn filter(text: &str) -> Result<Filter, String> {
    Filter::try_from(text.to_owned())
}

fn prefix(text: &str) -> Result<Prefix, String> {
    Prefix::try_from(text.to_owned())
}

fn said<T>(all: Vec<T>) -> Option<Vec<T>> {
    (!all.is_empty()).then_some(all)
}

impl May {
    fn said(self) -> Option<Grants> {
        let grants = Grants::from(self);
        (grants != Grants::default()).then_some(grants)
    }
}

impl From<May> for Grants {
    fn from(may: May) -> Self {
        let May { publish, subscribe, devices } = may;
        Self { publish, subscribe, devices }
    }
}
