pub(crate) mod support;
mod folding;
mod size;
