//! Who has which device, and when, by the configuration in force.

use std::collections::HashMap;

use crate::record::{FoldConfig, Name, SubjectKind};

/// The assignments of a configuration, ready to be asked once per frame.
#[derive(Debug, Default)]
pub(super) struct Holders {
    spans: HashMap<Name, Vec<Span>>,
    kinds: HashMap<Name, SubjectKind>,
}

#[derive(Debug)]
struct Span {
    subject: Name,
    from_ms: i64,
    /// Exclusive; none = until further notice.
    until_ms: Option<i64>,
}

impl Holders {
    pub(super) fn new(config: &FoldConfig) -> Self {
        let mut holders = Self::default();
        for assignment in &config.assignments {
            let subject = Name::from(&*assignment.subject);
            holders.kinds.entry(subject.clone()).or_insert(assignment.kind);
            holders.spans.entry(Name::from(&*assignment.device)).or_default().push(Span {
                subject,
                from_ms: assignment.from_ms.unwrap_or(i64::MIN),
                until_ms: assignment.until_ms,
            });
        }
        holders
    }

    /// What a subject is; of several assignments the first decides.
    pub(super) fn kind(&self, subject: &str) -> SubjectKind {
        self.kinds.get(subject).copied().unwrap_or_default()
    }

    /// Whose halo shows a device at a time: of assignments in force the first, none in force: the subject of the
    /// device's own name. None when the configuration does not speak of the device.
    pub(super) fn holder<'a>(&'a self, device: &'a Name, at_ms: i64) -> Option<&'a Name> {
        let in_force = |span: &&Span| span.from_ms <= at_ms && span.until_ms.is_none_or(|until| at_ms < until);
        let spans = self.spans.get(device)?;
        Some(spans.iter().find(in_force).map_or(device, |span| &span.subject))
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
        let holders = Holders::new(&FoldConfig { assignments, ..FoldConfig::default() });
        let car = Name::from("car");
        let holder = |at_ms| holders.holder(&car, at_ms).map(|name| &**name);
        assert_eq!([9, 10, 19, 20].map(holder), [Some("anna"), Some("car"), Some("car"), Some("bert")]);
        assert_eq!(holders.holder(&"band".into(), 0), None);
        assert_eq!((holders.kind("anna"), holders.kind("car")), (SubjectKind::Person, SubjectKind::Thing));
    }
}
