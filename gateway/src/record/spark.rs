//! Sparks: what was raised, what became of it, and what was said to it.

use serde::{Deserialize, Serialize};

use super::{Name, Offset, StartEpoch};

/// A decision of a rule about a subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Spark {
    /// Whose halo it is about.
    pub subject: Name,
    /// Of which rule.
    pub rule: Name,
    /// What is decided.
    pub turn: SparkTurn,
}

/// What becomes of a spark. The numbers of the variants are on disk: a new one goes behind them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SparkTurn {
    /// It begins; this record is what its id names.
    Raised(Box<Raised>),
    /// It ends.
    Cleared {
        /// Which.
        spark: Mark,
        /// With what it was.
        pair: Pair,
        /// Why.
        why: Cleared,
    },
    /// Somebody answered, or nobody did in time.
    Answered {
        /// What.
        spark: Mark,
        /// With what it was.
        pair: Pair,
        /// The answer.
        answer: Answered,
    },
}

/// Where a spark was raised: its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// Of the record that raised it.
    pub offset: Offset,
    /// Which start of the gateway wrote that record.
    pub epoch: StartEpoch,
}

/// What a subject was brought together with.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pair {
    /// The other subject, of a rule over two halos.
    pub with: Option<Name>,
    /// The key of the offer, of a rule with a table.
    pub offer: Option<Name>,
}

/// All that is told of a spark when it begins: the record alone says it, whatever becomes of rule and halo.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Raised {
    /// What met.
    pub pair: Pair,
    /// How grave it is.
    pub severity: Severity,
    /// The subject that offered it, who hears of answers; none: the operator's.
    pub owner: Option<Name>,
    /// Since when the condition held, Unix milliseconds of the gateway's clock.
    pub since_ms: i64,
    /// How far ahead of what it tells of the newest reading was, seconds, where it rests on a forecast.
    pub lead_s: Option<u64>,
    /// For a human; empty without.
    pub message: String,
    /// What the condition was decided by.
    pub facts: Vec<Fact>,
    /// Whether the subject's devices are told.
    pub cmd: bool,
    /// When it is of no use to a device any more, Unix milliseconds.
    pub expires_ms: Option<i64>,
    /// Until when an answer is waited for, Unix milliseconds; none: none is wanted.
    pub answer_until_ms: Option<i64>,
}

/// One thing a spark rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// As the rule names it: `a.signals.heart_rate.value`.
    pub path: String,
    /// What it was.
    pub value: FactValue,
    /// When it was so, Unix milliseconds, corrected, where that is known.
    pub time_ms: Option<i64>,
    /// Whose reading it was, where it is of one device.
    pub device: Option<Name>,
    /// The last record that changed the halo it is of.
    pub offset: Offset,
}

/// A value of a fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FactValue {
    /// A quantity or count.
    Number(f64),
    /// Words.
    Text(String),
    /// Yes or no.
    Bool(bool),
    /// A time, Unix milliseconds.
    Time(i64),
    /// A length of time, milliseconds.
    Span(i64),
}

/// How grave a spark is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    #[default]
    Info,
    /// Worth a look.
    Notice,
    /// Wants something done.
    Warning,
    /// Wants it done now; quiet hours do not hold it back.
    Critical,
}

impl Severity {
    /// As documents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Why a spark ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cleared {
    /// What it told of is over.
    Over,
    /// What met has parted, or the offer was withdrawn.
    Apart,
    /// The rule is not in force any more.
    Rule,
}

impl Cleared {
    /// As documents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::Apart => "apart",
            Self::Rule => "rule",
        }
    }
}

/// An answer as it counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// What was said.
    pub answer: Answer,
    /// The device that said it; none: an administrator, or nobody.
    pub device: Option<Name>,
    /// 1 to 5.
    pub rating: Option<u8>,
    /// In words; empty without.
    pub text: String,
}

/// What a subject can say to a spark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Yes.
    Accepted,
    /// No.
    Declined,
    /// Nothing, in time.
    Ignored,
}

impl Answer {
    /// As documents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Ignored => "ignored",
        }
    }
}

/// What a device, or an administrator, said to a spark; whether there is such a spark is decided by what follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The device; of an administrator's answer the subject.
    pub device: Name,
    /// Whose halo the device feeds.
    pub subject: Name,
    /// What.
    pub said: Said,
}

/// The words of a [`Reply`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The spark's id, as it was told.
    pub spark: String,
    /// Accepted or declined.
    pub answer: Answer,
    /// 1 to 5.
    pub rating: Option<u8>,
    /// In words; empty without.
    pub text: String,
}
