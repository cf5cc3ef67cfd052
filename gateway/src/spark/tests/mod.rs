//! Rules decide on records as the log owner would write them.

mod bad;
mod central;
mod cohorts;
mod crowd;
mod foreseeing;
mod meeting;
mod raising;
mod replying;
mod rig;
mod tastes;
