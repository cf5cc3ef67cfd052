//! Sparks as the fold knows them: of each subject those that are open and the last that ended, and of each rule what
//! became of all of its.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::fold::Fold;
use super::subjects::Change;
use crate::record::{
    Answer, Answered, Cleared, GatewayTime, Mark, Name, Pair, Raised, Record, Severity, Spark, SparkTurn,
};

/// Most sparks kept of one subject, open and ended; ended ones go first.
pub const SPARKS_MAX: usize = 32;
/// Most sparks let go of one subject of which is known when they ended.
const ENDED_MAX: usize = 256;
/// Most rules that something is counted of; of further ones nothing is.
const BOOKS_MAX: usize = 16_384;
/// Feedback in words that is kept of each rule, the newest.
const FEEDBACK_MAX: usize = 8;

/// One spark of a subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sparked {
    /// Its id.
    pub mark: Mark,
    /// Of which rule.
    pub rule: Name,
    /// What met.
    pub pair: Pair,
    /// How grave it is.
    pub severity: Severity,
    /// Who offered it.
    pub owner: Option<Name>,
    /// For a human.
    pub message: String,
    /// Since when the condition held, Unix milliseconds.
    pub since_ms: i64,
    /// How far ahead it came, seconds.
    pub lead_s: Option<u64>,
    /// When it was raised.
    pub raised: GatewayTime,
    /// When and why it ended.
    pub cleared: Option<(GatewayTime, Cleared)>,
    /// What was said, and when.
    pub answered: Option<(GatewayTime, Answered)>,
    /// Whether devices are told.
    pub cmd: bool,
    /// When it is of no use to a device any more, Unix milliseconds.
    pub expires_ms: Option<i64>,
    /// Until when an answer is waited for, Unix milliseconds.
    pub answer_until_ms: Option<i64>,
}

impl Sparked {
    fn new(mark: Mark, rule: &Name, raised: &Raised, at: GatewayTime) -> Self {
        Self {
            mark,
            rule: rule.clone(),
            pair: raised.pair.clone(),
            severity: raised.severity,
            owner: raised.owner.clone(),
            message: raised.message.clone(),
            since_ms: raised.since_ms,
            lead_s: raised.lead_s,
            raised: at,
            cleared: None,
            answered: None,
            cmd: raised.cmd,
            expires_ms: raised.expires_ms,
            answer_until_ms: raised.answer_until_ms,
        }
    }

    /// Whether what it tells of still holds.
    pub fn is_open(&self) -> bool {
        self.cleared.is_none()
    }

    /// Until when an answer is still waited for.
    pub fn awaits_ms(&self) -> Option<i64> {
        self.answer_until_ms.filter(|_| self.answered.is_none())
    }

    /// Whether a device that comes at a Unix time is to be told of it.
    pub fn is_for_devices(&self, unix_ms: i64) -> bool {
        self.cmd && self.is_open() && self.answered.is_none() && self.expires_ms.is_none_or(|until| unix_ms < until)
    }
}

/// A spark that is not kept any more: when the last of a rule and a pair ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Ended {
    rule: Name,
    pair: Pair,
    mono_ms: u64,
}

/// The sparks of one subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sparks {
    /// In the order they were raised.
    kept: Vec<Sparked>,
    /// In the order they were let go.
    ended: VecDeque<Ended>,
}

impl Sparks {
    /// In the order they were raised.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Sparked> {
        self.kept.iter()
    }

    /// The open ones.
    pub fn open(&self) -> impl Iterator<Item = &Sparked> {
        self.kept.iter().filter(|spark| spark.is_open())
    }

    /// The newest of a rule with this pair.
    pub fn last(&self, rule: &str, pair: &Pair) -> Option<&Sparked> {
        self.kept.iter().rev().find(|spark| *spark.rule == *rule && spark.pair == *pair)
    }

    /// The one that was raised there.
    pub fn at(&self, mark: Mark) -> Option<&Sparked> {
        self.kept.iter().find(|spark| spark.mark == mark)
    }

    /// When the last of a rule with this pair ended, milliseconds of the log's monotonic time; none: never, not yet, or more
    /// than [`ENDED_MAX`] others were let go since.
    pub fn ended_ms(&self, rule: &str, pair: &Pair) -> Option<u64> {
        match self.last(rule, pair) {
            Some(last) => last.cleared.map(|(at, _)| at.mono_ms),
            None => self.ended.iter().rev().find(|it| *it.rule == *rule && it.pair == *pair).map(|it| it.mono_ms),
        }
    }

    fn raise(&mut self, spark: Sparked) {
        if self.kept.len() >= SPARKS_MAX {
            let first_ended = self.kept.iter().position(|spark| !spark.is_open()).unwrap_or_default();
            let gone = self.kept.remove(first_ended);
            self.let_go(gone);
        }
        self.kept.push(spark);
    }

    /// Cool-downs may be longer than the spark is kept.
    fn let_go(&mut self, Sparked { rule, pair, cleared, .. }: Sparked) {
        let Some((at, _)) = cleared else { return };
        self.ended.retain(|it| it.rule != rule || it.pair != pair);
        if self.ended.len() >= ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(Ended { rule, pair, mono_ms: at.mono_ms });
    }

    fn at_mut(&mut self, mark: Mark) -> Option<&mut Sparked> {
        self.kept.iter_mut().find(|spark| spark.mark == mark)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let messages = self.kept.iter().map(|spark| spark.message.capacity()).sum::<usize>();
        self.kept.capacity() * size_of::<Sparked>() + self.ended.capacity() * size_of::<Ended>() + messages
    }
}

/// What became of the sparks of one rule, counted since it was counted anew.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Book {
    /// Raised.
    pub raised: u64,
    /// Ended.
    pub cleared: u64,
    /// Answered with yes.
    pub accepted: u64,
    /// Answered with no.
    pub declined: u64,
    /// Not answered in time.
    pub ignored: u64,
    /// Ratings, and their sum.
    pub ratings: (u64, u64),
    /// The newest words: of whom, when (Unix ms), what.
    pub feedback: VecDeque<(Name, i64, String)>,
}

impl Book {
    /// Answers, given or not.
    pub fn answers(&self) -> u64 {
        self.accepted + self.declined + self.ignored
    }

    /// Share of the answers that were yes; none before the first.
    pub fn acceptance(&self) -> Option<f64> {
        (self.answers() > 0).then(|| self.accepted as f64 / self.answers() as f64)
    }

    fn answer(&mut self, subject: &Name, at_ms: i64, said: &Answered) {
        match said.answer {
            Answer::Accepted => self.accepted += 1,
            Answer::Declined => self.declined += 1,
            Answer::Ignored => self.ignored += 1,
        }
        if let Some(rating) = said.rating {
            self.ratings = (self.ratings.0 + 1, self.ratings.1 + u64::from(rating));
        }
        if !said.text.is_empty() {
            if self.feedback.len() >= FEEDBACK_MAX {
                self.feedback.pop_front();
            }
            self.feedback.push_back((subject.clone(), at_ms, said.text.clone()));
        }
    }
}

/// Rules given over the administration socket, and what became of the sparks of all rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Name and TOML text.
    rules: BTreeMap<Name, Name>,
    books: BTreeMap<Name, Book>,
    /// Grows whenever the rules change.
    edition: u64,
}

impl Ledger {
    /// Names and texts.
    pub fn rules(&self) -> impl Iterator<Item = (&Name, &Name)> {
        self.rules.iter()
    }

    /// Another number, other rules.
    pub fn edition(&self) -> u64 {
        self.edition
    }

    /// What became of a rule's sparks.
    pub fn book(&self, rule: &str) -> Option<&Book> {
        self.books.get(rule)
    }

    pub(super) fn rule(&mut self, name: &str, text: Option<&str>) {
        self.edition += 1;
        match text {
            Some(text) => drop(self.rules.insert(name.into(), text.into())),
            None => drop(self.rules.remove(name)),
        }
    }

    /// A rule is judged by its answers from now on.
    pub(super) fn count_anew(&mut self, rule: &str) {
        self.books.remove(rule);
        self.edition += 1;
    }

    fn note(&mut self, spark: &Spark, at_ms: i64) {
        if !self.books.contains_key(&spark.rule) && self.books.len() >= BOOKS_MAX {
            return;
        }
        let book = self.books.entry(spark.rule.clone()).or_default();
        match &spark.turn {
            SparkTurn::Raised(_) => book.raised += 1,
            SparkTurn::Cleared { .. } => book.cleared += 1,
            SparkTurn::Answered { answer, .. } => book.answer(&spark.subject, at_ms, answer),
        }
    }
}

impl Fold {
    /// Rules of the administration socket and counts of all rules.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// As if there had never been a rule. For questions to the past.
    pub fn forget_sparks(&mut self) {
        self.ledger = Ledger::default();
        self.subjects.change_all(self.applied, self.clock, |subject| {
            subject.sparks = None;
            Change::Hidden
        });
    }

    /// What if this had been decided when the last record was applied? For questions to the past.
    pub fn suppose(&mut self, record: &Record, spark: &Spark) {
        self.subjects.begin_record();
        self.spark(record, spark);
    }

    pub(super) fn spark(&mut self, record: &Record, spark: &Spark) {
        let (now, offset) = (self.clock, record.offset);
        self.ledger.note(spark, now.wall_ms);
        let at = self.subjects.position(&spark.subject, || self.holders.kind(&spark.subject));
        self.subjects.change(at, offset, now, |subject, shared| {
            let changed = turn(&mut subject.sparks, record, spark, now, shared);
            if changed { Change::Shown } else { Change::None }
        });
    }
}

fn turn(
    sparks: &mut Option<Box<Sparks>>,
    record: &Record,
    spark: &Spark,
    now: GatewayTime,
    shared: &mut dyn FnMut(&Name) -> Name,
) -> bool {
    match &spark.turn {
        SparkTurn::Raised(raised) => {
            let mark = Mark { offset: record.offset, epoch: record.epoch };
            sparks.get_or_insert_default().raise(Sparked::new(mark, &shared(&spark.rule), raised, now));
            true
        }
        SparkTurn::Cleared { spark: mark, why, .. } => {
            let Some(open) = sparks.as_mut().and_then(|sparks| sparks.at_mut(*mark)) else { return false };
            open.cleared.get_or_insert((now, *why));
            true
        }
        SparkTurn::Answered { spark: mark, answer, .. } => {
            let Some(asked) = sparks.as_mut().and_then(|sparks| sparks.at_mut(*mark)) else { return false };
            asked.answered.get_or_insert_with(|| (now, answer.clone()));
            true
        }
    }
}
