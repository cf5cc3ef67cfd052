//! The broker's policy: accounts where there are any, anonymous clients where only this machine reaches.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use halo_proto::topic::Grammar;
use tokio::sync::Semaphore;

use super::accounts::Accounts;
use super::book::{Book, Entry};
use super::secret::{digest, is_password};
use crate::broker::reason::{BAD_LOGIN, NOT_AUTHORIZED, SERVER_BUSY};
use crate::broker::{ConnectRequest, Pending, Policy, Principal};
use crate::ingest::policy::LoopbackPolicy;
use crate::metrics::Metrics;

/// Passwords checked at once: each takes 19 MB and about 35 ms of a core.
const CHECKS_MAX: usize = 2;
/// Passwords that wait for their check: at 35 ms and two at a time, the last of them waits about a second.
const CHECKS_WAITING_MAX: usize = 64;
/// How long a wrong answer keeps its connection: guessing costs a connection a second.
const WRONG_PAUSE: Duration = Duration::from_secs(1);

/// Clones share the accounts.
#[derive(Clone)]
pub struct AccountsPolicy(Arc<Shared>);

struct Shared {
    open: LoopbackPolicy,
    /// Nobody is anonymous.
    required: bool,
    book: RwLock<Arc<Book>>,
    waiting: Arc<Semaphore>,
    running: Arc<Semaphore>,
    wrong_pause: Duration,
    metrics: Arc<Metrics>,
}

type Answer = Result<Principal, u8>;

impl AccountsPolicy {
    /// `required`: nobody is anonymous, on loopback neither.
    pub fn new(grammar: Grammar, accounts: Accounts, required: bool, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Shared {
            open: LoopbackPolicy::new(grammar),
            required,
            book: RwLock::new(Arc::new(Book::new(accounts, grammar.root()))),
            waiting: Arc::new(Semaphore::new(CHECKS_MAX + CHECKS_WAITING_MAX)),
            running: Arc::new(Semaphore::new(CHECKS_MAX)),
            wrong_pause: WRONG_PAUSE,
            metrics,
        }))
    }

    /// The accounts in force.
    pub fn book(&self) -> Arc<Book> {
        Arc::clone(&self.0.book.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other accounts in force. Whoever calls ends the sessions for which [`Policy::holds`] has become false.
    pub fn replace(&self, accounts: Accounts) {
        let mut book = self.0.book.write().unwrap_or_else(PoisonError::into_inner);
        *book = Arc::new(book.revised(accounts));
    }

    fn allows(&self, principal: &Principal, may: impl FnOnce(&Entry) -> bool) -> bool {
        let Some(grant) = principal.grant else { return self.may_be_anonymous(&principal.name) };
        self.book().entry(&principal.name).is_some_and(|entry| entry.grant == grant && may(entry))
    }

    /// Who has an account is never taken for somebody without one.
    fn may_be_anonymous(&self, name: &str) -> bool {
        self.book().entry(name).is_none()
    }

    /// A client that gives no password: let in under no name and no client id that is an account's, or not at all.
    fn anonymous(&self, request: &ConnectRequest<'_>) -> Answer {
        let name = request.username.filter(|name| !name.is_empty());
        if request.local && !self.0.required {
            let is_free =
                self.may_be_anonymous(request.client_id) && name.is_none_or(|name| self.may_be_anonymous(name));
            return if is_free { Ok(Principal::anonymous(name.unwrap_or(request.client_id))) } else { Err(BAD_LOGIN) };
        }
        Err(if name.is_some() { BAD_LOGIN } else { NOT_AUTHORIZED })
    }

    fn let_in(&self, name: &Arc<str>, grant: u64) -> Answer {
        self.0.metrics.auth_logins_total.add(1);
        Ok(Principal { name: Arc::clone(name), grant: Some(grant) })
    }

    async fn wrong(self, code: u8) -> Answer {
        self.0.metrics.auth_failures_total.add(1);
        tokio::time::sleep(self.0.wrong_pause).await;
        Err(code)
    }

    /// Off the runtime, two at a time. The permits go along, so that a client that leaves frees no core it still uses.
    async fn check_password(self, name: Arc<str>, password: Vec<u8>) -> Answer {
        let known = self.book().entry(&name).map(|entry| (entry.grant, entry.password.clone()));
        let (grant, hash) = known.unwrap_or_default();
        let Ok(place) = Arc::clone(&self.0.waiting).try_acquire_owned() else {
            self.0.metrics.auth_failures_total.add(1);
            return Err(SERVER_BUSY);
        };
        let Ok(turn) = Arc::clone(&self.0.running).acquire_owned().await else { return Err(SERVER_BUSY) };
        let checked = tokio::task::spawn_blocking(move || {
            let right = is_password(&password, hash.as_deref());
            drop((place, turn));
            right
        });
        match checked.await {
            Ok(true) => self.let_in(&name, grant),
            _ => self.wrong(BAD_LOGIN).await,
        }
    }
}

impl Policy for AccountsPolicy {
    fn connect(&self, request: &ConnectRequest<'_>) -> Pending<'static, Answer> {
        let policy = self.clone();
        let Some(password) = request.password.filter(|password| !password.is_empty()) else {
            let answer = self.anonymous(request);
            return Box::pin(async move {
                match answer {
                    Err(code) => policy.wrong(code).await,
                    answer => answer,
                }
            });
        };
        let book = self.book();
        let ready = |answer: Answer| -> Pending<'static, Answer> { Box::pin(std::future::ready(answer)) };
        if book.accounts().is_empty() && request.local && !self.0.required {
            return self.0.open.connect(request);
        }
        if let Some((device, entry)) = book.token(&digest(password))
            && request.username.is_none_or(|name| name == &**device)
        {
            return ready(self.let_in(device, entry.grant));
        }
        let name: Arc<str> = request.username.unwrap_or_default().into();
        if book.entry(&name).is_some_and(|entry| entry.password.is_none()) {
            return Box::pin(policy.wrong(BAD_LOGIN));
        }
        Box::pin(policy.check_password(name, password.to_vec()))
    }

    fn holds(&self, principal: &Principal) -> bool {
        self.allows(principal, |_| true)
    }

    fn publish(&self, principal: &Principal, topic: &str) -> Result<(), u8> {
        let is_allowed = match principal.grant {
            Some(_) => self.allows(principal, |entry| entry.rights.may_publish(topic)),
            None => !self.book().is_of_an_account(topic),
        };
        if is_allowed { self.0.open.publish(principal, topic) } else { Err(NOT_AUTHORIZED) }
    }

    fn subscribe(&self, principal: &Principal, filter: &str) -> Result<(), u8> {
        if self.allows(principal, |entry| entry.rights.may_subscribe(filter)) { Ok(()) } else { Err(NOT_AUTHORIZED) }
    }

    fn deliver(&self, principal: &Principal, topic: &str) -> bool {
        // A session under a name that has become an account's is ended by `holds`; no delivery needs to ask for it.
        principal.grant.is_none() || self.allows(principal, |entry| entry.rights.may_receive(topic))
    }
}

#[cfg(test)]
mod tests;
