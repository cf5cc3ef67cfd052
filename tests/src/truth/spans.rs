//! Times at which something was so, as it was and as it was found, and which of them belong together.

use serde_json::Value;

use super::score::Tally;

/// From and to, Unix ms, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

/// Something that was so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) span: Span,
    /// Whether the sensors can show it; if not it may be found, and need not.
    pub(super) shown: bool,
}

/// Something that was so, of which nobody can say to the second when it was to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blurred {
    /// Perhaps from when, and until when.
    pub(super) perhaps: Span,
    /// Surely from when, and until when; none = it need not be found.
    pub(super) surely: Option<Span>,
}

impl Span {
    /// Of a truth with `from_ms` and `to_ms`.
    pub(super) fn of(line: &Value) -> Self {
        let ms = |name: &str| line[name].as_i64().unwrap_or_default();
        Self { from_ms: ms("from_ms"), to_ms: ms("to_ms") }
    }

    pub(super) fn wider(self, before_ms: i64, after_ms: i64) -> Self {
        Self { from_ms: self.from_ms - before_ms, to_ms: self.to_ms + after_ms }
    }

    pub(super) fn touches(self, other: Self) -> bool {
        self.from_ms <= other.to_ms && other.from_ms <= self.to_ms
    }

    pub(super) fn length_ms(self) -> i64 {
        self.to_ms - self.from_ms
    }

    fn holds(self, at_ms: i64) -> bool {
        (self.from_ms..=self.to_ms).contains(&at_ms)
    }
}

impl Blurred {
    /// Of each stretch in which it perhaps was so, the one in which it surely was, for `least_ms` at least. Where it was
    /// so surely more than once, it may have been over in between or not, and need not be found.
    pub(super) fn of(perhaps: &[Span], surely: &[Span], least_ms: i64) -> Vec<Self> {
        let blur = |perhaps: &Span| {
            let mut within = surely.iter().filter(|span| perhaps.touches(**span));
            let only = within.next().filter(|span| span.length_ms() >= least_ms);
            Self { perhaps: *perhaps, surely: only.copied().filter(|_| within.next().is_none()) }
        };
        perhaps.iter().map(blur).collect()
    }

    /// Whether that is it: told between when it began perhaps and surely, and over when it was, `late_ms` later at most.
    fn is(&self, found: Span, early_ms: i64, late_ms: i64) -> bool {
        let perhaps = self.perhaps.wider(early_ms, late_ms);
        let within = perhaps.holds(found.from_ms) && perhaps.holds(found.to_ms);
        let in_time =
            |surely: Span| found.from_ms <= surely.from_ms + late_ms && found.to_ms >= surely.to_ms - early_ms;
        within && self.surely.is_none_or(in_time)
    }
}

/// When two things were so together: the stretches of one that are within those of the other.
pub(super) fn both(one: &[Span], other: &[Span]) -> Vec<Span> {
    let shared = |a: &Span| {
        let a = *a;
        other.iter().map(move |b| Span { from_ms: a.from_ms.max(b.from_ms), to_ms: a.to_ms.min(b.to_ms) })
    };
    let mut spans: Vec<Span> = one.iter().flat_map(shared).filter(|span| span.length_ms() > 0).collect();
    spans.sort_by_key(|span| span.from_ms);
    spans
}

/// The same stretches, in order of time; those that meet are one.
pub(super) fn joined(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| span.from_ms);
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.from_ms <= last.to_ms => last.to_ms = last.to_ms.max(span.to_ms),
            _ => joined.push(span),
        }
    }
    joined
}

/// Whether two times are so close.
pub(super) fn near(a_ms: i64, b_ms: i64, within_ms: i64) -> bool {
    (a_ms - b_ms).abs() <= within_ms
}

/// Which of `found` belongs to which of `wanted`: each truth takes the first that fits and is free. Something found that
/// no truth has taken is right if it fits one that need not be found, or one that has been found already but is longer
/// than an instant: a state that is left and entered again within one episode is told twice, and both times rightly.
pub(super) fn matched(wanted: &[Wanted], found: &[Span], fits: impl Fn(Span, Span) -> bool) -> Tally {
    let mut taken = vec![false; found.len()];
    let mut recalled = 0;
    let shown = wanted.iter().filter(|wanted| wanted.shown);
    for truth in shown.clone() {
        let free = found.iter().zip(&mut taken).find(|(found, taken)| !**taken && fits(truth.span, **found));
        if let Some((_, taken)) = free {
            *taken = true;
            recalled += 1;
        }
    }
    let excused = |found: &Span| {
        wanted.iter().any(|wanted| (!wanted.shown || wanted.span.length_ms() > 0) && fits(wanted.span, *found))
    };
    let right = found.iter().zip(&taken).filter(|(found, taken)| **taken || excused(found)).count();
    Tally {
        truths: shown.count() as f64,
        found: found.len() as f64,
        recalled: f64::from(recalled),
        right: right as f64,
        hidden: wanted.iter().filter(|wanted| !wanted.shown).count() as f64,
    }
}

/// The same of what is known less than exactly; a reading may be early by `early_ms`, and is seen `late_ms` later at most.
pub(super) fn matched_blurred(wanted: &[Blurred], found: &[Span], early_ms: i64, late_ms: i64) -> Tally {
    let spans: Vec<Wanted> = wanted.iter().map(|it| Wanted { span: it.perhaps, shown: it.surely.is_some() }).collect();
    let fits =
        |truth: Span, found: Span| wanted.iter().any(|it| it.perhaps == truth && it.is(found, early_ms, late_ms));
    matched(&spans, found, fits)
}

/// Follows a state from look to look, and notes the spans in which it held.
#[derive(Debug, Default)]
pub(super) struct Held {
    since_ms: Option<i64>,
    /// What has ended.
    pub(super) spans: Vec<Span>,
}

impl Held {
    pub(super) fn is_open(&self) -> bool {
        self.since_ms.is_some()
    }

    pub(super) fn look(&mut self, at_ms: i64, holds: bool) {
        match (holds, self.since_ms) {
            (true, None) => self.since_ms = Some(at_ms),
            (false, Some(from_ms)) => {
                self.since_ms = None;
                self.spans.push(Span { from_ms, to_ms: at_ms });
            }
            _ => {}
        }
    }
}

/// Follows a count from look to look, and notes a span for each time it grew: from the look before to this one.
#[derive(Debug, Default)]
pub(super) struct Grown {
    count: u64,
    looked_ms: Option<i64>,
    pub(super) spans: Vec<Span>,
}

impl Grown {
    pub(super) fn look(&mut self, at_ms: i64, count: u64) {
        let from_ms = self.looked_ms.unwrap_or(at_ms);
        // What was told too early is taken back.
        self.spans.truncate(self.spans.len().saturating_sub(self.count.saturating_sub(count) as usize));
        for _ in self.count..count {
            self.spans.push(Span { from_ms, to_ms: at_ms });
        }
        (self.count, self.looked_ms) = (count, Some(at_ms));
    }

    /// The count begins again at nothing, at this time.
    pub(super) fn begin_anew(&mut self, at_ms: i64) {
        (self.count, self.looked_ms) = (0, Some(at_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(at_ms: i64) -> Wanted {
        Wanted { span: Span { from_ms: at_ms, to_ms: at_ms }, shown: true }
    }

    fn found(at_ms: i64) -> Span {
        Span { from_ms: at_ms, to_ms: at_ms }
    }

    fn close(a: Span, b: Span) -> bool {
        near(a.from_ms, b.from_ms, 10)
    }

    #[test]
    fn one_thing_found_answers_for_one_truth_and_a_second_is_wrong() {
        let tally = matched(&[instant(100), instant(105)], &[found(102)], close);
        assert_eq!((tally.truths, tally.recalled, tally.found, tally.right), (2.0, 1.0, 1.0, 1.0));
        let tally = matched(&[instant(100)], &[found(102), found(103), found(500)], close);
        assert_eq!((tally.recalled, tally.found, tally.right), (1.0, 3.0, 1.0));
    }

    #[test]
    fn what_cannot_be_seen_is_neither_missed_nor_wrong() {
        let hidden = Wanted { shown: false, ..instant(100) };
        let missed = matched(&[hidden], &[], close);
        assert_eq!((missed.truths, missed.hidden, missed.found), (0.0, 1.0, 0.0));
        assert_eq!(matched(&[hidden], &[found(100)], close).right, 1.0);
    }

    #[test]
    fn what_is_known_less_than_exactly_is_found_between_the_first_and_the_last_time_it_may_have_begun_and_ended() {
        let between = |from_ms, to_ms| Span { from_ms, to_ms };
        let perhaps = joined(vec![between(200, 300), between(100, 200), between(500, 600)]);
        assert_eq!(perhaps, [between(100, 300), between(500, 600)]);
        let wanted = Blurred::of(&perhaps, &[between(150, 250), between(510, 520), between(540, 590)], 10);
        assert_eq!(wanted.iter().map(|it| it.surely).collect::<Vec<_>>(), [Some(between(150, 250)), None]);
        let right = |found| matched_blurred(&wanted, &[found], 5, 20).right;
        for (from_ms, to_ms) in [(95, 320), (170, 245), (500, 530)] {
            assert_eq!(right(between(from_ms, to_ms)), 1.0, "{from_ms} to {to_ms}");
        }
        for (from_ms, to_ms) in [(90, 300), (171, 250), (150, 240), (150, 321), (400, 410)] {
            assert_eq!(right(between(from_ms, to_ms)), 0.0, "{from_ms} to {to_ms}");
        }
        assert_eq!(both(&perhaps, &[between(150, 520), between(600, 700)]), [between(150, 300), between(500, 520)]);
    }

    #[test]
    fn a_count_that_grows_by_two_is_found_twice_and_a_state_once() {
        let (mut grown, mut held) = (Grown::default(), Held::default());
        for (at_ms, count) in [(0, 0), (10, 2), (20, 2), (30, 3)] {
            grown.look(at_ms, count);
            held.look(at_ms, count == 2);
        }
        let between = |from_ms, to_ms| Span { from_ms, to_ms };
        assert_eq!(grown.spans, [between(0, 10), between(0, 10), between(20, 30)]);
        assert_eq!(held.spans, [between(10, 30)]);
    }
}
