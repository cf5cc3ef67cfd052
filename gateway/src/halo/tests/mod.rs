pub(crate) mod support;
mod bodies;
mod context;
mod derived;
mod engines;
mod folding;
pub(crate) mod forecasts;
mod size;
