//! 1. Publishes become records.
