//! What somebody likes: for each topic an affinity, to which likes add and from which skips take, and which halves with
//! every half-life of event time.
//!
//! It is kept as whole numbers, one for each of the last half-lives: sums, so that it does not matter in which order
//! likes and skips come, or how late. Only which topic goes when there are too many depends on what came before.

use serde::{Deserialize, Serialize};

use super::order::is_ahead;
use super::value::{Derived, Value};
use crate::record::Name;

/// Most topics of one subject; the weakest goes.
pub(crate) const TOPICS_MAX: usize = 32;
/// Longest topic, bytes; longer ones are no topics.
const TOPIC_BYTES_MAX: usize = 64;
/// Half-lives that count: what is older weighs less than 1/128 of what it did.
const SPANS_MAX: i64 = 8;
/// In so many parts points are counted.
const PARTS: f64 = (1 << 24) as f64;
/// Affinities are told to this part of a point.
const STEPS: f64 = 1_000.0;
const HOUR_MS: f64 = 3_600_000.0;

/// How likes and skips are weighed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TasteSettings {
    /// After this time a like or a skip counts half, h. Default 720, 30 days; 0.1 to 87,600.
    pub half_life_h: f64,
    /// What a like adds to the affinity of its topic. Default 1.
    pub like_points: f64,
    /// What a skip takes from it. Default 1.
    pub skip_points: f64,
    /// Affinity from which a topic is liked; below minus this it is disliked. Default 2.5: three likes of late.
    pub threshold: f64,
}

impl Default for TasteSettings {
    fn default() -> Self {
        Self { half_life_h: 720.0, like_points: 1.0, skip_points: 1.0, threshold: 2.5 }
    }
}

impl TasteSettings {
    fn half_life_ms(&self) -> i64 {
        ((self.half_life_h.clamp(0.1, 87_600.0) * HOUR_MS) as i64).max(1)
    }
}

/// What was said of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opinion {
    /// More of it.
    Like,
    /// Less of it.
    Skip,
}

impl Opinion {
    /// By the name of an event, or the key of a text.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "like" => Some(Self::Like),
            "skip" => Some(Self::Skip),
            _ => None,
        }
    }
}

/// The topic that a device names; none that is empty, too long, or more than a line of text.
pub(crate) fn topic_of(text: &str) -> Option<&str> {
    let topic = text.trim();
    let sound = (1..=TOPIC_BYTES_MAX).contains(&topic.len()) && !topic.chars().any(char::is_control);
    sound.then_some(topic)
}

/// The taste of one subject: 8 KB at most, of three topics some hundred bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Taste {
    settings: TasteSettings,
    /// The newest event time of anything that the subject's devices said.
    as_of_ms: i64,
    /// Of the newest like or skip.
    latest_ms: i64,
    /// Sorted by name.
    topics: Vec<Topic>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Topic {
    name: Name,
    /// Number of a half-life since 1970, and parts of points that were given in it, each as of the half-life's beginning;
    /// ascending.
    sums: Vec<(i64, i64)>,
}

impl Taste {
    pub(crate) fn new(settings: &TasteSettings) -> Self {
        Self { settings: settings.clone(), as_of_ms: i64::MIN, latest_ms: i64::MIN, topics: Vec::new() }
    }

    /// The gateway's clock stands at `now_ms`. What was dated far beyond it, before the clock was set back, is forgotten.
    pub(crate) fn arrived(&mut self, now_ms: i64) {
        if is_ahead(Some(self.as_of_ms), now_ms) {
            *self = Self::new(&self.settings);
        }
    }

    /// Somebody likes a topic, or skips it.
    pub(crate) fn hear(&mut self, at_ms: i64, opinion: Opinion, topic: &str) {
        self.latest_ms = self.latest_ms.max(at_ms);
        self.pass(at_ms);
        let points = match opinion {
            Opinion::Like => self.settings.like_points,
            Opinion::Skip => -self.settings.skip_points,
        };
        self.add(at_ms, points, topic);
    }

    /// Something was said at `at_ms`: affinities are as of the newest time there is.
    pub(crate) fn pass(&mut self, at_ms: i64) {
        if at_ms <= self.as_of_ms {
            return;
        }
        let before = self.place(self.as_of_ms).0;
        self.as_of_ms = at_ms;
        let span = self.place(at_ms).0;
        if span == before {
            return;
        }
        self.topics.iter_mut().for_each(|topic| topic.sums.retain(|(of, _)| counts(*of, span)));
        self.topics.retain(|topic| !topic.sums.is_empty());
    }

    /// Weighs by these from now on. With another half-life what was said before is taken as of now.
    pub(crate) fn configure(&mut self, settings: &TasteSettings) {
        if settings.half_life_ms() == self.settings.half_life_ms() {
            self.settings = settings.clone();
            return;
        }
        let known: Vec<(Name, f64)> =
            self.topics.iter().map(|topic| (topic.name.clone(), self.affinity(topic))).collect();
        (self.settings, self.topics) = (settings.clone(), Vec::new());
        known.iter().for_each(|(topic, points)| self.add(self.as_of_ms, *points, topic));
    }

    /// Appends the topics that are liked and how much, those that are disliked, and when the newest of it was said.
    pub(crate) fn values(&self, out: &mut Vec<Derived>) {
        if self.latest_ms == i64::MIN {
            return;
        }
        let told = |topic: &Topic| (self.affinity(topic) * STEPS).round() / STEPS;
        let mut all: Vec<(f64, &Name)> = self.topics.iter().map(|topic| (told(topic), &topic.name)).collect();
        // Of equal ones the order of names decides, in which they stand.
        all.sort_by(|(a, _), (b, _)| b.abs().total_cmp(&a.abs()));
        let beyond = |sign: f64| all.iter().filter(move |(points, _)| points * sign >= self.settings.threshold);
        let names = |sign: f64| Value::Names(beyond(sign).map(|(_, name)| (*name).clone()).collect());
        let strengths = Value::Numbers(beyond(1.0).map(|(points, _)| *points).collect());
        out.push(Derived::plain("taste.dislikes", names(-1.0), ""));
        out.push(Derived::plain("taste.latest", Value::Number(self.latest_ms as f64), "ms"));
        out.push(Derived::plain("taste.likes", names(1.0), ""));
        out.push(Derived::plain("taste.strengths", strengths, ""));
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.topics.len() <= TOPICS_MAX
            && self.topics.is_sorted_by(|a, b| a.name < b.name)
            && self.topics.iter().all(|topic| topic.sums.len() <= SPANS_MAX as usize)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let of = |topic: &Topic| topic.name.len() + topic.sums.capacity() * size_of::<(i64, i64)>();
        self.topics.capacity() * size_of::<Topic>() + self.topics.iter().map(of).sum::<usize>()
    }

    fn add(&mut self, at_ms: i64, points: f64, topic: &str) {
        let (span, share) = self.place(at_ms);
        if !counts(span, self.place(self.as_of_ms).0) {
            return;
        }
        // A point that is given late in a half-life outlasts one of its beginning: as of then it is worth more.
        let parts = (points * share.exp2() * PARTS).round() as i64;
        if parts == 0 {
            return;
        }
        let at = match self.topics.binary_search_by(|known| (*known.name).cmp(topic)) {
            Ok(at) => at,
            Err(at) => {
                self.topics.reserve_exact(1);
                self.topics.insert(at, Topic { name: topic.into(), sums: Vec::new() });
                at
            }
        };
        if let Some(topic) = self.topics.get_mut(at) {
            topic.add(span, parts);
        }
        self.forget_weakest(topic);
    }

    /// One topic too many: the weakest goes, and not the one that was just named.
    fn forget_weakest(&mut self, named: &str) {
        if self.topics.len() <= TOPICS_MAX {
            return;
        }
        let others = self.topics.iter().enumerate().filter(|(_, topic)| *topic.name != *named);
        let weakest = others.min_by(|(_, a), (_, b)| self.affinity(a).abs().total_cmp(&self.affinity(b).abs()));
        if let Some((at, _)) = weakest {
            self.topics.remove(at);
        }
    }

    /// Points as of the newest time.
    fn affinity(&self, topic: &Topic) -> f64 {
        let (now, share) = self.place(self.as_of_ms);
        let worth = |(span, parts): &(i64, i64)| *parts as f64 * (span.saturating_sub(now) as f64 - share).exp2();
        topic.sums.iter().map(worth).sum::<f64>() / PARTS
    }

    /// Which half-life since 1970 a time lies in, and how much of it is over, 0 to 1.
    fn place(&self, at_ms: i64) -> (i64, f64) {
        let long_ms = self.settings.half_life_ms();
        (at_ms.div_euclid(long_ms), at_ms.rem_euclid(long_ms) as f64 / long_ms as f64)
    }
}

impl Topic {
    fn add(&mut self, span: i64, parts: i64) {
        match self.sums.binary_search_by_key(&span, |(of, _)| *of) {
            Ok(at) => {
                if let Some((_, sum)) = self.sums.get_mut(at) {
                    *sum = sum.saturating_add(parts);
                }
            }
            Err(at) => {
                self.sums.reserve_exact(1);
                self.sums.insert(at, (span, parts));
            }
        }
    }
}

/// Whether what was said in a half-life still counts in another.
fn counts(span: i64, now: i64) -> bool {
    span > now.saturating_sub(SPANS_MAX)
}

#[cfg(test)]
mod tests;
