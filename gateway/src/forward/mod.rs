//! 6. Halos and readings leave on local topics.
