pub(crate) mod support;
mod bodies;
mod context;
mod derived;
mod engines;
mod folding;
mod people;
pub(crate) mod forecasts;
mod size;
