mod carrying;
mod checkpoints;
mod cuts;
mod failures;
mod full;
mod groups;
pub(crate) mod rig;
