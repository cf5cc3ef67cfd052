//! The harness of the end-to-end tests: where the real data is, which tools there are, a subscriber that is not of our
//! own making, and a whole run: recordings in at the simulator, documents out at that subscriber.

pub mod board;
pub mod clock;
pub mod compare;
pub mod data;
pub mod evidence;
pub mod mqtt;
pub mod process;
pub mod random;
pub mod mosquitto;
pub mod paho;
pub mod proxy;
pub mod recording;
pub mod readings;
pub mod receiver;
pub mod replay;
pub mod rig;
pub mod scripted;
pub mod soak;
pub mod sparks;
pub mod stage;
pub mod trial;
pub mod truth;

/// What an end-to-end test fails with: a sentence.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whether a missing tool or missing data fails a test instead of skipping it.
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// Says loudly that a test did not run.
///
/// # Panics
/// With `CI=true`: there everything must be present.
pub fn skip(what: &str) {
    assert!(!in_ci(), "CI=true, but {what}");
    eprintln!("\n*** SKIP: {what} ***\n");
}
