//! What each command does.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use halo_proto::topic::{Grammar, id_is_valid};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::accounts::AccountsDesk;
use super::command::{Command, Which};
use super::pace::Pace;
use super::parts::{Held, Parts};
use super::rows;
use crate::auth::Change;
use crate::broker::{OwnedTopics, Router};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::record::{Act, Assignment, Body, Deed, GatewayTime, Name, Offset, Relation};
use crate::store::Durable;
use crate::store::head::Head;
use crate::store::inlet::{AppendError, Appender};

/// Whoever may open the socket.
pub(super) const BY: &str = "local";
pub(super) const NOT_AVAILABLE: &str = "not available in this gateway";

/// Why a command was not done, for a human.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

impl From<&str> for Refusal {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Refusal {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        Self(error.to_string())
    }
}

/// What a desk works with.
pub struct Tools {
    /// The gateway's id.
    pub gateway_id: String,
    /// Where it listens, as URLs.
    pub listens: Vec<String>,
    /// The grammar of its topics.
    pub grammar: Grammar,
    /// Gateway time.
    pub clock: Clock,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Writes acts, and asks the head.
    pub appender: Appender,
    /// How far the log is durable.
    pub durable: Arc<Durable>,
    /// The last folded record.
    pub folded: Arc<AtomicU64>,
    /// Subscribers.
    pub router: Router,
    /// Renders halos and health.
    pub owned: Arc<dyn OwnedTopics>,
    /// Who may connect.
    pub accounts: AccountsDesk,
    /// Everything else.
    pub parts: Arc<dyn Parts>,
}

/// Does what is asked.
pub struct Desk {
    pub(super) tools: Tools,
    pub(super) pace: Pace,
    pub(super) started: GatewayTime,
    /// One act at a time from its check until it shows, so that two opposite ones never end opposed.
    pub(super) acting: Mutex<()>,
}

impl Desk {
    /// Of a gateway that starts now.
    pub fn new(tools: Tools) -> Self {
        let started = tools.clock.now();
        let desk = Self { tools, pace: Pace::default(), started, acting: Mutex::default() };
        desk.note_pace();
        desk
    }

    /// Does one thing; the rows of its answer. What [`Command::is_act`] is to be polled to its end.
    ///
    /// # Errors
    /// [`Refusal`]: nothing was done, or it does not show.
    pub async fn answer(&self, command: Command) -> Result<Vec<Value>, Refusal> {
        match command {
            Command::Status => Ok(vec![self.status().await?]),
            Command::Devices => self.devices().await,
            Command::Device { device } => self.device(device).await,
            Command::Assign { device, subject, kind, from_ms, until_ms } => {
                let from_ms = Some(from_ms.unwrap_or_else(|| self.now_ms()));
                self.checked(Deed::Assign(Assignment { device, subject, kind, from_ms, until_ms })).await
            }
            Command::Replace { old, new, at_ms } => {
                let at_ms = at_ms.unwrap_or_else(|| self.now_ms());
                self.checked(Deed::Replace { old, new, at_ms }).await
            }
            Command::Relate { of, subject, kind, from_ms, until_ms } => {
                let from_ms = Some(from_ms.unwrap_or_else(|| self.now_ms()));
                self.checked(Deed::Relate(Relation { of, subject, kind, from_ms, until_ms })).await
            }
            Command::Unrelate { of, subject, kind, at_ms } => {
                let at_ms = at_ms.unwrap_or_else(|| self.now_ms());
                self.checked(Deed::Unrelate { of, subject, kind, at_ms }).await
            }
            Command::Alias { subject, name } => self.checked(Deed::Alias { subject, name }).await,
            Command::Unalias { name } => self.checked(Deed::Unalias { name }).await,
            Command::Merge { from, into } => self.checked(Deed::Merge { from, into }).await,
            Command::Set { subject, kind, settings } => self.checked(Deed::Set { subject, kind, settings }).await,
            Command::Release { device, at_ms } => {
                check_id("device", &device)?;
                let _acting = self.acting.lock().await;
                let at_ms = at_ms.unwrap_or_else(|| self.now_ms());
                self.act(Deed::Release { device, at_ms }).await
            }
            Command::Forget { device } => self.forget(device).await,
            Command::Subjects => Ok(self.halos("+").await.iter().map(rows::subject).collect()),
            Command::Subject { subject } => {
                check_id("subject", &subject)?;
                let mut halos = self.halos(&subject).await;
                if halos.is_empty() {
                    halos = self.halos(&self.meant(&subject).await?).await;
                }
                if halos.is_empty() { Err(format!("there is no subject {subject:?}").into()) } else { Ok(halos) }
            }
            Command::Offers => self.offers().await,
            Command::Offer { organisation, table, rows } => self.offer(&organisation, &table, rows).await,
            Command::LoadOffers { organisation, table, payload } => {
                self.load_offers(&organisation, &table, payload).await
            }
            Command::WithdrawOffers { organisation, table } => self.withdraw_offers(&organisation, &table).await,
            Command::Quarantine => Ok(self.held().await?.iter().map(rows::held).collect()),
            Command::Quarantined { frame } => {
                Ok(self.chosen(&Which::Frame(frame)).await?.iter().map(rows::held_whole).collect())
            }
            Command::Replay(which) => self.replay(&which).await,
            Command::Discard(which) => self.discard(&which).await,
            Command::Upstreams => Ok(self.upstreams()?.iter().map(rows::upstream).collect()),
            Command::Hold { upstream, held } => self.hold(upstream, held).await,
            Command::Losses => {
                let losses = |head: &Head| head.ingest().losses().map(rows::loss).collect();
                Ok(self.tools.appender.ask(losses).await?)
            }
            Command::Rules => self.rules().await,
            Command::AddRule { text } => self.add_rule(text).await,
            Command::RemoveRule { rule } => self.remove_rule(rule).await,
            Command::ResumeRule { rule } => self.resume_rule(rule).await,
            Command::Sparks { subject, all } => self.sparks(subject, all).await,
            Command::AnswerSpark { subject, said } => self.answer_spark(subject, said).await,
            Command::Cohorts => self.cohorts().await,
            Command::Sources => Ok(self.tools.parts.sources()),
            Command::Backup { to } => self.backup(to).await,
            Command::ConfirmClock => {
                self.tools.parts.confirm_clock();
                Ok(vec![json!({"clock": rows::time(self.now_ms()), "confirmed": true})])
            }
            Command::Users => Ok(rows::users(&self.tools.accounts.accounts())),
            Command::Roles => Ok(rows::roles(&self.tools.accounts.accounts())),
            Command::Accounts(change) => {
                let token = self.tools.accounts.change(change).await?;
                Ok(token.into_iter().map(|token| json!({"token": token})).collect())
            }
        }
    }

    fn now_ms(&self) -> i64 {
        self.tools.clock.now().wall_ms
    }

    /// Appends an act; a row says where it stands once it is durable.
    pub(super) async fn act(&self, deed: Deed) -> Result<Vec<Value>, Refusal> {
        let act = Body::Act(Act { by: BY.to_owned(), deed });
        let offset = self.tools.appender.append(act.into()).await?;
        Ok(vec![json!({"offset": offset.0})])
    }

    async fn devices(&self) -> Result<Vec<Value>, Refusal> {
        let now_ms = self.now_ms();
        let all = self.tools.appender.ask(move |head| head.ingest.all_known(now_ms)).await?;
        Ok(all.iter().map(|known| rows::device(known, self.tools.accounts.has_token(&known.device))).collect())
    }

    async fn device(&self, device: String) -> Result<Vec<Value>, Refusal> {
        check_id("device", &device)?;
        let (now_ms, asked) = (self.now_ms(), device.clone());
        let known = self.tools.appender.ask(move |head| head.ingest.known(&asked, now_ms)).await?;
        let has_token = self.tools.accounts.has_token(&device);
        let Some(known) = known else {
            let heard_of = if has_token { "has a token, but was never heard of" } else { "was never heard of" };
            return Err(format!("device {device:?} {heard_of}").into());
        };
        let mut row = rows::device(&known, has_token);
        if let Some(halo) = self.halos(&known.subject).await.first() {
            row["presence"] = halo["presence"][&device].clone();
        }
        Ok(vec![row])
    }

    /// An act that may contradict what is in force.
    async fn checked(&self, deed: Deed) -> Result<Vec<Value>, Refusal> {
        let _acting = self.acting.lock().await;
        let asked = deed.clone();
        let checked = self.tools.appender.ask(move |head| head.ingest().check_act(&asked)).await?;
        checked.map_err(|error| error.to_string())?;
        self.act(deed).await
    }

    /// One act at a time.
    pub(super) async fn alone(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.acting.lock().await
    }

    /// The subject of which this is another name, or this.
    pub(super) async fn meant(&self, name: &str) -> Result<Name, Refusal> {
        let name = Name::from(name);
        Ok(self.tools.appender.ask(move |head| head.ingest().assignments().meant(&name).clone()).await?)
    }

    /// On a thread that may wait: it reads and writes the whole log.
    async fn backup(&self, to: PathBuf) -> Result<Vec<Value>, Refusal> {
        if !to.is_absolute() {
            return Err(format!("{} is not an absolute path", to.display()).into());
        }
        let parts = Arc::clone(&self.tools.parts);
        let made = tokio::task::spawn_blocking(move || parts.backup(&to)).await;
        Ok(vec![made.map_err(|error| format!("the backup ended early: {error}"))??])
    }

    async fn forget(&self, device: String) -> Result<Vec<Value>, Refusal> {
        check_id("device", &device)?;
        let _acting = self.acting.lock().await;
        let (now_ms, asked) = (self.now_ms(), device.clone());
        let known = self.tools.appender.ask(move |head| head.ingest.known(&asked, now_ms)).await?;
        let has_token = self.tools.accounts.has_token(&device);
        if known.is_none() && !has_token {
            return Err(format!("device {device:?} was never heard of").into());
        }
        if has_token {
            self.tools.accounts.change(Change::RemoveToken { device: device.clone() }).await?;
        }
        self.act(Deed::Forget { device }).await
    }

    pub(super) async fn halos(&self, subject: &str) -> Vec<Value> {
        let filter = format!("{}/halos/{subject}", self.tools.grammar.root());
        let rendered = self.tools.owned.matching(&filter).await;
        rendered.iter().filter_map(|(_, payload)| serde_json::from_slice(payload).ok()).collect()
    }

    async fn held(&self) -> Result<Vec<Held>, Refusal> {
        let parts = Arc::clone(&self.tools.parts);
        let held = self.tools.appender.ask(move |head| parts.quarantine(head)).await?;
        held.ok_or_else(|| format!("the quarantine is {NOT_AVAILABLE}").into())
    }

    async fn chosen(&self, which: &Which) -> Result<Vec<Held>, Refusal> {
        let mut held = self.held().await?;
        held.retain(|it| match which {
            Which::Frame(offset) => it.offset.0 == *offset,
            Which::Device(device) => *it.frame.device == **device,
            Which::All => true,
        });
        match which {
            Which::Frame(offset) if held.is_empty() => Err(format!("frame {offset} is not in quarantine").into()),
            Which::Device(device) if held.is_empty() => {
                Err(format!("no frame of device {device:?} is in quarantine").into())
            }
            _ => Ok(held),
        }
    }

    async fn replay(&self, which: &Which) -> Result<Vec<Value>, Refusal> {
        let chosen: Vec<Offset> = self.chosen(which).await?.iter().map(|held| held.offset).collect();
        let replayed = chosen.len();
        for frame in chosen.clone() {
            // Drawn up one by one: what is known of its device's clock may have changed with the one before.
            let draft = self.tools.appender.ask(move |head| head.ingest().replay(frame)).await?;
            if let Some(draft) = draft {
                self.tools.appender.append(draft).await?;
            }
        }
        let count = move |head: &Head| {
            let quarantine = head.ingest().quarantine();
            chosen.iter().filter(|frame| quarantine.get(**frame).is_some()).count()
        };
        let left = self.tools.appender.ask(count).await?;
        Ok(vec![json!({"replayed": replayed, "read": replayed - left, "still_quarantined": left})])
    }

    async fn discard(&self, which: &Which) -> Result<Vec<Value>, Refusal> {
        let chosen = self.chosen(which).await?;
        for held in &chosen {
            self.act(Deed::Discard { frame: held.offset }).await?;
        }
        Ok(vec![json!({"discarded": chosen.len()})])
    }

    fn upstreams(&self) -> Result<Vec<super::parts::Upstream>, Refusal> {
        self.tools.parts.upstreams().ok_or_else(|| format!("upstreams are {NOT_AVAILABLE}").into())
    }

    async fn hold(&self, upstream: String, held: bool) -> Result<Vec<Value>, Refusal> {
        if !self.upstreams()?.iter().any(|it| it.name == upstream) {
            return Err(format!("there is no upstream {upstream:?}").into());
        }
        let _acting = self.acting.lock().await;
        let row = self.act(Deed::Hold { upstream: upstream.clone(), held }).await?;
        self.tools.parts.hold(&upstream, held);
        Ok(row)
    }
}

pub(super) fn check_id(what: &str, id: &str) -> Result<(), Refusal> {
    if id_is_valid(id) {
        Ok(())
    } else {
        Err(format!("{what} {id:?} is not of the form [A-Za-z0-9._-]{{1,64}}").into())
    }
}
