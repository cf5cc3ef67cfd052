//! Who has which device, and when, by the configuration and the acts in force.

use crate::ingest::assign::{Acts, Assignments};
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

    /// Whether the deed was about assignments.
    pub(super) fn act(&mut self, deed: &Deed) -> bool {
        self.0.act(deed)
    }

    pub(super) fn acts(&self) -> &Acts {
        self.0.acts()
    }

    /// What a subject is.
    pub(super) fn kind(&self, subject: &str) -> SubjectKind {
        self.0.kind(subject)
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
