//! Who has which device, and when, by the configuration and the acts in force.

use std::collections::BTreeSet;

use crate::ingest::assign::{Acts, Assignments};
use crate::ingest::people::{People, Replaced};
use crate::record::{Deed, FoldConfig, Name, SubjectKind};

/// The assignments in force, asked once per frame.
#[derive(Debug, Default)]
pub(super) struct Holders(Assignments);

impl Holders {
    pub(super) fn new(config: &FoldConfig, acts: Acts) -> Self {
        Self(Assignments::new(config, acts))
    }

    pub(super) fn configure(&mut self, config: &FoldConfig) {
        self.0.configure(config);
    }

    /// Puts an act in force; the subjects it says something of beside devices.
    pub(super) fn act(&mut self, deed: &Deed) -> Vec<Name> {
        self.0.enact(deed).unwrap_or_default()
    }

    pub(super) fn with_people(self, people: People) -> Self {
        Self(self.0.with_people(people))
    }

    pub(super) fn people(&self) -> &People {
        self.0.people()
    }

    /// Times at which devices may come to another holder.
    pub(super) fn turns(&self) -> impl Iterator<Item = (i64, &Name)> {
        self.0.turns()
    }

    /// The same of one device.
    pub(super) fn turns_of(&self, device: &str) -> impl Iterator<Item = i64> {
        let ends = self.0.of(device).iter().flat_map(|interval| [interval.from_ms, interval.until_ms]);
        let mut ends: Vec<i64> = ends.filter(|at| !matches!(*at, i64::MIN | i64::MAX)).collect();
        ends.sort_unstable();
        ends.dedup();
        ends.into_iter()
    }

    /// Whether a device may come to another holder at all.
    pub(super) fn has_turns(&self, device: &str) -> bool {
        self.0.of(device).iter().any(|interval| interval.from_ms != i64::MIN || interval.until_ms != i64::MAX)
    }

    /// Everybody who ever has a device, itself included.
    pub(super) fn ever<'a>(&'a self, device: &'a Name) -> BTreeSet<&'a Name> {
        let subjects = self.0.of(device).iter().map(|interval| self.0.meant(&interval.subject));
        subjects.chain([device]).collect()
    }

    /// When `subject` ceased to have a device that somebody else has at a time.
    pub(super) fn handed_over_ms(&self, device: &Name, subject: &Name, unix_ms: i64) -> i64 {
        self.0.handed_over_ms(device, subject, unix_ms)
    }

    /// In whose place a device came, and whom it feeds instead, if it does so at a time.
    pub(super) fn place_of<'a>(&'a self, device: &'a Name, unix_ms: i64) -> Option<(&'a Replaced, &'a Name)> {
        let replaced = self.people().in_place_of(device).filter(|replaced| replaced.at_ms <= unix_ms)?;
        let subject = self.holder(device, unix_ms).filter(|subject| *subject != device)?;
        Some((replaced, subject))
    }

    pub(super) fn acts(&self) -> &Acts {
        self.0.acts()
    }

    /// What a subject is.
    pub(super) fn kind(&self, subject: &str) -> SubjectKind {
        self.0.kind(subject)
    }

    pub(super) fn known_kind(&self, subject: &str) -> Option<SubjectKind> {
        self.0.known_kind(subject)
    }

    /// Whose halo shows a device at a time; none when nothing in force speaks of the device.
    pub(super) fn holder<'a>(&'a self, device: &'a Name, at_ms: i64) -> Option<&'a Name> {
        self.0.holder_at(device, at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Assignment;

    #[test]
    fn a_device_belongs_to_whoever_has_it_at_the_time() {
        let span = |subject: &str, from_ms, until_ms| Assignment {
            device: "car".into(),
            subject: subject.into(),
            kind: SubjectKind::Person,
            from_ms,
            until_ms,
        };
        let assignments = vec![span("anna", None, Some(10)), span("bert", Some(20), None)];
        let holders = Holders::new(&FoldConfig { assignments, ..FoldConfig::default() }, Acts::default());
        let car = Name::from("car");
        let holder = |at_ms| holders.holder(&car, at_ms).map(|name| &**name);
        assert_eq!([9, 10, 19, 20].map(holder), [Some("anna"), Some("car"), Some("car"), Some("bert")]);
        assert_eq!(holders.holder(&"band".into(), 0), None);
        assert_eq!((holders.kind("anna"), holders.kind("car")), (SubjectKind::Person, SubjectKind::Thing));
    }
}
