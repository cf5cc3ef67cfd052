pub(crate) mod support;
mod bodies;
mod derived;
mod folding;
mod people;
pub(crate) mod forecasts;
mod size;
