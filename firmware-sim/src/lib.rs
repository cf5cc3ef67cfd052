//! The simulated fleet.
mod clock;
mod wristband;
mod outbox;
mod ledger;
mod client;
