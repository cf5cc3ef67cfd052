//! One connection's protocol, without socket, clock or task: an event in, effects out.
//!
//! * In: decoded packets, outcomes of the log, deliveries from the router, the time. Out: replies in the order they must
//!   be written, publishes to offer, messages to route, and exactly one [`Effect::Close`].
//! * Invariant: acknowledgements and refusals leave through one queue, in the order of their packets ([`acks`]).
//! * After the close the session goes on to take outcomes, because what was stored must be routed although its sender
//!   has left; it is over when [`Session::is_drained`].

pub(crate) mod acks;
mod connect;
mod connected;
mod effects;
mod in_flight;
mod machine;
#[cfg(test)]
mod tests;

pub(crate) use effects::{Cause, Effect, Event};
pub(crate) use machine::{Limits, Session};
