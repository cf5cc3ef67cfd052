//! Random numbers that make each segment's checksums its own.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::fs::mem::Rng;

/// A source of salts.
pub(crate) enum Salts {
    System,
    Seeded(Rng),
}

impl Salts {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        seed.map_or(Self::System, |seed| Self::Seeded(Rng(seed)))
    }

    /// The next salt. The system's come from the keys that std draws from the operating system for its hash maps.
    pub(crate) fn next(&mut self) -> u64 {
        match self {
            Self::System => RandomState::new().build_hasher().finish(),
            Self::Seeded(rng) => rng.draw(),
        }
    }
}
