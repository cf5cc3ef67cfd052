//! The accounts of a running gateway, changed in one place and one at a time.

use std::path::PathBuf;

use tokio::sync::Mutex;
use tracing::info;

use super::desk::{BY, Refusal};
use crate::auth::{self, Accounts, AccountsPolicy, Change};
use crate::broker::{Policy, Router};
use crate::record::{AccountChange, Act, Body, Deed, Offset};
use crate::store::inlet::{AppendError, Appender};

/// Changes the accounts: the log first, then the file, then who may do what, then who is still connected.
pub struct AccountsDesk {
    policy: AccountsPolicy,
    router: Router,
    appender: Appender,
    file: PathBuf,
    turn: Mutex<()>,
}

impl AccountsDesk {
    /// `file` is what `policy` was made of.
    pub fn new(policy: AccountsPolicy, router: Router, appender: Appender, file: PathBuf) -> Self {
        Self { policy, router, appender, file, turn: Mutex::default() }
    }

    pub(super) fn accounts(&self) -> Accounts {
        self.policy.book().accounts().clone()
    }

    pub(super) fn has_token(&self, device: &str) -> bool {
        self.policy.book().accounts().device.contains_key(device)
    }

    /// Makes one change; a new token comes back. Sessions that the change concerns have been told to end by then. To be
    /// polled to its end: dropped halfway, it leaves a record or a file of what is not in force.
    pub(super) async fn change(&self, change: Change) -> Result<Option<String>, Refusal> {
        let _turn = self.turn.lock().await;
        let (what, deed) = (change.to_string(), change.deed());
        let mut accounts = self.accounts();
        // Off the runtime: a password is hashed here.
        let made = tokio::task::spawn_blocking(move || change.make(&mut accounts).map(|token| (accounts, token)));
        let (accounts, token) = made.await.map_err(|_| Refusal::from("the change was not made"))??;
        self.tell(deed.clone()).await?;
        let (file, writing) = (self.file.clone(), accounts.clone());
        let written = tokio::task::spawn_blocking(move || auth::write(&file, &writing).map_err(|it| it.to_string()));
        if let Err(why) = written.await.unwrap_or_else(|_| Err("the file was not written".to_owned())) {
            if let Deed::Account { name, .. } = deed {
                self.tell(Deed::Account { name, change: AccountChange::NotMade }).await?;
            }
            return Err(why.into());
        }
        self.policy.replace(accounts);
        let ended = self.router.end_sessions(|principal| !self.policy.holds(principal));
        info!(change = what, sessions_ended = ended, "accounts changed");
        Ok(token)
    }

    async fn tell(&self, deed: Deed) -> Result<Offset, AppendError> {
        self.appender.append(Body::Act(Act { by: BY.to_owned(), deed }).into()).await
    }
}
