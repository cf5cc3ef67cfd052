//! What is said of subjects: relations, other names, merged identities, settings.

use clap::Subcommand;
use jiff::Timestamp;

use super::Failure;
use super::admin::Kind;
use crate::admin::Command;

/// What to say of a subject.
#[derive(Subcommand)]
pub(super) enum Act {
    /// Say what another subject is to a subject: its doctor, family, pilot, owner.
    Relate {
        /// Whose doctor it is.
        of: String,
        /// Who the doctor is.
        subject: String,
        /// What it is: any id, such as doctor.
        #[arg(long, value_name = "KIND")]
        kind: String,
        /// From when on (RFC 3339) [default: now].
        #[arg(long, value_name = "TIME")]
        from: Option<Timestamp>,
        /// Until when (RFC 3339) [default: until further notice].
        #[arg(long, value_name = "TIME")]
        until: Option<Timestamp>,
    },
    /// End a relation.
    Unrelate {
        /// Whose it was.
        of: String,
        /// Who it was.
        subject: String,
        /// What it was.
        #[arg(long, value_name = "KIND")]
        kind: String,
        /// When it ended (RFC 3339) [default: now].
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
    },
    /// Give a subject another name, under which devices can be assigned to it and its halo be shown.
    Alias {
        /// The subject's id.
        #[arg(required_unless_present = "remove")]
        subject: Option<String>,
        /// The other name.
        #[arg(required_unless_present = "remove")]
        name: Option<String>,
        /// Take this other name away instead.
        #[arg(long, value_name = "NAME", conflicts_with_all = ["subject", "name"])]
        remove: Option<String>,
    },
    /// Say that two subjects are one: what fed the first feeds the second from now on. It cannot be undone.
    Merge {
        /// The first; its halo stays as it is and says where it went.
        from: String,
        /// The second; what the first knew is not added to it.
        into: String,
    },
    /// Set what a subject is, its time zone, or anything its devices should know.
    Set {
        /// The subject's id.
        subject: String,
        /// What the subject is.
        #[arg(long, value_enum)]
        kind: Option<Kind>,
        /// The zone whose midnight ends its days, e.g. Europe/Berlin [UTC without one].
        #[arg(long, value_name = "ZONE")]
        time_zone: Option<String>,
        /// Settings, e.g. goal=8000; without a value a setting is taken away.
        #[arg(value_name = "NAME=VALUE", required_unless_present_any = ["kind", "time_zone"])]
        settings: Vec<String>,
    },
}

impl Act {
    /// The command, and what is done with it.
    pub(super) fn command(self) -> Result<(Command, String), Failure> {
        let ms = |time: Option<Timestamp>| time.map(Timestamp::as_millisecond);
        Ok(match self {
            Self::Relate { of, subject, kind, from, until } => {
                let done = format!("{subject} is the {kind} of {of}");
                (Command::Relate { of, subject, kind, from_ms: ms(from), until_ms: ms(until) }, done)
            }
            Self::Unrelate { of, subject, kind, at } => {
                let done = format!("{subject} is no {kind} of {of} any more");
                (Command::Unrelate { of, subject, kind, at_ms: ms(at) }, done)
            }
            Self::Alias { remove: Some(name), .. } => {
                let done = format!("{name} is nobody's other name any more");
                (Command::Unalias { name }, done)
            }
            Self::Alias { subject, name, remove: None } => {
                let (subject, name) = (subject.unwrap_or_default(), name.unwrap_or_default());
                let done = format!("{name} is another name of {subject}");
                (Command::Alias { subject, name }, done)
            }
            Self::Merge { from, into } => {
                let done = format!("{from} and {into} are one: {into}");
                (Command::Merge { from, into }, done)
            }
            Self::Set { subject, kind, time_zone, settings } => {
                let mut pairs = settings.iter().map(|setting| pair(setting)).collect::<Result<Vec<_>, _>>()?;
                pairs.extend(time_zone.map(|zone| ("time_zone".to_owned(), Some(zone))));
                let done = format!("{subject} is set");
                (Command::Set { subject, kind: kind.map(Into::into), settings: pairs }, done)
            }
        })
    }
}

/// `name=value`; `name=` takes it away.
fn pair(setting: &str) -> Result<(String, Option<String>), Failure> {
    let (name, value) = setting.split_once('=').ok_or_else(|| format!("{setting:?} is not of the form NAME=VALUE"))?;
    Ok((name.to_owned(), Some(value.to_owned()).filter(|value| !value.is_empty())))
}
