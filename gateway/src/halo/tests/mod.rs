pub(crate) mod support;
mod bodies;
mod derived;
mod engines;
mod folding;
pub(crate) mod forecasts;
mod size;
