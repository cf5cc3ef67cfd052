pub(crate) mod support;
mod bodies;
mod derived;
mod folding;
mod size;
