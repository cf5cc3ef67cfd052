//! What was looked at and what broke.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Examples kept of one broken rule.
const EXAMPLES_MAX: usize = 10;

/// One rule's outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// How many things were held against it; 0 = there was nothing to hold.
    pub checked: u64,
    /// How many broke it.
    pub broken: u64,
    /// Some of them.
    pub examples: Vec<String>,
}

/// Where an upstream's frames are. *stored = forwarded + pending + quarantined + dropped + missing*; missing breaks a
/// rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fate {
    /// Frames in the log.
    pub stored: u64,
    /// Received there.
    pub forwarded: u64,
    /// Neither received nor passed by its cursor.
    pub pending: u64,
    /// Set aside.
    pub quarantined: u64,
    /// Listed as dropped.
    pub dropped: u64,
    /// Passed by its cursor, and nowhere.
    pub missing: u64,
    /// Messages received beyond the first of each id.
    pub repeats: u64,
}

/// The judgement.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// By name.
    pub rules: BTreeMap<&'static str, Rule>,
    /// By upstream.
    pub upstreams: BTreeMap<String, Fate>,
    /// Frames the sender's ledger holds.
    pub sent: u64,
    /// Of these acknowledged.
    pub acknowledged: u64,
}

impl Report {
    /// Whether no rule is broken.
    pub fn holds(&self) -> bool {
        self.rules.values().all(|rule| rule.broken == 0)
    }

    /// Names of the broken rules.
    pub fn broken(&self) -> Vec<&'static str> {
        self.rules.iter().filter(|(_, rule)| rule.broken > 0).map(|(name, _)| *name).collect()
    }

    /// Holds one thing against a rule; `complaint` says what is wrong with it, if anything.
    pub(crate) fn hold(&mut self, rule: &'static str, complaint: Option<String>) {
        let rule = self.rules.entry(rule).or_default();
        rule.checked += 1;
        if let Some(complaint) = complaint {
            rule.broken += 1;
            if rule.examples.len() < EXAMPLES_MAX {
                rule.examples.push(complaint);
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} frames sent, {} acknowledged", self.sent, self.acknowledged)?;
        for (name, fate) in &self.upstreams {
            let Fate { stored, forwarded, pending, quarantined, dropped, missing, repeats } = fate;
            writeln!(
                f,
                "upstream {name}: {stored} stored = {forwarded} forwarded + {pending} pending + {quarantined} \
                 quarantined + {dropped} dropped + {missing} missing; {repeats} repeats"
            )?;
        }
        for (name, rule) in &self.rules {
            let verdict = match rule {
                Rule { checked: 0, .. } => "nothing to check".to_owned(),
                Rule { broken: 0, checked, .. } => format!("holds for {checked}"),
                Rule { broken, checked, .. } => format!("BROKEN by {broken} of {checked}"),
            };
            writeln!(f, "{name:<26} {verdict}")?;
            for example in &rule.examples {
                writeln!(f, "    {example}")?;
            }
        }
        Ok(())
    }
}
