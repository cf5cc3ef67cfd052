//! What is going on between records: what holds and has not held for long enough, what was decided and is not in the log
//! yet, what is due when.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::ahead::Ahead;
use super::book::Book;
use super::quiet::quiet_until_ms;
use crate::halo::{Fold, Subject, Tally};
use crate::record::{Answer, Answered, Body, Cleared, Draft, GatewayTime, Mark, Name, Offset, Pair, Spark, SparkTurn};

/// In the place of a rule's number: to look for answers that did not come, or for quiet hours that are over.
pub(super) const SUBJECT: u32 = u32::MAX;

/// A rule, whose halo, and with what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Case {
    pub(super) rule: u32,
    pub(super) subject: Name,
    pub(super) pair: Pair,
}

/// What was decided and is not durable yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Proposal {
    Raise,
    Clear,
    Answer(Mark),
}

/// Since when a condition holds that has not held for long enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    pub(super) mono_ms: u64,
    pub(super) wall_ms: i64,
}

/// What is going on between records.
#[derive(Default)]
pub(super) struct Going {
    pub(super) holding: BTreeMap<Case, Since>,
    proposed: HashMap<Name, HashSet<(Case, Proposal)>>,
    /// What was decided since about cases of which something is on its way.
    pub(super) ahead: HashMap<Case, VecDeque<Ahead>>,
    /// When which subject is to be looked at again for which rule.
    pub(super) timers: BTreeSet<(u64, Name, u32)>,
    /// Cases that are open or may become so, by the other halo.
    pub(super) partners: HashMap<Name, BTreeSet<(u32, Name)>>,
    pub(super) drafts: Vec<Draft>,
    pub(super) evaluations: u64,
    /// Subjects whose devices are to be told what stands.
    pub(super) told: Vec<Name>,
    pub(super) tally: RefCell<Tally>,
}

impl Going {
    pub(super) fn propose(&mut self, case: Case, proposal: Proposal, cause: Offset, spark: Spark) {
        if self.proposed.entry(case.subject.clone()).or_default().insert((case, proposal)) {
            self.drafts.push(Draft { cause: Some(cause), body: Body::Spark(spark) });
        }
    }

    /// It is in the log.
    pub(super) fn settled(&mut self, case: &Case, proposal: Proposal) {
        let Some(proposed) = self.proposed.get_mut(&case.subject) else { return };
        proposed.remove(&(case.clone(), proposal));
        if proposed.is_empty() {
            self.proposed.remove(&case.subject);
        }
    }

    pub(super) fn is_proposed(&self, case: &Case, proposal: Proposal) -> bool {
        self.proposed.get(&case.subject).is_some_and(|proposed| proposed.contains(&(case.clone(), proposal)))
    }

    /// How many sparks of a subject are on their way.
    pub(super) fn raising(&self, subject: &str) -> usize {
        let proposed = self.proposed.get(subject).into_iter().flatten();
        proposed.filter(|(_, proposal)| *proposal == Proposal::Raise).count()
    }

    /// Renumbers what goes on by the names of the rules, and forgets what belongs to a rule that is another one now.
    pub(super) fn carry_over(&mut self, before: &Book, now: &Book) {
        let named = |old: u32| {
            let rule = before.rules.get(old as usize)?;
            Some((rule, now.number(&rule.name)?))
        };
        let same = |old| now.same(before, old);
        let holding = std::mem::take(&mut self.holding).into_iter();
        let kept = holding.filter_map(|(case, since)| Some((Case { rule: same(case.rule)?, ..case }, since)));
        self.holding = kept.collect();
        for proposed in self.proposed.values_mut() {
            let all = std::mem::take(proposed).into_iter();
            *proposed = all.filter_map(|(case, it)| Some((Case { rule: named(case.rule)?.1, ..case }, it))).collect();
        }
        self.proposed.retain(|_, proposed| !proposed.is_empty());
        let ahead = std::mem::take(&mut self.ahead).into_iter();
        self.ahead = ahead.filter_map(|(case, it)| Some((Case { rule: same(case.rule)?, ..case }, it))).collect();
        let timers = std::mem::take(&mut self.timers).into_iter();
        let number = |old: u32| if old == SUBJECT { Some(SUBJECT) } else { same(old) };
        self.timers = timers.filter_map(|(due, name, rule)| Some((due, name, number(rule)?))).collect();
        for cases in self.partners.values_mut() {
            *cases = cases.iter().filter_map(|(rule, a)| Some((same(*rule)?, a.clone()))).collect();
        }
        self.partners.retain(|_, cases| !cases.is_empty());
    }

    /// Ends the open sparks of rules that are in force no more.
    pub(super) fn end_orphans(&mut self, book: &Book, subject: &Subject, cause: Offset) {
        for spark in subject.sparks().into_iter().flat_map(|sparks| sparks.open()) {
            if book.number(&spark.rule).is_none() {
                let turn = SparkTurn::Cleared { spark: spark.mark, pair: spark.pair.clone(), why: Cleared::Rule };
                let body = Spark { subject: subject.name().clone(), rule: spark.rule.clone(), turn };
                self.drafts.push(Draft { cause: Some(cause), body: Body::Spark(body) });
            }
        }
    }

    /// Sees to it that who does not answer in time is noticed, and that quiet hours end.
    pub(super) fn await_answers(&mut self, subject: &Subject, fold: &Fold) {
        let now = fold.clock();
        let sparks = || subject.sparks().into_iter().flat_map(|sparks| sparks.iter());
        let quiet_ms = quiet_until_ms(subject, now.wall_ms);
        let waits = sparks().any(|spark| spark.is_for_devices(now.wall_ms));
        let due = sparks().filter_map(|spark| spark.awaits_ms()).chain(quiet_ms.filter(|_| waits));
        for until_ms in due.collect::<Vec<_>>() {
            self.look_at(subject, until_ms, now);
        }
    }

    /// A subject is to be looked at again at a time, Unix milliseconds.
    fn look_at(&mut self, subject: &Subject, unix_ms: i64, now: GatewayTime) {
        let wait_ms = u64::try_from(unix_ms.saturating_sub(now.wall_ms)).unwrap_or(0).max(1);
        self.timers.insert((now.mono_ms.saturating_add(wait_ms), subject.name().clone(), SUBJECT));
    }

    /// The quiet hours of a subject were to end now: its devices are told what stands, or they are longer than they were.
    pub(super) fn end_quiet(&mut self, subject: &Subject, fold: &Fold) {
        let now = fold.clock();
        let mut sparks = subject.sparks().into_iter().flat_map(|sparks| sparks.iter());
        if !sparks.any(|spark| spark.is_for_devices(now.wall_ms)) {
            return;
        }
        match quiet_until_ms(subject, now.wall_ms) {
            None => self.told.push(subject.name().clone()),
            Some(until_ms) => self.look_at(subject, until_ms, now),
        }
    }

    pub(super) fn ignore_unanswered(&mut self, book: &Book, subject: &Subject, fold: &Fold) {
        let now_ms = fold.clock().wall_ms;
        let overdue = subject.sparks().into_iter().flat_map(|sparks| sparks.iter());
        for spark in overdue.filter(|spark| spark.awaits_ms().is_some_and(|until_ms| until_ms <= now_ms)) {
            let answer = Answered { answer: Answer::Ignored, device: None, rating: None, text: String::new() };
            let turn = SparkTurn::Answered { spark: spark.mark, pair: spark.pair.clone(), answer };
            let (name, rule) = (subject.name().clone(), book.number(&spark.rule).unwrap_or(u32::MAX));
            let case = Case { rule, subject: name.clone(), pair: spark.pair.clone() };
            let body = Spark { subject: name, rule: spark.rule.clone(), turn };
            self.propose(case, Proposal::Answer(spark.mark), spark.mark.offset, body);
        }
    }
}
