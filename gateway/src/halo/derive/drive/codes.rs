//! Diagnostic trouble codes.

use serde::{Deserialize, Serialize};

/// Most codes kept; further ones are ignored until some are cleared.
pub(crate) const CODES_MAX: usize = 32;

/// A code of SAE J2012: a letter of P, C, B and U, a digit 0 to 3, three hexadecimal digits; `P0420`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Code([u8; 5]);

impl Code {
    /// Of text, in capitals or not, with blanks around it or not.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let code: [u8; 5] = text.trim_ascii().to_ascii_uppercase().try_into().ok()?;
        let [system, origin, rest @ ..] = code;
        let sound = b"PCBU".contains(&system) && (b'0'..=b'3').contains(&origin);
        (sound && rest.iter().all(u8::is_ascii_hexdigit)).then_some(Self(code))
    }
}

/// The codes set now, with when they came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Codes {
    /// Sorted by code.
    set: Vec<(Code, i64)>,
}

impl Codes {
    /// True if the code was not set before.
    pub(super) fn set(&mut self, code: Code, at_ms: i64) -> bool {
        match self.set.binary_search_by_key(&code, |(code, _)| *code) {
            Err(at) if self.set.len() < CODES_MAX => {
                self.set.insert(at, (code, at_ms));
                true
            }
            _ => false,
        }
    }

    /// Takes out one code, or all of them, that came before a time.
    pub(super) fn clear(&mut self, which: Option<Code>, before_ms: i64) -> Vec<Code> {
        let goes = |(code, at_ms): &(Code, i64)| which.is_none_or(|which| which == *code) && *at_ms < before_ms;
        let gone = self.set.iter().filter(|set| goes(set)).map(|(code, _)| *code).collect();
        self.set.retain(|set| !goes(set));
        gone
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.set.capacity() * size_of::<(Code, i64)>()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &(Code, i64)> {
        self.set.iter()
    }
}
