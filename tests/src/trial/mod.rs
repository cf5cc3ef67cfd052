//! Trials of the one promise: what was acknowledged is there after the blow, byte for byte.
//!
//! **In**: a [`Plan`]: which blow (power cut or kill -9), how many, on which ground, from which seed. **Out**: a
//! [`Tally`]. Under load of a fleet and of retained publishes, whose ledgers live outside the ground, blow follows blow
//! on one data folder; after each, the log is verified and everything acknowledged so far is looked for in it. A life
//! of some blows ends with everything acknowledged, halos compared with a replay, an orderly stop and a second look at
//! the whole log; then a new life begins on fresh ground. **Failure model**: a blow may also fall while the gateway
//! starts; what goes wrong in the machinery itself is an error, never a loss.

mod ground;
mod halos;
mod life;
mod load;
mod stored;

pub use ground::{Blow, Ground};
pub use life::{Plan, Tally, run};
pub use load::{IN_FLIGHT_MIN, Load};
pub use stored::{Missing, Stored};
