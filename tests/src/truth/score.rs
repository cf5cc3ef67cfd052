//! The table: what was true, what was found, and how much of each agrees.

use std::fmt;

use serde::Serialize;

/// What precision and recall of everything that the sensors can show have to reach.
pub const FLOOR: f64 = 0.95;

/// One event of one kind of device, over all seeds and devices.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Of which scenario.
    pub scenario: &'static str,
    /// What sort of device.
    pub kind: &'static str,
    /// What happened, with the tolerance it is judged by.
    pub event: &'static str,
    /// What is counted: events, seconds, metres.
    pub unit: &'static str,
    /// True, and to be seen by the sensors.
    pub truths: f64,
    /// Told by the gateway.
    pub found: f64,
    /// Of the truths, those that were found.
    pub recalled: f64,
    /// Of what was told, what was true.
    pub right: f64,
    /// True, but not to be seen by the sensors.
    pub hidden: f64,
    /// Why not, or what else is to be said.
    pub note: &'static str,
}

/// How far ahead sparks of one sort came.
#[derive(Clone, Debug, Serialize)]
pub struct Lead {
    /// What sort of device.
    pub kind: &'static str,
    /// What it foretells.
    pub event: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// Of each spark.
    pub each: Vec<Ahead>,
}

/// What one spark said was left, and what was.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ahead {
    /// As told.
    pub told: f64,
    /// The interval of 90 % that was told with it.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// What really was left.
    pub left: f64,
}

/// All of it, in the order of its first mention.
#[derive(Debug, Default, Serialize)]
pub struct Table {
    /// One a row.
    pub lines: Vec<Line>,
    /// How far ahead sparks came that rest on a forecast.
    pub leads: Vec<Lead>,
}

/// What a line is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    pub(super) scenario: &'static str,
    pub(super) kind: &'static str,
    pub(super) event: &'static str,
    pub(super) unit: &'static str,
    pub(super) note: &'static str,
}

/// What one device adds to a line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) truths: f64,
    pub(super) found: f64,
    pub(super) recalled: f64,
    pub(super) right: f64,
    pub(super) hidden: f64,
}

impl Tally {
    /// How much of a quantity was found: what is told too much is wrong, what is told too little is missed.
    pub(super) fn of_amounts(truth: f64, found: f64) -> Self {
        let both = truth.min(found);
        Self { truths: truth, found, recalled: both, right: both, hidden: 0.0 }
    }

    /// Whether one thing that is always told was told right.
    pub(super) fn of_one(right: bool) -> Self {
        let right = f64::from(u8::from(right));
        Self { truths: 1.0, found: 1.0, recalled: right, right, hidden: 0.0 }
    }
}

impl Table {
    pub(super) fn add(&mut self, about: About, tally: Tally) {
        let is_it = |line: &Line| (line.kind, line.event) == (about.kind, about.event);
        let line = match self.lines.iter().position(is_it) {
            Some(at) => self.lines.get_mut(at),
            None => {
                let About { scenario, kind, event, unit, note } = about;
                let line = Line {
                    scenario,
                    kind,
                    event,
                    unit,
                    truths: 0.0,
                    found: 0.0,
                    recalled: 0.0,
                    right: 0.0,
                    hidden: 0.0,
                    note,
                };
                self.lines.push(line);
                self.lines.last_mut()
            }
        };
        let Some(line) = line else { return };
        line.truths += tally.truths;
        line.found += tally.found;
        line.recalled += tally.recalled;
        line.right += tally.right;
        line.hidden += tally.hidden;
    }

    /// Adds all of another.
    pub(super) fn take(&mut self, other: Self) {
        for Line { scenario, kind, event, unit, note, truths, found, recalled, right, hidden } in other.lines {
            let about = About { scenario, kind, event, unit, note };
            self.add(about, Tally { truths, found, recalled, right, hidden });
        }
        for Lead { kind, event, unit, each } in other.leads {
            each.into_iter().for_each(|ahead| self.ahead((kind, event, unit), ahead));
        }
    }

    /// One spark that rests on a forecast: device, what it foretells, and what is counted.
    pub(super) fn ahead(&mut self, (kind, event, unit): (&'static str, &'static str, &'static str), ahead: Ahead) {
        match self.leads.iter_mut().find(|lead| (lead.kind, lead.event) == (kind, event)) {
            Some(lead) => lead.each.push(ahead),
            None => self.leads.push(Lead { kind, event, unit, each: vec![ahead] }),
        }
    }

    /// The lines that miss the floor.
    pub fn misses(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.precision() < FLOOR || line.recall() < FLOOR)
    }
}

impl Line {
    /// Share of what was told that was true; 1 where nothing was told.
    pub fn precision(&self) -> f64 {
        share(self.right, self.found)
    }

    /// Share of what was true, and to be seen, that was told; 1 where nothing was true.
    pub fn recall(&self) -> f64 {
        share(self.recalled, self.truths)
    }
}

impl Lead {
    /// What a figure is at most for such a share of the sparks.
    pub fn at(&self, share: f64, of: fn(&Ahead) -> f64) -> f64 {
        let mut values: Vec<f64> = self.each.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        let last = values.len().saturating_sub(1) as f64;
        values.get((last * share).round() as usize).copied().unwrap_or(f64::NAN)
    }

    /// The share of the sparks whose interval has what was really left.
    pub fn within(&self) -> f64 {
        let within = self.each.iter().filter(|ahead| (ahead.low..=ahead.high).contains(&ahead.left)).count();
        share(within as f64, self.each.len() as f64)
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 1.0 }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| device | event | true | found | precision | recall | not to be seen |")?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for line in &self.lines {
            let Line { kind, event, unit, truths, found, hidden, note, .. } = line;
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            let (precision, recall) = (line.precision(), line.recall());
            let hidden = match (*hidden > 0.0, note.is_empty()) {
                (true, _) => format!("{hidden:.0}{unit}: {note}"),
                (false, false) => (*note).to_owned(),
                (false, true) => String::new(),
            };
            writeln!(
                f,
                "| {kind} | {event} | {truths:.0}{unit} | {found:.0}{unit} | {precision:.3} | {recall:.3} | {hidden} |"
            )?;
        }
        if self.leads.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\n| device | what is told | times | told ahead | really left | told less left | within its interval |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        self.leads.iter().try_for_each(|lead| writeln!(f, "{lead}"))
    }
}

/// Medians, and in brackets what 5 and 95 % are below.
impl fmt::Display for Lead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, event, unit, each } = self;
        let spread = |of: fn(&Ahead) -> f64| {
            let [low, middle, high] = [0.05, 0.5, 0.95].map(|share| self.at(share, of));
            format!("{middle:.0} {unit} ({low:.0} to {high:.0})")
        };
        let within = 100.0 * self.within();
        let (told, left, off) = (spread(|it| it.told), spread(|it| it.left), spread(|it| it.told - it.left));
        write!(f, "| {kind} | {event} | {} | {told} | {left} | {off} | {within:.0} % |", each.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About = About { scenario: "s", kind: "k", event: "e", unit: "", note: "" };

    #[test]
    fn what_is_told_too_much_costs_precision_and_what_is_missed_recall() {
        let mut table = Table::default();
        table.add(ABOUT, Tally::of_amounts(100.0, 80.0));
        table.add(ABOUT, Tally::of_amounts(100.0, 120.0));
        let [line] = table.lines.as_slice() else { panic!("{table:?}") };
        assert_eq!((line.recall(), line.precision()), (0.9, 0.9));
        assert_eq!(table.misses().count(), 1);
        table.add(ABOUT, Tally { truths: 1000.0, found: 1000.0, recalled: 1000.0, right: 1000.0, hidden: 3.0 });
        assert_eq!(table.misses().count(), 0);
    }

    #[test]
    fn a_lead_is_told_by_its_median_and_what_all_but_a_few_are_between() {
        let mut table = Table::default();
        for left in 0..=100 {
            let left = f64::from(left);
            table.ahead(("engine", "due", "flights"), Ahead { told: 50.0, low: 11.0, high: 90.0, left });
        }
        let text = table.to_string();
        let line =
            "| engine | due | 101 | 50 flights (50 to 50) | 50 flights (5 to 95) | 0 flights (-45 to 45) | 79 % |";
        assert!(text.lines().any(|it| it == line), "{text}");
    }

    #[test]
    fn where_nothing_is_true_whatever_is_told_is_wrong() {
        let mut table = Table::default();
        table.add(ABOUT, Tally::default());
        assert_eq!(table.misses().count(), 0);
        table.add(ABOUT, Tally { found: 1.0, ..Tally::default() });
        assert_eq!(table.misses().count(), 1);
    }
}
