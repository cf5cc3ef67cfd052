//! What the desk needs of stages that it does not know. Each method not overridden says "not available".

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::forward::owned::Asker;
use crate::record::{Frame, Offset};
use crate::store::head::Head;

/// The rest of the gateway, as the desk sees it.
pub trait Parts: Send + Sync + 'static {
    /// How full the data folder is.
    fn disk(&self) -> Option<Disk> {
        None
    }

    /// The wall clock is right after all: what is deleted by age may be deleted again.
    fn confirm_clock(&self) {}

    /// A row for each existing broker that is read from.
    fn sources(&self) -> Vec<Value> {
        Vec::new()
    }

    /// Every upstream.
    fn upstreams(&self) -> Option<Vec<Upstream>> {
        None
    }

    /// Holds an upstream back or lets it go; its `Act` is durable already.
    fn hold(&self, upstream: &str, held: bool) {
        let _unused = (upstream, held);
    }

    /// What is in quarantine, oldest first; asked on the log's thread, so quick.
    fn quarantine(&self, head: &Head) -> Option<Vec<Held>> {
        let _unused = head;
        None
    }

    /// Whom to ask about rules.
    #[expect(private_interfaces, reason = "whoever implements it outside of this crate has no rules")]
    fn rules(&self) -> Option<Asker> {
        None
    }

    /// Copies the data folder as it is now; a row about the copy. Takes as long as it takes.
    ///
    /// # Errors
    /// Why there is none, for a human.
    fn backup(&self, to: &Path) -> Result<Value, String> {
        Err(format!("backups to {} are not available in this gateway", to.display()))
    }
}

/// Nothing is wired.
pub struct NoParts;

impl Parts for NoParts {}

/// How full the data folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Bytes it takes.
    pub used: u64,
    /// Bytes it may take.
    pub max: u64,
    /// `calm`, `warn`, `shed` or `refuse`.
    pub mark: &'static str,
    /// How long what is left lasts at the present rate; `None` = it does not fill.
    pub left: Option<Duration>,
}

/// One upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// What it does, in a word: `flowing`, `held`, `down` …
    pub state: String,
    /// Age of the oldest frame it has not confirmed, milliseconds.
    pub lag_ms: u64,
    /// Frames forwarded and confirmed.
    pub forwarded: u64,
    /// Frames not forwarded yet.
    pub pending: u64,
    /// Anything else worth showing; an object.
    pub more: Value,
}

/// One quarantined frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Where it was stored.
    pub offset: Offset,
    /// What is wrong, for a human.
    pub reason: String,
    /// How often it was read in vain.
    pub attempts: u32,
    /// Since when, Unix milliseconds.
    pub since_ms: i64,
    /// The frame, bytes and all.
    pub frame: Frame,
}
