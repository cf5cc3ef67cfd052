//! Follows the fold and decides: which rules a change concerns, what is due by the passing of time, what a reply answers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tracing::warn;

use super::book::Book;
use super::cohort::{Census, CohortConfig, CohortError, CohortState, Sight, wants_ranks};
use super::fences::{Failure, Fence};
use super::going::{Case, Going, Proposal, SUBJECT};
use super::id::spark_id;
use super::index::{Change, is_one};
use super::path::{Known, Side};
use super::rules::{Rule, RuleConfig, RuleError};
use super::ruleset::{Given, Rules};
use crate::halo::{Fold, Models, Subject};
use crate::record::{Answered, Body, Deed, Draft, Mark, Name, Offset, Record, Reply, Spark, SparkTurn};
use crate::store::identity::Identities;

/// Rules that read the time of day or the present moment are looked at again after this, milliseconds.
const SWEEP_MS: u64 = 60_000;

/// Decides what the rules say of the halos. All it knows beside the rules it has from the fold.
pub struct Engine {
    configured: Vec<RuleConfig>,
    known: Known,
    models: Models,
    log_ids: Identities,
    /// Of the rules given over the administration socket.
    edition: u64,
    /// What those were read from.
    texts: HashMap<Name, Name>,
    pub(super) book: Book,
    pub(super) going: Going,
    census: Census,
    sweep_ms: u64,
    begun: bool,
}

impl Engine {
    /// With the rules of a configuration; those given over the socket come with the fold.
    ///
    /// # Errors
    /// As [`Rules::compile`].
    pub fn new(
        configured: Vec<RuleConfig>,
        known: Known,
        models: Models,
        log_ids: Identities,
    ) -> Result<Self, RuleError> {
        let rules = Rules::compile(&configured, &known)?;
        let (book, going) = (Book::new(rules), Going::default());
        let (census, sweep_ms) = (Census::default(), 0);
        Ok(Self {
            configured,
            known,
            models,
            log_ids,
            edition: 0,
            texts: HashMap::new(),
            book,
            going,
            census,
            sweep_ms,
            begun: false,
        })
    }

    /// Counts these cohorts as well.
    ///
    /// # Errors
    /// As [`super::check_cohorts`].
    pub fn with_cohorts(mut self, cohorts: &[CohortConfig]) -> Result<Self, CohortError> {
        self.census = Census::new(cohorts, &self.book.rules, &self.known)?;
        Ok(self)
    }

    /// Everything is folded that an earlier life left: from now on it decides, first about what stands undecided.
    pub fn begin(&mut self, fold: &Fold) -> Vec<Draft> {
        self.begun = true;
        self.edition = fold.ledger().edition();
        // Nothing is known of any rule yet: all of them look at everybody.
        self.book = Book::default();
        self.reload(fold);
        let (census, sight, drafts) = self.counting(fold);
        census.look(fold.applied(), sight, drafts);
        std::mem::take(&mut self.going.drafts)
    }

    /// A record was applied: what follows from it.
    pub fn follow(&mut self, record: &Record, fold: &Fold) -> Vec<Draft> {
        if !self.begun {
            return Vec::new();
        }
        if fold.ledger().edition() != self.edition {
            self.edition = fold.ledger().edition();
            self.reload(fold);
        }
        self.settle(record);
        self.resume(record, fold);
        self.speak_up(record, fold);
        if let Body::Reply(reply) = &record.body {
            self.reply(record.offset, reply, fold);
        }
        if !self.book.rules.is_empty() || self.book.central.is_wanted() {
            self.follow_rules(record, fold);
        }
        let (census, sight, drafts) = self.counting(fold);
        census.follow(record, sight, drafts);
        std::mem::take(&mut self.going.drafts)
    }

    fn follow_rules(&mut self, record: &Record, fold: &Fold) {
        let change = match (&record.body, fold.last().readings()) {
            (Body::Frame(_) | Body::Replayed(_), Some(readings)) => Change::Frame(readings),
            (Body::Spark(spark), _) if self.makes_room(spark, fold) => Change::All,
            (Body::Spark(_), _) => Change::Sparks,
            _ => Change::All,
        };
        for subject in fold.last().subjects() {
            let change = if fold.last().is_aged(subject) { Change::All } else { change };
            self.look(subject, change, record.offset, fold);
        }
        if let Body::Retained(retained) = &record.body {
            self.offers_changed(&retained.topic, record.offset, fold);
        }
        self.look_again(record, fold);
        self.pass_time(record.offset, fold);
        self.rank(record.offset, fold);
        for organisation in self.book.members.due(fold.clock().mono_ms) {
            self.refresh(&organisation, record.offset, fold);
        }
    }

    fn makes_room(&self, spark: &Spark, fold: &Fold) -> bool {
        matches!(spark.turn, SparkTurn::Cleared { .. })
            && fold.subject(&spark.subject).is_some_and(|subject| self.going.has_room_again(subject))
    }

    /// Figures over the members of an organisation are looked at if it is time to, and rules look at them.
    fn refresh(&mut self, organisation: &Name, cause: Offset, fold: &Fold) {
        if self.book.members.refresh(organisation, fold, &self.models)
            && let Some(organisation) = fold.subject(organisation)
        {
            self.judge_all(organisation, Change::Members, cause, fold);
        }
    }

    /// Cohorts, and what they need to be looked at.
    fn counting<'a>(&'a mut self, fold: &'a Fold) -> (&'a mut Census, Sight<'a>, &'a mut Vec<Draft>) {
        let Self { book: Book { members, central, .. }, models, going: Going { tally, drafts, .. }, census, .. } = self;
        (census, Sight { fold, models, members, central, tally }, drafts)
    }

    /// Ranks are computed if it is time to, and rules look at whoever has another one.
    fn rank(&mut self, cause: Offset, fold: &Fold) {
        for name in self.book.central.refresh(fold.clock().mono_ms, fold.applied()) {
            if let Some(subject) = fold.subject(&name) {
                self.judge_all(subject, Change::Members, cause, fold);
            }
        }
    }

    /// A decision stands: what it rests on may have changed while it was under way, and nothing else will tell. Of a rule
    /// with a `clear` of its own only what was raised is looked at: both of its conditions may be true, for ever.
    fn look_again(&mut self, record: &Record, fold: &Fold) {
        let Body::Spark(spark) = &record.body else { return };
        let (Some(number), Some(subject)) = (self.book.number(&spark.rule), fold.subject(&spark.subject)) else {
            return;
        };
        let clears = self.book.rules.get(number as usize).is_some_and(|rule| rule.clear.is_some());
        let looks = match spark.turn {
            SparkTurn::Raised(_) => true,
            SparkTurn::Cleared { .. } => !clears,
            SparkTurn::Answered { .. } => false,
        };
        if looks {
            self.judge(number, subject, record.offset, fold);
        }
    }

    /// Monotonic milliseconds at which something is due by itself.
    pub fn deadline(&self) -> Option<u64> {
        let sweep = (self.begun && self.reads_time()).then_some(self.sweep_ms);
        let ranks = self.book.central.deadline().filter(|_| self.begun);
        let members = self.book.members.deadline().filter(|_| self.begun);
        let cohorts = self.census.deadline().filter(|_| self.begun);
        self.going
            .timers
            .first()
            .map(|(at, ..)| *at)
            .into_iter()
            .chain(sweep)
            .chain(ranks)
            .chain(members)
            .chain(cohorts)
            .min()
    }

    /// Subjects whose quiet hours are over: their devices are to be told what stands.
    pub fn take_told(&mut self) -> Vec<Name> {
        std::mem::take(&mut self.going.told)
    }

    /// How often an expression was run.
    pub fn evaluations(&self) -> u64 {
        self.going.evaluations
    }

    /// Cohorts whose documents are others now.
    pub fn take_counted(&mut self) -> Vec<Name> {
        self.census.take_news()
    }

    /// All cohorts, in the order of the configuration.
    pub fn cohorts<'a>(&'a self, fold: &'a Fold) -> impl Iterator<Item = CohortState<'a>> {
        self.census.states(fold)
    }

    /// Whether there are no rules at all, and no cohorts.
    pub fn is_idle(&self) -> bool {
        self.book.rules.is_empty() && self.edition == 0 && self.census.is_empty()
    }

    /// What is wrong with rules, for a human.
    pub fn ailments(&self) -> impl Iterator<Item = String> {
        let fenced = self.book.fences.rules().filter_map(|(number, fence)| {
            let rule = self.book.rules.get(number as usize)?;
            let colon = if let Fence::All(_) = fence { ":" } else { "" };
            Some(format!("rule {} is fenced off{colon} {}", rule.name, fence.words()))
        });
        fenced.chain(self.census.ailments())
    }

    /// What sparks are named by.
    pub fn log_ids(&self) -> &Identities {
        &self.log_ids
    }

    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    pub(super) fn is_configured(&self, name: &str) -> bool {
        self.configured.iter().any(|rule| rule.name == name)
    }

    fn reads_time(&self) -> bool {
        self.book.rules.iter().any(|rule| rule.reads_time())
    }

    /// The rules of the configuration and those given over the socket, as far as they can be read.
    fn given<'a>(&'a self, fold: &'a Fold) -> Vec<Given<'a>> {
        let kept = |name: &str| self.book.rule(name).map(Given::Kept);
        let configured =
            self.configured.iter().map(|config| kept(&config.name).unwrap_or_else(|| Given::new(config.clone())));
        let others = fold.ledger().rules().filter(|(name, _)| !self.is_configured(name));
        let others = others.filter_map(|(name, text)| {
            let is_same = self.texts.get(name).is_some_and(|known| Arc::ptr_eq(known, text) || known == text);
            if let Some(same) = kept(name).filter(|_| is_same) {
                return Some(same);
            }
            let read = toml::from_str(text);
            read.inspect_err(
                |error| warn!(rule = %name, %error, "a rule of the administration socket cannot be read any more"),
            )
            .ok()
            .map(Given::new)
        });
        configured.chain(others).collect()
    }

    fn rules(&self, fold: &Fold) -> Rules {
        Rules::together(self.given(fold), &self.known).unwrap_or_else(|error| {
            warn!(%error, "rules of the administration socket are not taken: those of the configuration alone are in force");
            Rules::compile(&self.configured, &self.known).unwrap_or_default()
        })
    }

    /// Compiles the rules that are new. Conditions of a rule whose text is the same go on holding; sparks of one that is gone
    /// end.
    fn reload(&mut self, fold: &Fold) {
        let rules = self.rules(fold);
        self.texts = fold.ledger().rules().map(|(name, text)| (name.clone(), text.clone())).collect();
        let mut before = std::mem::replace(&mut self.book, Book::new(rules));
        let ranks = wants_ranks(self.book.rules.iter().flat_map(|rule| &rule.paths)) || self.census.wants_ranks();
        self.book.central = std::mem::take(&mut before.central);
        self.book.central.want(ranks);
        self.going.carry_over(&before, &self.book);
        self.book.fences = before.fences.carried(|old| self.book.same(&before, old));
        self.book.joins.begin(fold);
        let offset = fold.applied();
        for subject in fold.subjects() {
            self.book.members.follow(subject);
            self.book.central.follow(subject, &self.models);
        }
        for subject in fold.subjects() {
            self.going.end_orphans(&self.book, subject, offset);
            self.going.await_answers(subject, fold);
        }
        for number in self.book.unlike(&before) {
            self.judge_everybody(number, offset, fold);
        }
        self.rank(offset, fold);
        self.sweep_ms = fold.clock().mono_ms.saturating_add(SWEEP_MS);
    }

    /// A rule is tried anew.
    fn resume(&mut self, record: &Record, fold: &Fold) {
        let Body::Act(act) = &record.body else { return };
        let Deed::Resume { rule } = &act.deed else { return };
        let Some(number) = self.book.number(rule) else { return };
        self.book.fences.lift(number);
        self.judge_everybody(number, record.offset, fold);
    }

    /// A rule that was quiet is heard again: what it would have raised meanwhile it has kept to itself.
    fn speak_up(&mut self, record: &Record, fold: &Fold) {
        let Body::Spark(spark) = &record.body else { return };
        if self.turned(spark, fold).is_some_and(|turned| !turned.quiet)
            && let Some(number) = self.book.number(&spark.rule)
        {
            self.judge_everybody(number, record.offset, fold);
        }
    }

    fn judge_everybody(&mut self, number: u32, cause: Offset, fold: &Fold) {
        fold.subjects().into_iter().for_each(|subject| self.judge(number, subject, cause, fold));
    }

    /// What was proposed stands in the log now.
    fn settle(&mut self, record: &Record) {
        let Body::Spark(spark) = &record.body else { return };
        let (pair, proposal) = match &spark.turn {
            SparkTurn::Raised(raised) => (&raised.pair, Proposal::Raise),
            SparkTurn::Cleared { pair, .. } => (pair, Proposal::Clear),
            SparkTurn::Answered { spark: mark, pair, .. } => (pair, Proposal::Answer(*mark)),
        };
        let rule = self.book.number(&spark.rule).unwrap_or(u32::MAX);
        let case = Case { rule, subject: spark.subject.clone(), pair: pair.clone() };
        self.going.settled(&case, proposal);
        if !matches!(proposal, Proposal::Answer(_)) {
            self.going.next_of(&case, spark, Mark { offset: record.offset, epoch: record.epoch });
        }
    }

    /// Looks at what a change of a subject concerns.
    fn look(&mut self, subject: &Subject, change: Change<'_>, cause: Offset, fold: &Fold) {
        if let Change::Sparks | Change::All = change {
            self.going.await_answers(subject, fold);
        }
        // Whoever leaves an organisation changes its figures too.
        let mut organisations: BTreeSet<Name> = BTreeSet::new();
        if let Change::All = change {
            self.book.fences.lift_for(subject.name());
            organisations.extend(self.book.members.organisations(subject.name()).cloned());
            self.book.members.follow(subject);
        }
        self.book.central.follow(subject, &self.models);
        let moved = self.book.joins.follow(subject);
        organisations.extend(self.book.members.organisations(subject.name()).cloned());
        for organisation in &organisations {
            self.book.members.touch(organisation);
            self.refresh(organisation, cause, fold);
        }
        if self.book.members.is_organisation(subject.name()) {
            self.book.members.refresh(subject.name(), fold, &self.models);
        }
        self.judge_all(subject, change, cause, fold);
        for moved in moved {
            self.judge_moved(subject, &moved.join, &moved.left, cause, fold);
        }
    }

    fn judge_all(&mut self, subject: &Subject, change: Change<'_>, cause: Offset, fold: &Fold) {
        for rule in self.book.index.concerned(Side::A, subject, change) {
            self.judge(rule, subject, cause, fold);
        }
        for rule in self.book.index.concerned(Side::B, subject, change) {
            self.judge_seekers(rule, subject, &BTreeSet::new(), cause, fold);
        }
    }

    /// A subject is somewhere else by a key: rules joined by it look at it, and at those it left and met.
    fn judge_moved(
        &mut self,
        subject: &Subject,
        join: &super::rules::Join,
        left: &BTreeSet<Name>,
        cause: Offset,
        fold: &Fold,
    ) {
        for rule in self.book.those(|rule| rule.join.as_ref() == Some(join)) {
            self.judge(rule, subject, cause, fold);
            self.judge_seekers(rule, subject, left, cause, fold);
        }
    }

    /// A rule looks at everybody that has a subject as `b`, or had it.
    fn judge_seekers(&mut self, number: u32, b: &Subject, left: &BTreeSet<Name>, cause: Offset, fold: &Fold) {
        let Some(rule) = self.book.rules.get(number as usize) else { return };
        let (Some(join), Some(with)) = (&rule.join, &rule.config.with) else { return };
        let mut seekers = BTreeSet::new();
        if is_one((with.subject.as_deref(), with.kind), b) {
            seekers = self.book.joins.sought_by(join, &rule.config.about, with, b);
            seekers.extend(left.iter().cloned());
        }
        let open = self.going.partners.get(b.name()).into_iter().flatten();
        seekers.extend(open.filter(|(rule, _)| *rule == number).map(|(_, a)| a.clone()));
        for a in seekers {
            if let Some(a) = fold.subject(&a) {
                self.judge(number, a, cause, fold);
            }
        }
    }

    fn judge(&mut self, number: u32, a: &Subject, cause: Offset, fold: &Fold) {
        let Some(rule) = self.book.rules.get(number as usize) else { return };
        let about = &rule.config.about;
        if self.book.fences.hold_off(number, a.name()) || !is_one((about.subject.as_deref(), about.kind), a) {
            return;
        }
        let failures = self.going.judge(&self.book, (number, rule), a, cause, fold, &self.models);
        if let Some(Failure { reason, .. }) = failures.first() {
            warn!(rule = %rule.name, subject = %a.name(), %reason, "a rule is fenced off");
            self.book.fences.put_up(number, a.name(), failures);
        }
    }

    fn offers_changed(&mut self, topic: &str, cause: Offset, fold: &Fold) {
        let rules = self.book.those(|rule| {
            rule.table
                .as_ref()
                .is_some_and(|(organisation, table)| topic.ends_with(&format!("/offers/{organisation}/{table}")))
        });
        // What could not be run may have failed by a cell of the former table.
        rules.iter().for_each(|rule| self.book.fences.lift(*rule));
        if rules.is_empty() {
            return;
        }
        for subject in fold.subjects() {
            rules.iter().for_each(|rule| self.judge(*rule, subject, cause, fold));
        }
    }

    fn pass_time(&mut self, cause: Offset, fold: &Fold) {
        let now = fold.clock();
        while self.going.timers.first().is_some_and(|(due, ..)| *due <= now.mono_ms) {
            let Some((_, name, number)) = self.going.timers.pop_first() else { return };
            let Some(subject) = fold.subject(&name) else { continue };
            if number == SUBJECT {
                self.going.ignore_unanswered(&self.book, subject, fold);
                self.going.end_quiet(subject, fold);
            } else {
                self.judge(number, subject, cause, fold);
            }
        }
        if now.mono_ms >= self.sweep_ms && self.reads_time() {
            self.sweep_ms = now.mono_ms.saturating_add(SWEEP_MS);
            let rules = self.book.those(Rule::reads_time);
            for subject in fold.subjects() {
                rules.iter().for_each(|rule| self.judge(*rule, subject, cause, fold));
            }
        }
    }

    /// Somebody answered: what it was about is one of the subject's sparks, or the answer leads to nothing.
    fn reply(&mut self, cause: Offset, reply: &Reply, fold: &Fold) {
        let sparks = fold.subject(&reply.subject).and_then(|subject| subject.sparks());
        let is_it =
            |spark: &&crate::halo::Sparked| spark_id(&spark.rule, &self.log_ids, spark.mark) == reply.said.spark;
        let Some(spark) = sparks.and_then(|sparks| sparks.iter().rev().find(is_it)) else {
            warn!(subject = %reply.subject, spark = reply.said.spark, "an answer to no spark of the subject");
            return;
        };
        if spark.answered.is_some() {
            return;
        }
        let device = Some(reply.device.clone()).filter(|device| *device != reply.subject);
        let (rating, text) = (reply.said.rating, reply.said.text.clone());
        let answer = Answered { answer: reply.said.answer, device, rating, text };
        let turn = SparkTurn::Answered { spark: spark.mark, pair: spark.pair.clone(), answer };
        let number = self.book.number(&spark.rule).unwrap_or(u32::MAX);
        let case = Case { rule: number, subject: reply.subject.clone(), pair: spark.pair.clone() };
        let body = Spark { subject: reply.subject.clone(), rule: spark.rule.clone(), turn };
        self.going.propose(case, Proposal::Answer(spark.mark), cause, body);
    }
}
