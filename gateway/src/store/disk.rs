//! How much disk the gateway takes, and what it does before that is too much.
//!
//! Everything in the data folder counts, as the larger of its length and what is allocated for it. Nothing grows by more
//! than a slack without a grant: the thread that prepares segments asks for each, the one that writes checkpoints for
//! what the engine's file may grow by. A grant looks at the folder and the volume anew, so what others put there counts.
//!
//! ```text
//! 0 ─────────── warn ── shed ── refuse ──────────────── runtime ── start ── max
//!    clients' and own records  │ own records, a carried │ the first  │ footers of
//!                              │ set, a grown state     │ segment of │ segments,
//!                              │                        │ a start    │ small files
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use tracing::warn;

use crate::record::GatewayTime;
use crate::units;

mod usage;

pub(crate) use usage::Usage;
use usage::measure;

/// Bounds of the data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The data folder never takes more than this. Default 10 GB; at least eight segments.
    #[serde(deserialize_with = "units::size")]
    pub max: u64,
    /// What stays free of the volume, whatever `max` allows. Default 256 MB.
    #[serde(deserialize_with = "units::size")]
    pub reserve: u64,
    /// How long what every upstream has confirmed is kept for looking back, room permitting. Default 7 days (`168h`).
    #[serde(deserialize_with = "units::duration")]
    pub keep: Duration,
    /// Devices (by how their ids begin) whose unforwarded frames may be dropped, oldest first, before new ones are
    /// refused. Default none: new frames are refused, devices keep them.
    pub drop_oldest: Vec<String>,
    /// After so much log a copy of everything known goes into it, room permitting: `halo --at` folds from the newest
    /// one. Default 1 GB; not before eight times what the copy takes.
    #[serde(deserialize_with = "units::size")]
    pub snapshot_every: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max: 10_000_000_000,
            reserve: 256_000_000,
            keep: Duration::from_secs(7 * 86_400),
            drop_oldest: Vec::new(),
            snapshot_every: 1_000_000_000,
        }
    }
}

impl Config {
    /// What is impossible about it beside segments of this size.
    ///
    /// # Errors
    /// The problem with `disk.max`, and what would be right.
    pub fn check(&self, segment_bytes: u64) -> Result<(), String> {
        let segments = SEGMENTS_MIN.saturating_mul(segment_bytes);
        let least = MAX_BYTES_MIN.max(segments).max(least_beside(STATE_BYTES_MIN, segment_bytes));
        if self.max >= least {
            return Ok(());
        }
        let max = self.max;
        Err(format!(
            "{max} is too small, wanted at least {least} (eight segments of store.segment_bytes, the checkpoints and room \
             for them to double, and 16 MB)"
        ))
    }

    /// What is allowed and yet worth a word: a quarantine that may fill beyond what checkpoints have room for.
    pub fn warning(&self, quarantine_max: u64, segment_bytes: u64) -> Option<String> {
        let least = least_beside(STATE_BYTES_MIN.saturating_add(quarantine_max), segment_bytes);
        (self.max < least).then(|| {
            format!(
                "disk.max = {} has no room for the checkpoints beside a full quarantine (quarantine.max = {}): raise \
                 disk.max to {}, or lower quarantine.max",
                units::render_size(self.max),
                units::render_size(quarantine_max),
                units::render_size_up(least)
            )
        })
    }
}

/// How full the disk is, by what is done about it (GUARANTEES.md, section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// Nothing.
    #[default]
    Calm,
    /// 70 %: health says so.
    Warn,
    /// 85 %: what everybody has goes, oldest first, then what may be dropped.
    Shed,
    /// 95 %: what clients publish is refused; the gateway's own records go on.
    Refuse,
}

impl Mark {
    /// As operators read it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Warn => "warn",
            Self::Shed => "shed",
            Self::Refuse => "refuse",
        }
    }
}

/// What room is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// The segment every start begins with.
    Start,
    /// A segment.
    Segment,
    /// Growth of the state engine's file.
    State,
}

/// Something wrong that health tells until it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ailment {
    /// The state engine may not grow.
    StateHasNoRoom,
    /// Whatever is deleted, `disk.max` has no room for a state engine of this size.
    StateTooLarge,
    /// The wall clock has gone far ahead.
    ClockAhead,
    /// No set of carried facts can be taken, so nothing can be deleted.
    NoSet,
    /// The folder cannot be measured.
    Unmeasured,
    /// The state engine could not be opened for want of room.
    StateInMemory,
    /// The beginning of the log is gone and no carried facts stand for it.
    FactsLost,
}

/// The figures of one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Bytes the data folder takes; what is allocated in advance counts.
    pub used: u64,
    /// Bytes it may take: `disk.max`, or less where the volume has less.
    pub max: u64,
    /// Bytes of the volume that stay free.
    pub reserve: u64,
    /// Bytes free on the volume.
    pub volume_free: u64,
    /// What is being done about it.
    pub mark: Mark,
    /// Bytes of log written per second, over about the last minute.
    pub bytes_per_s: u64,
    /// How long until clients are refused at this rate, if nothing is deleted; seconds in JSON. `None`: nothing grows.
    #[serde(serialize_with = "seconds")]
    pub left: Option<Duration>,
    /// Segment files.
    pub segments: u64,
    /// Wall time of the oldest record, Unix milliseconds.
    pub oldest_ms: Option<i64>,
}

fn seconds<S: Serializer>(left: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    left.map(|left| left.as_secs()).serialize(to)
}

type Measure = Box<dyn Fn() -> io::Result<Usage> + Send + Sync>;

/// The one account of the data folder's bytes; shared by whoever writes there.
pub struct Budget {
    max: u64,
    reserve: u64,
    segment_bytes: u64,
    measure: Measure,
    account: Mutex<Account>,
    mark: AtomicU8,
    clock_confirmed: AtomicBool,
}

#[derive(Default)]
struct Account {
    usage: Usage,
    /// Granted and perhaps not yet in the folder.
    granted: u64,
    rate: Rate,
    oldest_ms: Option<i64>,
    ailments: BTreeSet<Ailment>,
}

/// Bytes per second, as a mean that forgets with a time constant of a minute.
#[derive(Default)]
struct Rate {
    seen: Option<(u64, u64)>,
    per_s: f64,
}

/// Room that nobody else is given until it is dropped; by then the file it was for counts by itself.
pub(crate) struct Grant<'a> {
    budget: &'a Budget,
    bytes: u64,
}

/// Bounds on `used`, in ascending order.
struct Levels {
    max: u64,
    warn: u64,
    shed: u64,
    refuse: u64,
    runtime: u64,
    start: u64,
}

/// Fewest segments that fit: two under way, those set aside, and some to delete.
const SEGMENTS_MIN: u64 = 8;
/// Smallest data folder.
const MAX_BYTES_MIN: u64 = 16_000_000;
/// The state engine's file with next to nothing in it.
const STATE_BYTES_LEAST: u64 = 3 << 19;
/// The same doubled once.
const STATE_BYTES_MIN: u64 = 2 * STATE_BYTES_LEAST;
/// Segments that are always there: the one being written and the one prepared for it.
const LIVE_SEGMENTS: u64 = 2;
/// Files besides segments and state: the lock, identity, notes, the socket.
const SMALL_FILES_BYTES: u64 = 64 << 10;
/// Segments set aside for the gateway's own records once clients are refused, beside the two already there.
const OWN_SEGMENTS: u64 = 2;
/// Seconds after which two thirds of an old rate are forgotten.
const RATE_S: f64 = 60.0;

impl Budget {
    /// Watches the data folder `dir`; `state` is how the names of the state engine's files begin.
    pub fn new(config: &Config, segment_bytes: u64, dir: &Path, state: &'static str) -> Self {
        let dir = dir.to_owned();
        // The state engine's file is made with the first checkpoint; until then its room is not anybody else's.
        Self::measured_by(
            config,
            segment_bytes,
            Box::new(move || Ok(measure(&dir, state)?.with_state(STATE_BYTES_LEAST))),
        )
    }

    pub(crate) fn measured_by(config: &Config, segment_bytes: u64, measure: Measure) -> Self {
        let (account, mark, clock_confirmed) = (Mutex::default(), AtomicU8::new(0), AtomicBool::new(false));
        let budget =
            Self { max: config.max, reserve: config.reserve, segment_bytes, measure, account, mark, clock_confirmed };
        drop(budget.look());
        budget
    }

    /// How full the disk was when somebody last looked, which is at every new segment and a few times a second.
    pub fn mark(&self) -> Mark {
        match self.mark.load(Ordering::Acquire) {
            0 => Mark::Calm,
            1 => Mark::Warn,
            2 => Mark::Shed,
            _ => Mark::Refuse,
        }
    }

    /// The figures of this moment.
    pub fn report(&self) -> Report {
        let account = self.look();
        let levels = self.levels(&account.usage);
        let per_s = account.rate.per_s;
        let room = levels.refuse.saturating_sub(account.usage.used);
        let left = (per_s >= 1.0).then(|| Duration::from_secs_f64((room as f64 / per_s).min(1e12)));
        Report {
            used: account.usage.used + account.usage.spare,
            max: levels.max,
            reserve: self.reserve,
            volume_free: account.usage.free,
            mark: self.mark(),
            bytes_per_s: per_s as u64,
            left,
            segments: account.usage.segments,
            oldest_ms: account.oldest_ms,
        }
    }

    /// An operator says that the wall clock is right although it has gone far ahead: deletion by age goes on (G14).
    pub fn confirm_clock(&self) {
        self.clock_confirmed.store(true, Ordering::Release);
    }

    pub(crate) fn take_clock_confirmation(&self) -> bool {
        self.clock_confirmed.swap(false, Ordering::AcqRel)
    }

    /// What is wrong with the disk or retention, for a human.
    pub fn ailments(&self) -> Vec<String> {
        let account = self.account();
        // What `report` says is used.
        let used = units::render_size(account.usage.used + account.usage.spare);
        let max = units::render_size(self.levels(&account.usage).max);
        let full = match self.mark() {
            Mark::Calm => None,
            Mark::Warn => Some("it is filling: see to it that upstreams confirm, or raise disk.max"),
            Mark::Shed => Some("what every upstream has confirmed is deleted early: raise disk.max to keep more"),
            Mark::Refuse => Some(
                "telemetry and retained publishes are refused (0x97), devices keep them: see to it that upstreams confirm, raise disk.max or free the volume",
            ),
        };
        let full = full.map(|what| format!("{used} of {max} of disk are used: {what}"));
        let words = |ailment: &Ailment| match ailment {
            Ailment::StateTooLarge => self.too_small_beside(&account.usage).unwrap_or_default(),
            ailment => ailment.words().to_owned(),
        };
        full.into_iter().chain(account.ailments.iter().map(words)).collect()
    }

    /// The log's beginning is gone and nothing stands for it: health says so until the next start.
    pub(crate) fn lost_facts(&self) {
        self.ails(Ailment::FactsLost, true);
    }

    /// The state engine's files could not be written at the start: health says so until the next one.
    pub(crate) fn keeps_checkpoints_in_memory(&self) {
        self.ails(Ailment::StateInMemory, true);
    }

    /// Notes that something is wrong, or is so no more; `true` when that is news.
    pub(crate) fn ails(&self, ailment: Ailment, so: bool) -> bool {
        let ailments = &mut self.account().ailments;
        if so { ailments.insert(ailment) } else { ailments.remove(&ailment) }
    }

    /// Looks anew; `written` is the count of all bytes of log written so far.
    pub(crate) fn refresh(&self, now: GatewayTime, written: u64, oldest_ms: Option<i64>) {
        let mut account = self.look();
        account.rate.note(now.mono_ms, written);
        account.oldest_ms = oldest_ms.or(account.oldest_ms);
        match self.too_small_beside(&account.usage) {
            Some(words) if account.ailments.insert(Ailment::StateTooLarge) => warn!("{words}"),
            None => drop(account.ailments.remove(&Ailment::StateTooLarge)),
            Some(_) => {}
        }
    }

    /// Which figure is too small for a state engine as large as it is now, and what would do.
    fn too_small_beside(&self, usage: &Usage) -> Option<String> {
        let (max, least) = (self.levels(usage).max, least_beside(usage.state, self.segment_bytes));
        if max >= least {
            return None;
        }
        let (has, state, wanted) =
            (units::render_size(max), units::render_size(usage.state), units::render_size_up(least));
        let what = if self.max < least { "disk.max" } else { "what disk.reserve leaves of the volume" };
        let cure = if self.max < least { "raise disk.max" } else { "free the volume or lower disk.reserve" };
        Some(format!(
            "{what} ({has}) is too small beside checkpoints of {state}, which may double: checkpoints wait and telemetry is \
             refused; {cure} to {wanted} at least"
        ))
    }

    /// Bytes of the state engine's files when last looked.
    pub(crate) fn state_bytes(&self) -> u64 {
        self.account().usage.state
    }

    /// Room for `bytes`, or the reason why there is none.
    pub(crate) fn grant(&self, what: Use, bytes: u64) -> io::Result<Grant<'_>> {
        let mut account = self.account();
        account.usage = (self.measure)()?;
        let levels = self.levels(&account.usage);
        let bound = if what == Use::Start { levels.start } else { levels.runtime };
        let after = account.usage.used.saturating_add(account.granted).saturating_add(bytes);
        if after > bound {
            self.judge(&account);
            let (used, max) = (account.usage.used, levels.max);
            let text = format!("{used} bytes of {max} (disk.max, disk.reserve) are used, {bytes} more do not fit");
            return Err(io::Error::new(io::ErrorKind::StorageFull, text));
        }
        account.granted += bytes;
        self.judge(&account);
        Ok(Grant { budget: self, bytes })
    }

    /// Whether the segment set aside for a start may be allocated now: nobody else is ever granted that room.
    pub(crate) fn has_room_for_spare(&self) -> bool {
        let account = self.look();
        let (usage, levels) = (&account.usage, self.levels(&account.usage));
        usage.used.saturating_add(account.granted) <= levels.runtime && levels.runtime > 0
    }

    fn look(&self) -> MutexGuard<'_, Account> {
        let mut account = self.account();
        match (self.measure)() {
            Ok(usage) => {
                account.usage = usage;
                account.ailments.remove(&Ailment::Unmeasured);
            }
            Err(error) => {
                if account.ailments.insert(Ailment::Unmeasured) {
                    tracing::error!(%error, "the data folder cannot be measured");
                }
            }
        }
        self.judge(&account);
        account
    }

    fn judge(&self, account: &Account) {
        let used = account.usage.used.saturating_add(account.granted);
        let levels = self.levels(&account.usage);
        let passed = [levels.warn, levels.shed, levels.refuse].iter().filter(|level| used > **level).count();
        self.mark.store(u8::try_from(passed).unwrap_or(u8::MAX), Ordering::Release);
    }

    fn levels(&self, usage: &Usage) -> Levels {
        let there = usage.used.saturating_add(usage.spare);
        let max = self.max.min(there.saturating_add(usage.free.saturating_sub(self.reserve)));
        // A sealed segment may end behind its room by its footer.
        let slack = SMALL_FILES_BYTES + self.segment_bytes / 2;
        // The spare stands in for what lies between `runtime` and `start`; a start without one has that room itself. If
        // others have taken the reserve of the volume, the gateway runs and forwards all the same.
        let start = self.max.saturating_sub(slack);
        let runtime = max.saturating_sub(slack + self.segment_bytes);
        // A set of carried facts takes about what the state takes, and the state's file may double.
        let own = OWN_SEGMENTS * self.segment_bytes + 2 * usage.state;
        let refuse = (max / 100 * 95).min(runtime.saturating_sub(own));
        let (shed, warn) = ((max / 100 * 85).min(refuse / 100 * 90), (max / 100 * 70).min(refuse / 100 * 75));
        Levels { max, warn, shed, refuse, runtime, start }
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The smallest bound within which a state engine of this size may double and clients are served: what is set aside
/// below, what is always there, and the state itself.
fn least_beside(state: u64, segment_bytes: u64) -> u64 {
    let segments = (OWN_SEGMENTS + LIVE_SEGMENTS + 1).saturating_mul(segment_bytes);
    let state = state.saturating_mul(3);
    SMALL_FILES_BYTES.saturating_add(segment_bytes / 2).saturating_add(segments).saturating_add(state)
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("max", &self.max).field("reserve", &self.reserve).finish_non_exhaustive()
    }
}

impl Drop for Grant<'_> {
    fn drop(&mut self) {
        let mut account = self.budget.account();
        account.granted = account.granted.saturating_sub(self.bytes);
        if let Ok(usage) = (self.budget.measure)() {
            account.usage = usage;
        }
        self.budget.judge(&account);
    }
}

impl Rate {
    fn note(&mut self, now_ms: u64, written: u64) {
        let Some((then_ms, before)) = self.seen.filter(|(then_ms, _)| *then_ms < now_ms) else {
            self.seen.get_or_insert((now_ms, written));
            return;
        };
        let seconds = (now_ms - then_ms) as f64 / 1_000.0;
        let present = written.saturating_sub(before) as f64 / seconds;
        let weight = 1.0 - (-seconds / RATE_S).exp();
        self.per_s += weight * (present - self.per_s);
        self.seen = Some((now_ms, written));
    }
}

impl Ailment {
    fn words(self) -> &'static str {
        match self {
            Self::StateTooLarge => "disk.max is too small for the checkpoints",
            Self::StateHasNoRoom => "checkpoints wait for room on the disk: the next start takes longer",
            Self::StateInMemory => {
                "checkpoints are kept in memory because the disk was full at the start: the next start takes longer"
            }
            Self::ClockAhead => {
                "the wall clock has gone ahead by more than a day: nothing is deleted by age until it is back or an operator confirms it"
            }
            Self::NoSet => "facts cannot be carried over: nothing can be deleted; see the gateway's log",
            Self::Unmeasured => "the data folder cannot be measured: new segments may be refused",
            Self::FactsLost => {
                "the log's beginning is gone and no intact set of carried facts stands for it: halos hold only what is left; restore a backup"
            }
        }
    }
}

#[cfg(test)]
mod tests;
