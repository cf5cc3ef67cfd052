pub(crate) mod support;
mod derived;
mod folding;
pub(crate) mod forecasts;
mod size;
