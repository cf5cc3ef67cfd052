//! 2. Records become durable.
