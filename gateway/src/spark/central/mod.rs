//! Who is in the middle of things: a graph of who was together with whom, and a rank for each who takes part.
//!
//! In: a subject that a record changed. Out: `a.central.rank` and `a.central.share`, and whose have changed.
//!
//! * Two subjects are together when they are of one party, when they got into a ride at the same reader within two
//!   minutes, or when they are drivers and passengers of one trip. Each occasion adds one to the weight of their edge.
//! * Only those are in it whose setting `cohorts` is `yes`; who takes the setting back is out of it at once, with all
//!   edges.
//! * Ranks are computed anew at most once a second of the fold's time, of many subjects and edges more seldom (once a
//!   minute from a million on), and only if something changed; below ten subjects there are none.
//! * It lives in memory. A start finds parties, the trips under way and each subject's last ride in the halos, and
//!   nothing of what was before.
//! * Bounded: [`graph::PEOPLE_MAX`] subjects, [`graph::EDGES_MAX`] edges and [`graph::EDGES_OF_ONE_MAX`] of one subject;
//!   beyond that there are no new edges. Of one party or ride, [`graph::TOGETHER_MAX`] others count.

mod graph;
mod meetings;
mod pagerank;

pub(super) use meetings::Central;
