mod reference;
mod support;
mod synthetic;
mod tails;
