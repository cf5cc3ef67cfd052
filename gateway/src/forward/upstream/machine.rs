//! Decides: which lane sends next, what a confirmation or a refusal means, how far the cursor may go. No I/O, no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::record::{Account, Offset, Progress, Stretch};

/// Most stretches to be made up for; with more, live does not jump ahead.
const STRETCHES_MAX: usize = 16;
/// An absence longer than this many windows, in records, gets a lane of its own.
const JUMP_WINDOWS: u64 = 4;
/// While both lanes have something, backfill gets every fourth place.
const LIVE_TURNS: u8 = 3;
/// Refusals of one message, each beside confirmations of others, before it is given up.
const REFUSALS_MAX: u8 = 5;
/// Fruitless connections in a row before messages are sent one by one …
const FRUITLESS_ALONE: u8 = 5;
/// … and before the one that was sent alone is given up.
const FRUITLESS_MAX: u8 = 10;
/// Confirmations after which a cursor is due at once (LOG.md, "Checkpoints, cursors, retention").
const CURSOR_CONFIRMATIONS: usize = 256;
/// Records passed without a message after which the cursor moves all the same, so that nothing is kept for nobody.
const CURSOR_PASSED: u64 = 4_096;

/// One of the ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Way {
    Live,
    Backfill,
    /// Sparks alone, each in its turn: through an outage too, when live goes ahead.
    Sparks,
}

/// What a record is to this upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// A frame to be published.
    Frame,
    /// A frame that was set aside once, to be published; where it was stored first.
    Replayed { original: Offset },
    /// A document about a loss, to be published; and how many frames of this upstream's were lost with it.
    Loss { missed: u32, publish: bool },
    /// A document about a spark, to be published.
    Spark,
    /// A frame that cannot be read.
    Quarantined,
    /// Nothing.
    Pass,
}

/// What is to be done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Do {
    Nothing,
    Publish,
    /// It ends every connection it is sent on.
    GiveUp,
}

/// What the receiver said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Success,
    /// It will not take this message, ever.
    Unacceptable,
    /// It does not take it now.
    Refused,
}

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Confirmed,
    /// Nothing more is sent for now; from the refused message on, everything is sent again, by [`Machine::again`].
    Again,
    GiveUp,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: Offset,
    stamp_ms: u64,
    fate: Fate,
    done: bool,
    sent: bool,
    given_up: bool,
}

impl Entry {
    fn is_message(&self) -> bool {
        matches!(self.fate, Fate::Frame | Fate::Replayed { .. } | Fate::Spark | Fate::Loss { publish: true, .. })
    }
}

#[derive(Debug, Default)]
struct Lane {
    read: Offset,
    entries: VecDeque<Entry>,
}

impl Lane {
    fn confirmed(&self) -> Offset {
        self.entries.front().map_or(self.read, |entry| Offset(entry.offset.0 - 1))
    }

    fn reset(&mut self) {
        self.read = self.confirmed();
        self.entries.clear();
    }
}

/// One upstream's lanes.
#[derive(Debug)]
pub(super) struct Machine {
    window: usize,
    /// What the receiver admits at once.
    limit: usize,
    live: Lane,
    backfill: Lane,
    sparks: Lane,
    sends_sparks: bool,
    /// The last turn was the sparks'.
    sparked: bool,
    /// The first is what `backfill` works on.
    stretches: Vec<Stretch>,
    account: Account,
    /// As in [`Progress::early`].
    early: u64,
    /// Messages in the lanes' entries, by way.
    under_way: [usize; 3],
    /// Messages sent and not answered.
    unanswered: usize,
    /// Messages confirmed in order, not yet covered by a durable cursor.
    uncovered: usize,
    /// How many of them the cursor on its way to the log covers.
    covering: usize,
    cursor_at: Offset,
    turn: u8,
    /// Something was refused: nothing more is sent until everything else is answered.
    refusing: bool,
    /// Log messages confirmed on this connection, since it was last gone back.
    confirmed_here: u64,
    sent_here: u64,
    refused_here: BTreeSet<Offset>,
    refusals: BTreeMap<Offset, u8>,
    given_up: BTreeSet<Offset>,
    fruitless: u8,
    alone: Option<Offset>,
    /// Frames passed in order since the process began.
    passed: u64,
}

impl Machine {
    /// Goes on where `progress` stands.
    pub(super) fn new(window: usize, progress: &Progress, sends_sparks: bool) -> Self {
        let mut machine = Self {
            window,
            limit: window,
            live: Lane { read: progress.live, entries: VecDeque::new() },
            backfill: Lane::default(),
            sparks: Lane::default(),
            sends_sparks,
            sparked: false,
            stretches: progress.backfill.clone(),
            account: progress.account,
            early: progress.early,
            under_way: [0; 3],
            unanswered: 0,
            uncovered: 0,
            covering: 0,
            cursor_at: Offset(0),
            turn: 0,
            refusing: false,
            confirmed_here: 0,
            sent_here: 0,
            refused_here: BTreeSet::new(),
            refusals: BTreeMap::new(),
            given_up: BTreeSet::new(),
            fruitless: 0,
            alone: None,
            passed: 0,
        };
        machine.begin_stretch();
        // They went with the others until now.
        machine.sparks.read = progress.sparks.unwrap_or_else(|| machine.frames_confirmed());
        machine.cursor_at = machine.confirmed();
        machine
    }

    /// A connection carries data; everything up to `known` may be read. Whether live has left a stretch to backfill.
    pub(super) fn connected(&mut self, receive_max: Option<u16>, known: Offset) -> bool {
        self.limit = receive_max.map_or(self.window, |max| usize::from(max).clamp(1, self.window));
        if self.fruitless >= FRUITLESS_ALONE {
            self.limit = 1;
        }
        self.turn = 0;
        self.jump(known)
    }

    fn jump(&mut self, known: Offset) -> bool {
        let missed = Stretch { first: self.live.confirmed().next(), last: known };
        if known.0.saturating_sub(self.live.confirmed().0) <= JUMP_WINDOWS * self.window as u64 {
            return false;
        }
        let is_full = self.stretches.len() >= STRETCHES_MAX;
        match self.stretches.last_mut() {
            Some(last) if last.last.next() == missed.first => last.last = missed.last,
            _ if is_full => return false,
            _ => {
                self.stretches.push(missed);
                if self.stretches.len() == 1 {
                    self.begin_stretch();
                }
            }
        }
        self.live.read = known;
        true
    }

    fn begin_stretch(&mut self) {
        if let Some(stretch) = self.stretches.first() {
            self.backfill = Lane { read: Offset(stretch.first.0.saturating_sub(1)), entries: VecDeque::new() };
        }
    }

    /// The connection is gone, and what was under way on it will be sent again. `by_peer`: not torn down by us.
    pub(super) fn disconnected(&mut self, by_peer: bool) {
        if self.confirmed_here == 0 && by_peer && self.sent_here > 0 {
            self.fruitless = self.fruitless.saturating_add(1);
        }
        self.go_back();
    }

    /// Whether something was refused and everything else is answered: it is time for [`Machine::again`], or for a fresh
    /// connection.
    pub(super) fn is_refused(&self) -> bool {
        self.refusing && self.waiting() == self.refused_here.len()
    }

    /// Whether the receiver took something since it was last gone back.
    pub(super) fn took_others(&self) -> bool {
        self.confirmed_here > 0
    }

    /// On the same connection: what was refused and everything after it is sent again, in order.
    pub(super) fn again(&mut self) {
        debug_assert!(self.is_refused(), "something is still under way");
        self.go_back();
    }

    fn go_back(&mut self) {
        let refused = std::mem::take(&mut self.refused_here);
        if self.took_others() {
            refused.into_iter().for_each(|offset| *self.refusals.entry(offset).or_default() += 1);
        }
        (self.confirmed_here, self.sent_here, self.refusing) = (0, 0, false);
        [&mut self.live, &mut self.backfill, &mut self.sparks].into_iter().for_each(Lane::reset);
        (self.under_way, self.unanswered) = ([0; 3], 0);
    }

    /// Where a way is to be read from, if there is room and something may be left on it.
    pub(super) fn wants(&self, way: Way) -> Option<Offset> {
        match way {
            Way::Live => Some(self.live.read.next()),
            Way::Backfill => {
                let stretch = self.stretches.first()?;
                (self.backfill.read < stretch.last).then(|| self.backfill.read.next())
            }
            Way::Sparks => self.sends_sparks.then(|| self.sparks.read.next()),
        }
    }

    /// Last offset of a way, if it has one.
    pub(super) fn end(&self, way: Way) -> Option<Offset> {
        (way == Way::Backfill).then(|| self.stretches.first().map(|stretch| stretch.last)).flatten()
    }

    /// Whose turn it is to have a record taken, given who has one to give.
    pub(super) fn pick(&mut self, live: bool, backfill: bool, sparks: bool) -> Option<Way> {
        let entries = self.live.entries.len() + self.backfill.entries.len() + self.sparks.entries.len();
        let (on_backfill, unconfirmed) = (self.stands(Way::Backfill).1, self.under_way.iter().sum::<usize>());
        let full =
            unconfirmed >= self.limit || unconfirmed + self.uncovered >= self.window || entries >= 2 * self.window;
        if full || self.refusing {
            return None;
        }
        // Some places stay free for live, so that it never waits for a whole window of backfill.
        let backfill = backfill && on_backfill < self.limit - self.limit / 8;
        self.sparked = sparks && !(self.sparked && (live || backfill));
        if self.sparked {
            return Some(Way::Sparks);
        }
        let way = match (live, backfill) {
            (true, true) if self.turn < LIVE_TURNS => Way::Live,
            (true, true) | (false, true) => Way::Backfill,
            (true, false) => Way::Live,
            (false, false) => return None,
        };
        self.turn = if way == Way::Live { self.turn.saturating_add(1).min(LIVE_TURNS) } else { 0 };
        Some(way)
    }

    /// The next record of a way, and what it is.
    pub(super) fn step(&mut self, way: Way, offset: Offset, stamp_ms: u64, fate: Fate) -> Do {
        let given_up = self.given_up.contains(&offset);
        let mut entry = Entry { offset, stamp_ms, fate, done: true, sent: false, given_up };
        let lane = self.lane(way);
        debug_assert!(offset > lane.read, "{offset} was read on {way:?}, which has read {}", lane.read);
        lane.read = offset;
        if entry.fate == Fate::Pass {
            self.settle();
            return Do::Nothing;
        }
        entry.done = !entry.is_message() || entry.given_up;
        entry.sent = !entry.done;
        let publish = entry.sent;
        self.lane(way).entries.push_back(entry);
        if !publish {
            self.settle();
            return Do::Nothing;
        }
        if let Some(count) = self.under_way.get_mut(way as usize) {
            *count += 1;
        }
        self.unanswered += 1;
        if self.fruitless >= FRUITLESS_MAX && self.alone == Some(offset) {
            return Do::GiveUp;
        }
        self.alone = (self.limit == 1 && self.fruitless >= FRUITLESS_ALONE).then_some(offset);
        self.sent_here += 1;
        Do::Publish
    }

    /// A way was read to its end although its last records are not there any more.
    pub(super) fn ended(&mut self, way: Way) {
        if let Some(end) = self.end(way) {
            let lane = self.lane(way);
            lane.read = lane.read.max(end);
            self.settle();
        }
    }

    /// The receiver answered.
    pub(super) fn answered(&mut self, way: Way, offset: Offset, reason: Reason) -> Answer {
        match reason {
            Reason::Success => {
                self.confirmed_here += 1;
                (self.fruitless, self.alone) = (0, None);
                self.refusals.remove(&offset);
                self.done(way, offset, false);
                Answer::Confirmed
            }
            Reason::Unacceptable => Answer::GiveUp,
            Reason::Refused if self.refusals.get(&offset).is_some_and(|tries| *tries >= REFUSALS_MAX) => Answer::GiveUp,
            Reason::Refused => {
                self.refused_here.insert(offset);
                self.refusing = true;
                Answer::Again
            }
        }
    }

    /// The log says durably that a message was given up.
    pub(super) fn gave_up(&mut self, way: Way, offset: Offset) {
        self.refusals.remove(&offset);
        if self.alone == Some(offset) {
            (self.fruitless, self.alone) = (0, None);
        }
        self.given_up.insert(offset);
        self.done(way, offset, true);
    }

    fn done(&mut self, way: Way, offset: Offset, given_up: bool) {
        let entries = &mut self.lane(way).entries;
        let Ok(at) = entries.binary_search_by_key(&offset, |entry| entry.offset) else { return };
        if let Some(entry) = entries.get_mut(at)
            && !entry.done
        {
            (entry.done, entry.given_up) = (true, given_up);
            self.unanswered = self.unanswered.saturating_sub(1);
        }
        self.settle();
    }

    /// Messages that wait for an answer.
    pub(super) fn waiting(&self) -> usize {
        self.unanswered
    }

    fn lane(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::Live => &mut self.live,
            Way::Backfill => &mut self.backfill,
            Way::Sparks => &mut self.sparks,
        }
    }

    /// Takes what is done, in order, off all ways.
    fn settle(&mut self) {
        for way in [Way::Live, Way::Backfill, Way::Sparks] {
            while let Some(entry) = self.lane(way).entries.pop_front_if(|entry| entry.done) {
                self.count(way, &entry);
            }
        }
        while let Some(stretch) = self.stretches.first()
            && self.backfill.confirmed() >= stretch.last
        {
            self.stretches.remove(0);
            self.begin_stretch();
        }
    }

    fn count(&mut self, way: Way, entry: &Entry) {
        let backfilled = self.backfill.confirmed();
        let pending = |stretch: &Stretch, at| at > backfilled && (stretch.first..=stretch.last).contains(&at);
        let is_ahead = |at| way == Way::Live && self.stretches.iter().any(|stretch| pending(stretch, at));
        let account = &mut self.account;
        match entry.fate {
            // What was given up is counted where the log says so, with the `Dropped` record.
            _ if entry.given_up && !matches!(entry.fate, Fate::Loss { .. }) => {}
            Fate::Frame => (account.forwarded, self.passed) = (account.forwarded + 1, self.passed + 1),
            Fate::Quarantined if self.early > 0 => {
                self.early -= 1;
                (account.forwarded, self.passed) = (account.forwarded + 1, self.passed + 1);
            }
            Fate::Quarantined => (account.quarantined, self.passed) = (account.quarantined + 1, self.passed + 1),
            Fate::Replayed { original } if is_ahead(original) => self.early += 1,
            Fate::Replayed { .. } if account.quarantined > 0 => {
                (account.quarantined, account.forwarded) = (account.quarantined - 1, account.forwarded + 1);
            }
            Fate::Loss { missed, .. } => {
                account.dropped += u64::from(missed);
                self.passed += u64::from(missed);
            }
            Fate::Replayed { .. } | Fate::Spark | Fate::Pass => {}
        }
        self.given_up.remove(&entry.offset);
        if entry.sent {
            self.uncovered += 1;
            if let Some(count) = self.under_way.get_mut(way as usize) {
                *count = count.saturating_sub(1);
            }
        }
    }

    /// Everything up to here is confirmed.
    pub(super) fn confirmed(&self) -> Offset {
        let frames = self.frames_confirmed();
        if self.sends_sparks { frames.min(self.sparks.confirmed()) } else { frames }
    }

    fn frames_confirmed(&self) -> Offset {
        if self.stretches.is_empty() { self.live.confirmed() } else { self.backfill.confirmed() }
    }

    /// Where the lanes are and what became of the frames.
    pub(super) fn progress(&self) -> Progress {
        let mut backfill = self.stretches.clone();
        if let Some(first) = backfill.first_mut() {
            first.first = self.backfill.confirmed().next();
        }
        let sparks = self.sends_sparks.then(|| self.sparks.confirmed());
        Progress { live: self.live.confirmed(), backfill, account: self.account, early: self.early, sparks }
    }

    /// Whether a cursor is due at once, and whether there is anything new for one.
    pub(super) fn cursor_due(&self) -> (bool, bool) {
        let fresh = self.uncovered - self.covering;
        let passed = self.confirmed().0.saturating_sub(self.cursor_at.0) >= CURSOR_PASSED;
        (fresh >= CURSOR_CONFIRMATIONS.min(self.window / 4), fresh > 0 || passed)
    }

    /// The cursor as it is to be written; one at a time.
    pub(super) fn take_cursor(&mut self) -> (Offset, Progress) {
        self.covering = self.uncovered;
        self.cursor_at = self.confirmed();
        (self.cursor_at, self.progress())
    }

    /// The cursor that was taken is durable, or will never be.
    pub(super) fn cursor_written(&mut self) {
        self.uncovered -= self.covering;
        self.covering = 0;
    }

    /// When the oldest record was written that waits for an answer, monotonic milliseconds.
    pub(super) fn oldest_ms(&self) -> Option<u64> {
        let lanes = [&self.backfill, &self.live, &self.sparks];
        lanes.into_iter().filter_map(|lane| lane.entries.front()).map(|it| it.stamp_ms).min()
    }

    /// Frames passed in order since the process began.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// Messages that would come twice if the process ended now.
    pub(super) fn repeats_possible(&self) -> usize {
        self.under_way.iter().sum::<usize>() + self.uncovered
    }

    /// Messages under way on a way, its confirmed offset.
    pub(super) fn stands(&self, way: Way) -> (Offset, usize) {
        let lane = match way {
            Way::Live => &self.live,
            Way::Backfill => &self.backfill,
            Way::Sparks => &self.sparks,
        };
        (lane.confirmed(), self.under_way.get(way as usize).copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests;
