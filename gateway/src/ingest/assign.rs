//! Whose halo a device feeds, and when: the configuration's assignments, and over them the administrators' acts.
//!
//! An act holds from its own time on, whatever stood there before; what came before that time stays as it was, so that
//! a buffer drained late still feeds the former holder. A changed configuration changes what lies before a device's
//! first act and never undoes an act: whoever wants the file to speak again gives the device back by another act.

use std::collections::BTreeMap;

use halo_proto::topic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::people::{People, PeopleError};
use crate::record::{Assignment, Deed, FoldConfig, Name, SubjectKind};

/// Most assignments by act kept per device; one more forgets the one that began first.
pub const ACTS_MAX: usize = 256;

/// All assignments in force. A device without one feeds a subject of its own name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignments {
    /// Per device, ascending in time.
    devices: BTreeMap<Name, Vec<Interval>>,
    kinds: BTreeMap<Name, SubjectKind>,
    acts: Acts,
    people: People,
}

/// What administrators' acts say, by device; to be checkpointed, since no configuration has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Acts {
    devices: BTreeMap<Name, Acted>,
    kinds: BTreeMap<Name, SubjectKind>,
}

/// What acts say of one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Acted {
    /// From here on the configuration is silent.
    from_ms: i64,
    /// Ascending in time, none before `from_ms`.
    intervals: Vec<Interval>,
}

/// Who has a device, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Whose halo it feeds.
    pub subject: Name,
    /// Unix milliseconds, inclusive; `i64::MIN` = since ever.
    pub from_ms: i64,
    /// Unix milliseconds, exclusive; `i64::MAX` = until further notice.
    pub until_ms: i64,
}

/// What is wrong with a configuration's assignments, or with an act.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AssignmentError {
    /// Two assignments claim one device at one time.
    #[error(
        "device {device} is assigned to {first} ({first_interval}) and to {second} ({second_interval}) at once, end one before the other begins"
    )]
    Overlap {
        /// The device.
        device: String,
        /// The subject of the earlier one.
        first: String,
        /// Its time.
        first_interval: String,
        /// The subject of the later one.
        second: String,
        /// Its time.
        second_interval: String,
    },
    /// It ends before it begins.
    #[error("assignment of device {device} to {subject} ends before it begins ({interval})")]
    Empty {
        /// The device.
        device: String,
        /// The subject.
        subject: String,
        /// Its time.
        interval: String,
    },
    /// One subject has two kinds.
    #[error("subject {subject} is called a {first:?} and a {second:?}, it can be one of them")]
    Kind {
        /// The subject.
        subject: String,
        /// The kind seen first.
        first: SubjectKind,
        /// The other one.
        second: SubjectKind,
    },
    /// Not an id.
    #[error("{what} {id:?} is not of the form [A-Za-z0-9._-]{{1,64}}")]
    Id {
        /// Device or subject.
        what: &'static str,
        /// What was given.
        id: String,
    },
    /// What is wrong beside devices.
    #[error(transparent)]
    People(#[from] PeopleError),
}

impl Assignments {
    /// The assignments of a configuration, and over them `acts`; one that [`check`] refuses is read as well as possible,
    /// never an error.
    pub fn new(config: &FoldConfig, acts: Acts) -> Self {
        let mut assignments = Self { acts, ..Self::default() };
        assignments.configure(config);
        assignments
    }

    /// The same with what acts say beside devices, as it was written down.
    #[must_use]
    pub fn with_people(self, people: People) -> Self {
        Self { people, ..self }
    }

    /// What acts say beside devices; the rest is given up.
    pub fn into_people(self) -> People {
        self.people
    }

    /// Another configuration is in force; acts stay.
    pub fn configure(&mut self, config: &FoldConfig) {
        self.devices.clear();
        self.kinds.clear();
        for assignment in &config.assignments {
            let subject: Name = assignment.subject.as_str().into();
            let (from_ms, until_ms) = bounds(assignment);
            self.kinds.insert(subject.clone(), assignment.kind);
            let intervals = self.devices.entry(assignment.device.as_str().into()).or_default();
            intervals.push(Interval { subject, from_ms, until_ms });
        }
        for intervals in self.devices.values_mut() {
            intervals.sort_by_key(|interval| interval.from_ms);
        }
        self.kinds.extend(self.acts.kinds.clone());
        for (device, acted) in &self.acts.devices {
            let intervals = self.devices.entry(device.clone()).or_default();
            cut(intervals, acted.from_ms);
            intervals.extend(acted.intervals.iter().cloned());
        }
    }

    /// Puts an act in force; whether it was about assignments or subjects at all. One that [`Assignments::check_act`]
    /// refuses is read as well as possible.
    pub fn act(&mut self, deed: &Deed) -> bool {
        self.enact(deed).is_some()
    }

    /// The same; the subjects it says something of beside who has which device.
    pub fn enact(&mut self, deed: &Deed) -> Option<Vec<Name>> {
        match deed {
            Deed::Assign(assignment) => {
                let subject: Name = assignment.subject.as_str().into();
                let (from_ms, until_ms) = bounds(assignment);
                let meant = self.meant(&subject).clone();
                self.kinds.insert(meant.clone(), assignment.kind);
                self.acts.kinds.insert(meant, assignment.kind);
                self.people.reassigned(&assignment.device);
                self.from(&assignment.device, from_ms, Some(Interval { subject, from_ms, until_ms }));
            }
            Deed::Release { device, at_ms } => self.from(device, *at_ms, None),
            Deed::Replace { old, new, at_ms } => self.replace(old, new, *at_ms),
            Deed::Set { subject, kind, .. } => {
                if let Some(kind) = kind {
                    let subject = self.meant(&subject.as_str().into()).clone();
                    self.kinds.insert(subject.clone(), *kind);
                    self.acts.kinds.insert(subject, *kind);
                }
                return self.people.act(deed);
            }
            _ => return self.people.act(deed),
        }
        Some(Vec::new())
    }

    /// Checks an act before it becomes a record.
    ///
    /// # Errors
    /// What contradicts itself or what is in force, for a human.
    pub fn check_act(&self, deed: &Deed) -> Result<(), AssignmentError> {
        let id = |what, id: &str| {
            if topic::id_is_valid(id) { Ok(()) } else { Err(AssignmentError::Id { what, id: id.to_owned() }) }
        };
        match deed {
            Deed::Assign(assignment) => {
                id("device", &assignment.device)?;
                id("subject", &assignment.subject)?;
                check(std::slice::from_ref(assignment))?;
                match self.kinds.get(self.meant(&assignment.subject.as_str().into())) {
                    Some(first) if *first != assignment.kind => Err(AssignmentError::Kind {
                        subject: assignment.subject.clone(),
                        first: *first,
                        second: assignment.kind,
                    }),
                    _ => Ok(()),
                }
            }
            Deed::Release { device, .. } | Deed::Forget { device } => id("device", device),
            Deed::Discard { .. } | Deed::Hold { .. } | Deed::Account { .. } => Ok(()),
            Deed::Rule { .. } | Deed::Resume { .. } => Ok(()),
            Deed::Replace { old, new, at_ms } => {
                id("device", old)?;
                id("device", new)?;
                Ok(self.check_replacement(old, new, *at_ms)?)
            }
            Deed::Merge { from, into } => {
                self.people.check(deed)?;
                Ok(self.check_kinds(from, into)?)
            }
            Deed::Relate(_) | Deed::Unrelate { .. } | Deed::Alias { .. } | Deed::Unalias { .. } | Deed::Set { .. } => {
                Ok(self.people.check(deed)?)
            }
        }
    }

    /// Whose halo a reading of `device` at `unix_ms` feeds.
    pub fn subject_at(&self, device: &Name, unix_ms: i64) -> Name {
        self.holder_at(device, unix_ms).unwrap_or(device).clone()
    }

    /// The same; none when neither configuration nor acts speak of the device.
    pub fn holder_at<'a>(&'a self, device: &'a Name, unix_ms: i64) -> Option<&'a Name> {
        let Some(intervals) = self.devices.get(device) else {
            return Some(self.meant(device)).filter(|meant| *meant != device);
        };
        let after = intervals.partition_point(|interval| interval.from_ms <= unix_ms);
        let found = after.checked_sub(1).and_then(|at| intervals.get(at));
        let found = found.filter(|interval| unix_ms < interval.until_ms).map_or(device, |interval| &interval.subject);
        Some(self.meant(found))
    }

    /// The subject a name means, by the acts in force.
    pub fn meant<'a>(&'a self, name: &'a Name) -> &'a Name {
        self.people.meant(name)
    }

    /// What acts say beside devices.
    pub fn people(&self) -> &People {
        &self.people
    }

    /// Whether an assignment or an act speaks of that subject.
    pub fn knows(&self, subject: &str) -> bool {
        self.kinds.contains_key(subject) || self.people.knows(subject)
    }

    /// Times at which a device may come to another holder.
    pub fn turns(&self) -> impl Iterator<Item = (i64, &Name)> {
        self.devices.iter().flat_map(|(device, intervals)| {
            let ends = intervals.iter().flat_map(|interval| [interval.from_ms, interval.until_ms]);
            ends.filter(|at| !matches!(*at, i64::MIN | i64::MAX)).map(move |at| (at, device))
        })
    }

    /// When `subject` ceased to have a device that somebody else has at `unix_ms`; `unix_ms` when no assignment says.
    pub fn handed_over_ms(&self, device: &Name, subject: &Name, unix_ms: i64) -> i64 {
        let intervals = self.of(device).iter();
        let ends = intervals.flat_map(|interval| [interval.from_ms, interval.until_ms]).filter(|at| *at <= unix_ms);
        let had = |at: &i64| self.holder_at(device, at.saturating_sub(1)).unwrap_or(device) == subject;
        ends.filter(|at| *at != i64::MIN).filter(had).max().unwrap_or(unix_ms)
    }

    /// Who has a device, and when, ascending in time; empty when it only feeds itself.
    pub fn of(&self, device: &str) -> &[Interval] {
        self.devices.get(device).map_or(&[], Vec::as_slice)
    }

    /// What a subject is; `thing` when no assignment says.
    pub fn kind(&self, subject: &str) -> SubjectKind {
        self.known_kind(subject).unwrap_or_default()
    }

    /// What a subject is, as assignments and acts say.
    pub fn known_kind(&self, subject: &str) -> Option<SubjectKind> {
        self.kinds.get(subject).copied()
    }

    /// What acts say.
    pub fn acts(&self) -> &Acts {
        &self.acts
    }

    /// What the old device was to feed from then on feeds the new one, and the old one only itself.
    fn replace(&mut self, old: &str, new: &str, at_ms: i64) {
        let remaining = self.of(old).iter().filter(|interval| at_ms < interval.until_ms);
        let remaining: Vec<Interval> =
            remaining.map(|interval| Interval { from_ms: interval.from_ms.max(at_ms), ..interval.clone() }).collect();
        self.from(new, at_ms, None);
        for interval in remaining {
            self.from(new, interval.from_ms, Some(interval));
        }
        self.from(old, at_ms, None);
        self.people.replaced(old, new, at_ms);
    }

    fn check_replacement(&self, old: &str, new: &str, at_ms: i64) -> Result<(), PeopleError> {
        if old == new {
            return Err(PeopleError::Itself(old.to_owned()));
        }
        let (old, new): (Name, Name) = (old.into(), new.into());
        if self.holder_at(&old, at_ms).is_none_or(|subject| *subject == old) {
            return Err(PeopleError::Free(old.to_string()));
        }
        match self.holder_at(&new, at_ms) {
            Some(subject) if *subject != new => {
                Err(PeopleError::Busy { device: new.to_string(), subject: subject.to_string() })
            }
            _ => Ok(()),
        }
    }

    fn check_kinds(&self, from: &str, into: &str) -> Result<(), PeopleError> {
        let kind_of = |name: &str| self.kinds.get(self.meant(&name.into())).copied();
        match (kind_of(from), kind_of(into)) {
            (Some(from_kind), Some(into_kind)) if from_kind != into_kind => {
                let (from, into) = (from.to_owned(), into.to_owned());
                Err(PeopleError::Kinds { from, from_kind, into, into_kind })
            }
            _ => Ok(()),
        }
    }

    /// Ends what is in force for a device from then on, and begins another interval.
    fn from(&mut self, device: &str, from_ms: i64, next: Option<Interval>) {
        let device: Name = device.into();
        let acted = self.acts.devices.entry(device.clone()).or_insert(Acted { from_ms, intervals: Vec::new() });
        acted.from_ms = acted.from_ms.min(from_ms);
        let intervals = self.devices.entry(device).or_default();
        for intervals in [&mut acted.intervals, intervals] {
            cut(intervals, from_ms);
            intervals.extend(next.clone());
        }
        if acted.intervals.len() > ACTS_MAX {
            let forgotten = acted.intervals.remove(0);
            intervals.retain(|interval| *interval != forgotten);
        }
    }
}

/// Leaves what lies before a time.
fn cut(intervals: &mut Vec<Interval>, at_ms: i64) {
    intervals.retain(|interval| interval.from_ms < at_ms);
    intervals.iter_mut().for_each(|interval| interval.until_ms = interval.until_ms.min(at_ms));
}

/// Checks the assignments of a configuration before it is put in force.
///
/// # Errors
/// The first contradiction, naming both sides.
pub fn check(assignments: &[Assignment]) -> Result<(), AssignmentError> {
    let mut devices: BTreeMap<&str, Vec<&Assignment>> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, SubjectKind> = BTreeMap::new();
    for assignment in assignments {
        let (from_ms, until_ms) = bounds(assignment);
        if from_ms >= until_ms {
            return Err(AssignmentError::Empty {
                device: assignment.device.clone(),
                subject: assignment.subject.clone(),
                interval: interval_text(assignment),
            });
        }
        let first = *kinds.entry(&assignment.subject).or_insert(assignment.kind);
        if first != assignment.kind {
            let subject = assignment.subject.clone();
            return Err(AssignmentError::Kind { subject, first, second: assignment.kind });
        }
        devices.entry(&assignment.device).or_default().push(assignment);
    }
    for (device, mut assignments) in devices {
        assignments.sort_by_key(|assignment| bounds(assignment));
        for (first, second) in assignments.iter().zip(assignments.iter().skip(1)) {
            if bounds(second).0 < bounds(first).1 {
                return Err(AssignmentError::Overlap {
                    device: device.to_owned(),
                    first: first.subject.clone(),
                    first_interval: interval_text(first),
                    second: second.subject.clone(),
                    second_interval: interval_text(second),
                });
            }
        }
    }
    Ok(())
}

fn bounds(assignment: &Assignment) -> (i64, i64) {
    (assignment.from_ms.unwrap_or(i64::MIN), assignment.until_ms.unwrap_or(i64::MAX))
}

fn interval_text(assignment: &Assignment) -> String {
    let time = |ms: i64| {
        jiff::Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |timestamp| timestamp.to_string())
    };
    let from = assignment.from_ms.map_or_else(|| "since ever".to_owned(), |ms| format!("from {}", time(ms)));
    let until =
        assignment.until_ms.map_or_else(|| "until further notice".to_owned(), |ms| format!("until {}", time(ms)));
    format!("{from} {until}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(subject: &str, from_ms: Option<i64>, until_ms: Option<i64>) -> Assignment {
        Assignment { device: "car-1".into(), subject: subject.into(), kind: SubjectKind::Person, from_ms, until_ms }
    }

    fn config(list: &[Assignment]) -> FoldConfig {
        FoldConfig { assignments: list.to_vec(), ..FoldConfig::default() }
    }

    fn subjects(assignments: &Assignments, times: &[i64]) -> Vec<String> {
        times.iter().map(|ms| assignments.subject_at(&"car-1".into(), *ms).to_string()).collect()
    }

    fn release(at_ms: i64) -> Deed {
        Deed::Release { device: "car-1".into(), at_ms }
    }

    fn assignments(list: &[Assignment]) -> Assignments {
        Assignments::new(&config(list), Acts::default())
    }

    #[test]
    fn a_shared_car_feeds_whoever_has_it() {
        let list = [assignment("ben", Some(200), Some(300)), assignment("anna", None, Some(200))];
        check(&list).unwrap();
        let assignments = assignments(&list);
        let car: Name = "car-1".into();
        let subjects: Vec<Name> = [i64::MIN, 199, 200, 299, 300].map(|ms| assignments.subject_at(&car, ms)).to_vec();
        assert_eq!(subjects.iter().map(AsRef::as_ref).collect::<Vec<_>>(), ["anna", "anna", "ben", "ben", "car-1"]);
        assert_eq!(assignments.kind("ben"), SubjectKind::Person);
    }

    #[test]
    fn an_unassigned_device_feeds_a_thing_of_its_own_name() {
        let assignments = assignments(&[]);
        assert_eq!(&*assignments.subject_at(&"x".into(), 0), "x");
        assert_eq!(assignments.kind("x"), SubjectKind::Thing);
    }

    #[test]
    fn overlapping_assignments_are_refused_by_both_names() {
        let list = [assignment("anna", None, Some(1_000)), assignment("ben", Some(999), None)];
        let text = check(&list).unwrap_err().to_string();
        assert_eq!(
            text,
            "device car-1 is assigned to anna (since ever until 1970-01-01T00:00:01Z) and to ben \
             (from 1970-01-01T00:00:00.999Z until further notice) at once, end one before the other begins"
        );
        assert!(check(&[assignment("anna", None, None), assignment("anna", Some(5), Some(6))]).is_err());
    }

    #[test]
    fn an_assignment_that_never_holds_is_refused() {
        assert!(matches!(check(&[assignment("anna", Some(5), Some(5))]), Err(AssignmentError::Empty { .. })));
    }

    #[test]
    fn a_subject_has_one_kind() {
        let machine = Assignment { kind: SubjectKind::Machine, ..assignment("anna", Some(9), None) };
        let error = check(&[assignment("anna", None, Some(9)), machine]).unwrap_err();
        assert!(matches!(error, AssignmentError::Kind { .. }), "{error}");
    }

    #[test]
    fn an_act_holds_from_its_time_on_and_leaves_the_past_alone() {
        let mut assignments = assignments(&[assignment("anna", None, Some(200)), assignment("ben", Some(200), None)]);
        assert!(assignments.act(&Deed::Assign(assignment("carl", Some(100), Some(300)))));
        assert_eq!(subjects(&assignments, &[99, 100, 250, 300]), ["anna", "carl", "carl", "car-1"]);
        assert!(assignments.act(&release(150)));
        assert_eq!(subjects(&assignments, &[99, 149, 150, 400]), ["anna", "carl", "car-1", "car-1"]);
        assert!(assignments.act(&Deed::Assign(assignment("dora", None, None))));
        assert_eq!(subjects(&assignments, &[i64::MIN, 0, 400]), ["dora", "dora", "dora"]);
        assert!(!assignments.act(&Deed::Forget { device: "car-1".into() }));
    }

    #[test]
    fn a_changed_configuration_leaves_acts_in_force() {
        let mut assignments = assignments(&[assignment("anna", None, None)]);
        assignments.act(&Deed::Assign(assignment("carl", Some(100), None)));
        assignments.configure(&config(&[assignment("ben", None, Some(500))]));
        assert_eq!(subjects(&assignments, &[99, 100, 600]), ["ben", "carl", "carl"]);
        let again = Assignments::new(&config(&[assignment("ben", None, Some(500))]), assignments.acts().clone());
        assert_eq!(again, assignments, "a checkpoint of the acts is enough");
    }

    #[test]
    fn an_act_that_cannot_be_is_refused_with_the_reason() {
        let assignments = assignments(&[assignment("anna", None, None)]);
        let refused = |deed: Deed| assignments.check_act(&deed).unwrap_err().to_string();
        let machine = Assignment { kind: SubjectKind::Machine, ..assignment("anna", Some(9), None) };
        assert_eq!(
            refused(Deed::Assign(machine)),
            "subject anna is called a Person and a Machine, it can be one of them"
        );
        assert!(refused(Deed::Assign(assignment("ben", Some(9), Some(9)))).contains("ends before it begins"));
        assert!(
            refused(Deed::Assign(assignment("b en", None, None))).starts_with("subject \"b en\" is not of the form")
        );
        assert!(refused(Deed::Forget { device: String::new() }).starts_with("device \"\" is not"));
        assert_eq!(assignments.check_act(&Deed::Assign(assignment("ben", Some(9), None))), Ok(()));
        assert_eq!(assignments.check_act(&release(5)), Ok(()));
    }

    #[test]
    fn an_assignment_to_another_name_is_one_to_the_subject_and_says_what_that_is() {
        let mut assignments = assignments(&[]);
        assignments.act(&Deed::Alias { subject: "anna".into(), name: "a.miller".into() });
        assignments.act(&Deed::Assign(assignment("a.miller", Some(9), None)));
        assert_eq!(subjects(&assignments, &[8, 9]), ["car-1", "anna"]);
        assert_eq!(assignments.kind("anna"), SubjectKind::Person);
        let machine = Assignment { kind: SubjectKind::Machine, ..assignment("a.miller", Some(9), None) };
        assert!(assignments.check_act(&Deed::Assign(machine)).is_err());
        assignments.act(&Deed::Merge { from: "car-1".into(), into: "anna".into() });
        assert_eq!(subjects(&assignments, &[8, 9]), ["anna", "anna"], "a device's own name is a name like any other");
    }

    #[test]
    fn a_replacement_takes_over_what_was_booked_and_nothing_that_is_taken() {
        let mut assignments = assignments(&[assignment("anna", None, Some(200)), assignment("ben", Some(300), None)]);
        let replace = |new: &str, at_ms| Deed::Replace { old: "car-1".into(), new: new.into(), at_ms };
        let refused = |assignments: &Assignments, deed: &Deed| assignments.check_act(deed).unwrap_err().to_string();
        assert!(refused(&assignments, &replace("car-2", 250)).starts_with("device car-1 feeds nobody but itself then"));
        assert_eq!(refused(&assignments, &replace("car-1", 0)), "car-1 cannot take its own place");
        assignments.act(&Deed::Assign(Assignment { device: "car-3".into(), ..assignment("carl", None, None) }));
        assert_eq!(refused(&assignments, &replace("car-3", 0)), "device car-3 feeds carl then: release it first");
        assert_eq!(assignments.check_act(&replace("car-2", 100)), Ok(()));
        assignments.act(&replace("car-2", 100));
        assert_eq!(subjects(&assignments, &[99, 100, 300]), ["anna", "car-1", "car-1"]);
        let new = [99, 100, 199, 200, 300].map(|at| assignments.subject_at(&"car-2".into(), at).to_string());
        assert_eq!(new, ["car-2", "anna", "anna", "car-2", "ben"]);
        let car: Name = "car-1".into();
        assert_eq!(assignments.handed_over_ms(&car, &"anna".into(), 500), 100);
        assert_eq!(assignments.handed_over_ms(&car, &"ben".into(), 500), 500, "it never had it");
    }

    #[test]
    fn acts_of_one_device_are_bounded() {
        let mut assignments = assignments(&[]);
        for n in 0..2 * ACTS_MAX as i64 {
            assignments.act(&Deed::Assign(assignment(&format!("s{n}"), Some(n), None)));
        }
        assert_eq!(assignments.of("car-1").len(), ACTS_MAX);
        assert_eq!(subjects(&assignments, &[0, 256, 511]), ["car-1", "s256", "s511"]);
        assert_eq!(Assignments::new(&config(&[]), assignments.acts().clone()), assignments);
    }
}
