//! One rule and one subject: with what it is brought together, whether the condition holds there, and what follows.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::book::Book;
use super::cel::{Program, Value};
use super::fences::Failure;
use super::going::{Case, Going, Proposal, Since};
use super::index::is_one;
use super::offered::{Wanted, rows};
use super::quiet::quiet_until_ms;
use super::rules::Rule;
use super::view::{Halo, View};
use crate::halo::{Fold, Models, SPARKS_MAX, Subject, Tally};
use crate::ingest::offers::{Row, Table};
use crate::record::{Cleared, Name, Offset, Pair, Raised, Severity, Spark, SparkTurn};

/// Steps that one condition may take.
const BUDGET: u32 = super::cel::BUDGET;
/// Answers before a rule is judged by them.
const ANSWERS_MIN: u64 = 20;

/// What a subject is brought together with at the moment.
struct Meeting<'a> {
    pair: Pair,
    b: Option<Halo<'a>>,
    row: Option<&'a Row>,
}

/// What all evaluations of one rule about one subject share.
struct Hearing<'v, 'h> {
    number: u32,
    rule: &'v Rule,
    book: &'v Book,
    a: &'v Halo<'h>,
    table: Option<&'h Table>,
    fold: &'h Fold,
    models: &'h Models,
    tally: &'v RefCell<Tally>,
    cause: Offset,
}

impl<'v, 'h> Hearing<'v, 'h> {
    fn view<'s>(&'s self, b: Option<&'s Halo<'h>>, row: Option<&'h Row>) -> View<'s, 'h> {
        View {
            paths: &self.rule.paths,
            a: self.a,
            b,
            row,
            table: self.table,
            members: &self.book.members,
            central: &self.book.central,
            tally: self.tally,
            now_ms: self.fold.clock().wall_ms,
            alone: None,
        }
    }

    fn case(&self, pair: &Pair) -> Case {
        Case { rule: self.number, subject: self.a.subject.name().clone(), pair: pair.clone() }
    }

    fn spark(&self, turn: SparkTurn) -> Spark {
        Spark { subject: self.a.subject.name().clone(), rule: self.rule.name.clone(), turn }
    }
}

impl Going {
    /// Looks at everything that a rule says of a subject; what could not be run.
    pub(super) fn judge(
        &mut self,
        book: &Book,
        (number, rule): (u32, &Rule),
        a: &Subject,
        cause: Offset,
        fold: &Fold,
        models: &Models,
    ) -> Vec<Failure> {
        let halo = Halo::new(a, models);
        let table = rule.table.as_ref().and_then(|(organisation, table)| fold.offers().table(organisation, table));
        let tally = std::mem::take(&mut self.tally);
        let table = table.map(|table| &**table);
        let hearing = Hearing { number, rule, book, a: &halo, table, fold, models, tally: &tally, cause };
        let failures = self.hear_all(&hearing);
        self.tally = tally;
        failures
    }

    fn hear_all(&mut self, hearing: &Hearing<'_, '_>) -> Vec<Failure> {
        let Met { meetings, passed_over, mut failures } = meetings(hearing);
        for meeting in &meetings {
            if let Err(reason) = self.hear(hearing, meeting) {
                failures.push(Failure { with: meeting.pair.with.clone(), elsewhere: false, reason });
            }
        }
        if !failures.is_empty() {
            let failed: BTreeSet<Option<Name>> = failures.iter().map(|it| it.with.clone()).collect();
            let elsewhere = meetings.iter().any(|meeting| !failed.contains(&meeting.pair.with));
            failures.iter_mut().for_each(|failure| failure.elsewhere = elsewhere);
        }
        self.part(hearing, |pair| {
            passed_over.contains(&pair.with) || meetings.iter().any(|meeting| meeting.pair == *pair)
        });
        failures
    }

    fn hear<'h>(&mut self, hearing: &Hearing<'_, 'h>, meeting: &Meeting<'h>) -> Result<(), String> {
        let (rule, sparks) = (hearing.rule, hearing.a.subject.sparks());
        let last = sparks.and_then(|sparks| sparks.last(&rule.name, &meeting.pair));
        let case = hearing.case(&meeting.pair);
        self.evaluations += 1;
        let expected = self.expected(&case);
        let open = last.filter(|spark| spark.is_open());
        if expected.unwrap_or(open.is_some()) {
            self.expect(&case);
            let view = hearing.view(meeting.b.as_ref(), meeting.row);
            let over = match &rule.clear {
                Some(clear) => holds(clear, &view, "clear")? == Some(true),
                None => holds(&rule.when, &view, "when")? == Some(false),
            };
            match open.filter(|_| over && expected.is_none()) {
                Some(open) => {
                    let (spark, pair) = (open.mark, open.pair.clone());
                    let body = hearing.spark(SparkTurn::Cleared { spark, pair, why: Cleared::Over });
                    self.propose(case, Proposal::Clear, hearing.cause, body);
                }
                None if over => drop(self.clear_later(&case, hearing.cause)),
                None => {}
            }
            return Ok(());
        }
        let view = hearing.view(meeting.b.as_ref(), meeting.row);
        if holds(&rule.when, &view, "when")? != Some(true) {
            self.holding.remove(&case);
            self.forget(&case);
            return Ok(());
        }
        let cleared_ms = match expected {
            Some(_) => Some(hearing.fold.clock().mono_ms),
            None => sparks.and_then(|sparks| sparks.ended_ms(&rule.name, &meeting.pair)),
        };
        let cooled_ms = cleared_ms.map_or(0, |at_ms| at_ms.saturating_add(millis(rule.config.cool_down)));
        self.hold(hearing, meeting, case, cooled_ms);
        Ok(())
    }

    /// The condition holds: raises a spark when it has for long enough, else comes back when it will have.
    fn hold<'h>(&mut self, hearing: &Hearing<'_, 'h>, meeting: &Meeting<'h>, case: Case, cooled_ms: u64) {
        let (rule, now) = (hearing.rule, hearing.fold.clock());
        self.expect(&case);
        let since = *self.holding.entry(case.clone()).or_insert(Since { mono_ms: now.mono_ms, wall_ms: now.wall_ms });
        let due = since.mono_ms.saturating_add(millis(rule.config.hold)).max(cooled_ms);
        if now.mono_ms < due {
            self.timers.insert((due, case.subject, case.rule));
            return;
        }
        if self.is_full(hearing.a.subject) || is_quiet(rule, hearing.fold) {
            return;
        }
        let raised = raised(hearing, meeting, since);
        if self.expected(&case).is_some() {
            if self.raise_later(&case, hearing.cause, raised) {
                self.holding.remove(&case);
            }
            return;
        }
        self.holding.remove(&case);
        let body = hearing.spark(SparkTurn::Raised(Box::new(raised)));
        self.propose(case, Proposal::Raise, hearing.cause, body);
    }

    /// Whether another spark of a subject has no place beside the open ones and those that are on their way.
    fn is_full(&self, subject: &Subject) -> bool {
        self.begun(subject) >= SPARKS_MAX
    }

    /// Whether there was no such place until one of a subject's sparks ended: what found none may find it now.
    pub(super) fn has_room_again(&self, subject: &Subject) -> bool {
        self.begun(subject) + 1 >= SPARKS_MAX
    }

    fn begun(&self, subject: &Subject) -> usize {
        subject.sparks().map_or(0, |sparks| sparks.open().count()) + self.raising(subject.name())
    }

    /// What is open, or was holding, with what the subject is not brought together with any more.
    fn part(&mut self, hearing: &Hearing<'_, '_>, meets: impl Fn(&Pair) -> bool) {
        let (number, name) = (hearing.number, hearing.a.subject.name());
        let first = hearing.case(&Pair::default());
        let gone: Vec<Case> = self
            .holding
            .range(first..)
            .map(|(case, _)| case)
            .take_while(|case| case.rule == number && case.subject == *name)
            .filter(|case| !meets(&case.pair))
            .cloned()
            .collect();
        for case in &gone {
            self.holding.remove(case);
            self.forget(case);
        }
        let sparks = hearing.a.subject.sparks().into_iter().flat_map(|sparks| sparks.open());
        for open in sparks.filter(|spark| spark.rule == hearing.rule.name && !meets(&spark.pair)) {
            let case = hearing.case(&open.pair);
            let (spark, pair) = (open.mark, open.pair.clone());
            let body = hearing.spark(SparkTurn::Cleared { spark, pair, why: Cleared::Apart });
            self.forget(&case);
            self.propose(case, Proposal::Clear, hearing.cause, body);
        }
    }

    /// The other halo of a case is to be looked at as well from now on, wherever it goes.
    fn expect(&mut self, case: &Case) {
        if let Some(with) = &case.pair.with {
            self.partners.entry(with.clone()).or_default().insert((case.rule, case.subject.clone()));
        }
    }

    fn forget(&mut self, case: &Case) {
        let Some(with) = &case.pair.with else { return };
        if let Some(cases) = self.partners.get_mut(with) {
            cases.remove(&(case.rule, case.subject.clone()));
            if cases.is_empty() {
                self.partners.remove(with);
            }
        }
    }
}

/// Whom and what a subject meets.
#[derive(Default)]
struct Met<'a> {
    meetings: Vec<Meeting<'a>>,
    /// Those it meets too, but over whom the rule is not run.
    passed_over: BTreeSet<Option<Name>>,
    failures: Vec<Failure>,
}

fn meetings<'h>(hearing: &Hearing<'_, 'h>) -> Met<'h> {
    let mut met = Met::default();
    let (fences, a) = (&hearing.book.fences, hearing.a.subject.name());
    for b in partners_of(hearing) {
        let with = b.map(|b| b.name().clone());
        if with.as_ref().is_some_and(|with| fences.passes_over(hearing.number, a, with)) {
            met.passed_over.insert(with);
            continue;
        }
        let rows = match hearing.rule.config.offer {
            Some(_) => rows_of(hearing, b),
            None => Ok(vec![None]),
        };
        let rows = rows.unwrap_or_else(|reason| {
            met.failures.push(Failure { with: with.clone(), elsewhere: false, reason });
            met.passed_over.insert(with.clone());
            Vec::new()
        });
        for row in rows {
            let pair = Pair { with: with.clone(), offer: row.map(|row| row.key().clone()) };
            met.meetings.push(Meeting { pair, b: b.map(|b| Halo::new(b, hearing.models)), row });
        }
    }
    met
}

/// None alone, where the rule is about one halo.
fn partners_of<'h>(hearing: &Hearing<'_, 'h>) -> Vec<Option<&'h Subject>> {
    let (Some(join), Some(with)) = (&hearing.rule.join, &hearing.rule.config.with) else { return vec![None] };
    let partners = hearing.book.joins.partners(join, with, hearing.a.subject).into_iter();
    let known = partners.filter_map(|name| hearing.fold.subject(name));
    known.filter(|b| is_one((with.subject.as_deref(), with.kind), b)).map(Some).collect()
}

fn rows_of<'h>(hearing: &Hearing<'_, 'h>, b: Option<&'h Subject>) -> Result<Vec<Option<&'h Row>>, String> {
    let (Some(table), Some(offer)) = (hearing.table, &hearing.rule.config.offer) else { return Ok(Vec::new()) };
    let b = b.map(|b| Halo::new(b, hearing.models));
    let view = View { b: b.as_ref(), ..hearing.view(None, None) };
    let wanted = match &hearing.rule.is {
        None => Wanted::Any,
        Some(is) => run(is, &view, "offer.is")?.map_or(Wanted::Unknown, Wanted::Like),
    };
    Ok(rows(table, &offer.column, wanted)?.into_iter().map(Some).collect())
}

fn raised<'h>(hearing: &Hearing<'_, 'h>, meeting: &Meeting<'h>, since: Since) -> Raised {
    let (rule, now) = (hearing.rule, hearing.fold.clock());
    let view = hearing.view(meeting.b.as_ref(), meeting.row);
    let decides = rule.decides();
    let lead_s = lead_ms(hearing, meeting).map(|lead_ms| u64::try_from(lead_ms / 1000).unwrap_or(0));
    let published = rule.table.as_ref().and_then(|(one, two)| hearing.fold.offers().published(one, two));
    let mut facts = view.facts(decides.into_iter(), hearing.cause);
    facts.extend(view.cells(rule.decides_by_columns(), published.unwrap_or_default()));
    let after = |from_ms: i64, wait: std::time::Duration| from_ms.saturating_add_unsigned(millis(wait));
    // Nobody can answer what the devices are told only when the quiet hours end.
    let quiet_ms = quiet_until_ms(hearing.a.subject, now.wall_ms);
    let asked_ms = quiet_ms.filter(|_| rule.config.severity < Severity::Critical).unwrap_or(now.wall_ms);
    let mut budget = BUDGET;
    Raised {
        pair: meeting.pair.clone(),
        severity: rule.config.severity,
        owner: rule.owner.clone(),
        since_ms: since.wall_ms,
        lead_s,
        message: rule.message.render(&view, &mut budget).text,
        facts,
        cmd: rule.config.cmd,
        expires_ms: rule.config.expires.map(|wait| after(now.wall_ms, wait)),
        answer_until_ms: rule.config.answer_within.map(|wait| after(asked_ms, wait)),
    }
}

/// How far ahead a rule sees what it is raised by: as far as the nearest of the forecasts it reads that would do without
/// the others, or where it takes several of them, as the nearest.
fn lead_ms<'h>(hearing: &Hearing<'_, 'h>, meeting: &Meeting<'h>) -> Option<i64> {
    let when = &hearing.rule.when;
    let leads = hearing.view(meeting.b.as_ref(), meeting.row).leads(when.slots());
    let does = |alone| {
        let view = View { alone: Some(alone), ..hearing.view(meeting.b.as_ref(), meeting.row) };
        matches!(holds(when, &view, "when"), Ok(Some(true)))
    };
    let enough = leads.iter().find(|(ahead, _)| leads.len() > 1 && does(*ahead));
    enough.or(leads.first()).map(|(_, lead_ms)| *lead_ms)
}

fn run<'v>(program: &'v Program, view: &'v View<'_, '_>, key: &str) -> Result<Option<Value<'v>>, String> {
    let mut budget = BUDGET;
    program.run(view, &mut budget).map_err(|failure| format!("{key}: {failure}"))
}

fn holds(program: &Program, view: &View<'_, '_>, key: &str) -> Result<Option<bool>, String> {
    Ok(match run(program, view, key)? {
        Some(Value::Bool(is)) => Some(is),
        _ => None,
    })
}

/// Whether too few of the answers were yes.
pub(super) fn is_quiet(rule: &Rule, fold: &Fold) -> bool {
    fold.ledger().book(&rule.name).is_some_and(|book| is_under(book.accepted, book.answers(), rule.config.floor))
}

/// Whether so many of so many answers are fewer than a share of them, and are enough to judge by.
pub(super) fn is_under(accepted: u64, answers: u64, floor: f64) -> bool {
    answers >= ANSWERS_MIN && (accepted as f64) < floor * answers as f64
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
