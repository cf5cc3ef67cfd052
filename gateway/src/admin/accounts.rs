//! The accounts of a running gateway, changed in one place and one at a time.

use std::path::PathBuf;

use tokio::sync::Mutex;
use tracing::info;

use super::desk::Refusal;
use crate::auth::{self, Accounts, AccountsPolicy, Change};
use crate::broker::{Policy, Router};

/// Changes the accounts: the file first, then who may do what, then who is still connected.
pub struct AccountsDesk {
    policy: AccountsPolicy,
    router: Router,
    file: PathBuf,
    turn: Mutex<()>,
}

impl AccountsDesk {
    /// `file` is what `policy` was made of.
    pub fn new(policy: AccountsPolicy, router: Router, file: PathBuf) -> Self {
        Self { policy, router, file, turn: Mutex::default() }
    }

    pub(super) fn accounts(&self) -> Accounts {
        self.policy.book().accounts().clone()
    }

    pub(super) fn has_token(&self, device: &str) -> bool {
        self.policy.book().accounts().device.contains_key(device)
    }

    /// Makes one change; a new token comes back. Sessions that the change concerns have been told to end by then.
    pub(super) async fn change(&self, change: Change) -> Result<Option<String>, Refusal> {
        let _turn = self.turn.lock().await;
        let what = format!("{change:?}");
        let (mut accounts, file) = (self.accounts(), self.file.clone());
        let written = tokio::task::spawn_blocking(move || {
            let token = change.make(&mut accounts)?;
            auth::write(&file, &accounts).map_err(|error| error.to_string())?;
            Ok::<_, String>((accounts, token))
        });
        let (accounts, token) = written.await.map_err(|_| Refusal::from("the change was not made"))??;
        self.policy.replace(accounts);
        let ended = self.router.end_sessions(|principal| !self.policy.holds(principal));
        info!(change = what, sessions_ended = ended, "accounts changed");
        Ok(token)
    }
}
