//! Administration: one set of commands, a Unix socket that takes them, and what each of them does.
