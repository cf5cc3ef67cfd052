//! What administrators say: acts, each on the record.

use serde::{Deserialize, Serialize};

use super::{Assignment, Offset, SubjectKind};

/// An administrative act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Who did it: an account's name, or `local` for whoever may open the administration socket.
    pub by: String,
    /// What was done.
    pub deed: Deed,
}

/// What an administrator did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// A device feeds a subject; it ends what was in force for the device from then on.
    Assign(Assignment),
    /// A device feeds nobody but itself from this Unix time on, milliseconds.
    Release {
        /// The device.
        device: String,
        /// From when.
        at_ms: i64,
    },
    /// Everything known of a device is forgotten: births, sequences, clocks, presence. Its readings stay where they went.
    Forget {
        /// The device.
        device: String,
    },
    /// A quarantined frame is given up.
    Discard {
        /// Where it was stored.
        frame: Offset,
    },
    /// An upstream is held back, or let go again.
    Hold {
        /// Its name.
        upstream: String,
        /// Held, or let go.
        held: bool,
    },
    /// Who may connect, or what they may do, is changed; no secret is ever told. It is durable before the change is made.
    Account {
        /// The user, role or device.
        name: String,
        /// What is changed.
        change: AccountChange,
    },
    /// A device takes another's place: what the other was to feed from then on, it feeds, and the other feeds nobody
    /// but itself.
    Replace {
        /// The device that goes.
        old: String,
        /// The device that comes.
        new: String,
        /// From when, Unix milliseconds.
        at_ms: i64,
    },
    /// One subject is something to another.
    Relate(Relation),
    /// A relation ends.
    Unrelate {
        /// As in [`Relation`].
        of: String,
        /// As in [`Relation`].
        subject: String,
        /// As in [`Relation`].
        kind: String,
        /// When, Unix milliseconds.
        at_ms: i64,
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
    /// Two subjects proved to be one: what is assigned to the first feeds the second from this record on.
    Merge {
        /// The first.
        from: String,
        /// The second.
        into: String,
    },
    /// What a subject is, or its settings.
    Set {
        /// The subject.
        subject: String,
        /// What it is from now on; `None` = as before.
        kind: Option<SubjectKind>,
        /// Names and new values; `None` takes a setting away.
        settings: Vec<(String, Option<String>)>,
    },
    /// A rule is put in force, replaced or taken away; rules of the configuration are not told of here.
    Rule {
        /// Its name.
        name: String,
        /// Its TOML text; `None` takes it away.
        text: Option<String>,
    },
    /// A rule that fell quiet or was fenced off is tried anew, and judged by its answers from now on.
    Resume {
        /// Its name.
        rule: String,
    },
}

/// `subject` is the `kind` of `of`, from (inclusive) until (exclusive) a time: bert is the doctor of anna.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// Whose it is.
    pub of: String,
    /// Who it is.
    pub subject: String,
    /// What it is: `doctor`, `family`, `owner`, any id.
    pub kind: String,
    /// Unix milliseconds, inclusive; `None` = since ever.
    pub from_ms: Option<i64>,
    /// Unix milliseconds, exclusive; `None` = until further notice.
    pub until_ms: Option<i64>,
}

/// What is changed about an account or a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountChange {
    /// A user is made, or changed where something is said.
    User {
        /// It gets a password.
        password: bool,
        /// Its roles from now on.
        roles: Option<Vec<String>>,
        /// What it is granted beside them from now on, as in [`AccountChange::Role`].
        may: Option<Vec<String>>,
    },
    /// A user is removed.
    UserRemoved,
    /// A role is made or replaced.
    Role {
        /// What it grants: `publish FILTER`, `subscribe FILTER`, `devices PREFIX`.
        may: Vec<String>,
    },
    /// A role is removed.
    RoleRemoved,
    /// A device gets a new token; the old one ends.
    Token,
    /// A device's token ends.
    TokenRemoved,
    /// The change told last could not be made: everything is as it was before.
    NotMade,
}
