mod carrying;
mod cuts;
mod failures;
mod groups;
pub(crate) mod rig;
