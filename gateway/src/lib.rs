//! Halo Gateway: telemetry in over MQTT, durable before it is acknowledged, folded into live halos, forwarded.
//!
//! ```text
//! devices ─MQTT─▶ broker ─▶ ingest ─▶ store (log) ─▶ halo (fold) ─▶ forward ─▶ local topics
//!                   ▲ PUBACK only after the log is durable │
//!                   └──────────────────────────────────────┘
//! ```
//!
//! Everything is a record in one durable log; everything else is a fold over it or a cursor into it.
//! The modules below stand in flow order and each uses only those above it (`tests/architecture.rs` keeps that true).

// Everything goes through `terminal`: a write that fails is told there, and never a panic.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod record;
pub mod units;
pub mod clock;
pub mod metrics;
pub mod tls;
pub mod broker;
pub mod source;
pub mod ingest;
pub mod auth;
pub mod store;
pub mod halo;
pub mod spark;
pub mod forward;
pub mod admin;
pub mod config;
pub mod recovery;
pub mod history;
pub mod app;
mod terminal;
#[cfg(feature = "view")]
mod view;
#[cfg(feature = "demo")]
pub mod situations;
#[cfg(feature = "demo")]
pub mod demo;
pub mod cli;
