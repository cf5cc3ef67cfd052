//! Arguments → configuration → logs → app → exit code.

fn main() {}
