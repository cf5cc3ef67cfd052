//! Judges a gateway from outside; depends on nothing of it.
