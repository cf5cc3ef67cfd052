//! What can be asked, and what is answered.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::auth::Change;
use crate::record::{Said, SubjectKind};

/// Version of commands and answers; a request of another one is refused.
pub const VERSION: u32 = 1;

/// One line to the gateway.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`VERSION`].
    pub v: u32,
    /// What to do.
    pub command: Command,
}

/// One line from the gateway.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// One of the things asked for.
    Row(Value),
    /// All of it was said or done.
    Done,
    /// It was not done; why, for a human.
    Failed(String),
}

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// One row: how the gateway is.
    Status,
    /// A row for each device.
    Devices,
    /// One row.
    Device {
        /// Its id.
        device: String,
    },
    /// From a time of reading on, a device feeds a subject.
    Assign {
        /// The device.
        device: String,
        /// Whose halo it feeds.
        subject: String,
        /// What the subject is.
        kind: SubjectKind,
        /// Unix milliseconds, inclusive; absent: now.
        from_ms: Option<i64>,
        /// Unix milliseconds, exclusive; absent: until further notice.
        until_ms: Option<i64>,
    },
    /// From a time of reading on, a device feeds nobody but itself.
    Release {
        /// The device.
        device: String,
        /// Unix milliseconds; absent: now.
        at_ms: Option<i64>,
    },
    /// Everything known of a device is forgotten, its token too.
    Forget {
        /// The device.
        device: String,
    },
    /// From a time of reading on, a device feeds what another one fed, and that one feeds nobody but itself.
    Replace {
        /// The device that goes.
        old: String,
        /// The device that comes.
        new: String,
        /// Unix milliseconds; absent: now.
        at_ms: Option<i64>,
    },
    /// One subject is something to another from a time on.
    Relate {
        /// Whose it is.
        of: String,
        /// Who it is.
        subject: String,
        /// What it is.
        kind: String,
        /// Unix milliseconds, inclusive; absent: now.
        from_ms: Option<i64>,
        /// Unix milliseconds, exclusive; absent: until further notice.
        until_ms: Option<i64>,
    },
    /// A relation ends.
    Unrelate {
        /// Whose it was.
        of: String,
        /// Who it was.
        subject: String,
        /// What it was.
        kind: String,
        /// Unix milliseconds; absent: now.
        at_ms: Option<i64>,
    },
    /// A name is another name of a subject.
    Alias {
        /// The subject.
        subject: String,
        /// The other name.
        name: String,
    },
    /// A name is another name of nobody any more.
    Unalias {
        /// The name.
        name: String,
    },
    /// Two subjects proved to be one.
    Merge {
        /// The one that nothing feeds any more.
        from: String,
        /// The one that is left.
        into: String,
    },
    /// What a subject is, or its settings.
    Set {
        /// The subject.
        subject: String,
        /// What it is from now on; absent: as before.
        kind: Option<SubjectKind>,
        /// Names and new values; null takes a setting away.
        settings: Vec<(String, Option<String>)>,
    },
    /// A row for each subject.
    Subjects,
    /// One row: its halo.
    Subject {
        /// Its id.
        subject: String,
    },
    /// A row for each table that is offered.
    Offers,
    /// One row: a table with its rows.
    Offer {
        /// Whose.
        organisation: String,
        /// Which.
        table: String,
        /// How many of its rows; absent: all.
        rows: Option<usize>,
    },
    /// A table is put in force.
    LoadOffers {
        /// Whose.
        organisation: String,
        /// Which.
        table: String,
        /// CSV or JSON.
        payload: String,
    },
    /// A table is taken out of force.
    WithdrawOffers {
        /// Whose.
        organisation: String,
        /// Which.
        table: String,
    },
    /// A row for each quarantined frame.
    Quarantine,
    /// One row.
    Quarantined {
        /// Where it was stored.
        frame: u64,
    },
    /// Quarantined frames are read again; a row says how many.
    Replay(Which),
    /// Quarantined frames are given up; a row says how many.
    Discard(Which),
    /// A row for each upstream.
    Upstreams,
    /// An upstream is held back, or let go again.
    Hold {
        /// Its name.
        upstream: String,
        /// Held, or let go.
        held: bool,
    },
    /// A row for each run of frames that were lost, given up or in doubt, the oldest first.
    Losses,
    /// A row for each rule: how it is, and what became of its sparks.
    Rules,
    /// A rule is put in force, or replaces one that was given this way; a row says its name and where it stands.
    AddRule {
        /// Its TOML text.
        text: String,
    },
    /// A rule that was given this way is taken away.
    RemoveRule {
        /// Its name.
        rule: String,
    },
    /// A rule that is quiet or fenced off is tried anew, and judged by its answers from now on.
    ResumeRule {
        /// Its name.
        rule: String,
    },
    /// A row for each spark: the open ones, or all that are known.
    Sparks {
        /// Of one subject; absent: of all.
        subject: Option<String>,
        /// Ended ones too.
        all: bool,
    },
    /// A subject answers a spark.
    AnswerSpark {
        /// Whose spark it is.
        subject: String,
        /// What is said.
        said: Said,
    },
    /// A row for each cohort: what is published of it, and what holds back anything newer.
    Cohorts,
    /// A row for each existing broker that is read from.
    Sources,
    /// The data folder as it is now is copied; a row about the copy.
    Backup {
        /// A folder that does not exist yet, absolute.
        to: PathBuf,
    },
    /// The wall clock is right, however far it jumped: deletion by age goes on.
    ConfirmClock,
    /// A row for each person's account and each device's token.
    Users,
    /// A row for each role.
    Roles,
    /// Changes the accounts; a new token is a row.
    Accounts(Change),
}

impl Command {
    /// Whether it changes something in more than one step: once begun, it is done to its end, whoever still waits for it.
    pub(super) fn is_act(&self) -> bool {
        use Command as C;
        match self {
            C::Assign { .. } | C::Release { .. } | C::Forget { .. } | C::Hold { .. } | C::Accounts(_) => true,
            C::Replay(_) | C::Discard(_) | C::Replace { .. } | C::Relate { .. } | C::Unrelate { .. } => true,
            C::LoadOffers { .. } | C::WithdrawOffers { .. } => true,
            C::Alias { .. } | C::Unalias { .. } | C::Merge { .. } | C::Set { .. } => true,
            C::AddRule { .. } | C::RemoveRule { .. } | C::ResumeRule { .. } | C::AnswerSpark { .. } => true,
            C::Rules | C::Sparks { .. } | C::Cohorts => false,
            C::Status | C::Devices | C::Device { .. } | C::Subjects | C::Subject { .. } | C::Quarantine => false,
            C::Offers | C::Offer { .. } => false,
            C::Quarantined { .. } | C::Upstreams | C::Losses | C::Sources | C::Users | C::Roles => false,
            // A backup has its own thread, a confirmation one step.
            C::Backup { .. } | C::ConfirmClock => false,
        }
    }
}

/// Which quarantined frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// The one stored there.
    Frame(u64),
    /// Those of one device.
    Device(String),
    /// All.
    All,
}
