pub(crate) mod support;
mod derived;
mod folding;
mod size;
