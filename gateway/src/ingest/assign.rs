//! Whose halo a device feeds, and when.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::record::{Assignment, FoldConfig, Name, SubjectKind};

/// All assignments of a configuration. A device without one feeds a subject of its own name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignments {
    /// Per device, ascending in time.
    devices: BTreeMap<Name, Vec<Interval>>,
    kinds: BTreeMap<Name, SubjectKind>,
}

#[derive(Clone, Debug, PartialEq)]
struct Interval {
    subject: Name,
    from_ms: i64,
    until_ms: i64,
}

/// What is wrong with a configuration's assignments.
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
}

impl Assignments {
    /// The assignments of a configuration; one that [`check`] refuses is read as well as possible, never an error.
    pub fn new(config: &FoldConfig) -> Self {
        let mut assignments = Self::default();
        for assignment in &config.assignments {
            let subject: Name = assignment.subject.as_str().into();
            let (from_ms, until_ms) = bounds(assignment);
            assignments.kinds.insert(subject.clone(), assignment.kind);
            let intervals = assignments.devices.entry(assignment.device.as_str().into()).or_default();
            intervals.push(Interval { subject, from_ms, until_ms });
        }
        for intervals in assignments.devices.values_mut() {
            intervals.sort_by_key(|interval| interval.from_ms);
        }
        assignments
    }

    /// Whose halo a reading of `device` at `unix_ms` feeds.
    pub fn subject_at(&self, device: &Name, unix_ms: i64) -> Name {
        let Some(intervals) = self.devices.get(device) else { return device.clone() };
        let after = intervals.partition_point(|interval| interval.from_ms <= unix_ms);
        let found = after.checked_sub(1).and_then(|at| intervals.get(at));
        found.filter(|interval| unix_ms < interval.until_ms).map_or(device, |interval| &interval.subject).clone()
    }

    /// What a subject is; `thing` when no assignment says.
    pub fn kind(&self, subject: &str) -> SubjectKind {
        self.kinds.get(subject).copied().unwrap_or_default()
    }
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

    fn assignments(list: &[Assignment]) -> Assignments {
        Assignments::new(&FoldConfig { assignments: list.to_vec(), ..FoldConfig::default() })
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
}
