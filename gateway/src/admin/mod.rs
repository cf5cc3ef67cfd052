//! Administration: one set of commands, a Unix socket that takes them, and what each of them does.
//!
//! **In:** lines of JSON on `<data>/admin.sock`, which only the gateway's own user may open: a [`Request`], at most
//! [`LINE_BYTES_MAX`] bytes. **Out:** for each, any number of [`Answer::Row`] and then one [`Answer::Done`] or
//! [`Answer::Failed`], a line each. The command line is a client like any other.
//!
//! **Offers** are loaded and withdrawn as a client would: a retained publish in the log, by "local", then to subscribers.
//!
//! **Acts** (assign, release, replace, forget, relate, alias, merge, set, replay, discard, hold) are records: checked, appended, answered once durable. The
//! log is their audit. Changes of accounts are records too, without secrets, then written to the file of accounts, then in
//! force; sessions they concern have ended before they are answered. Changes made while no gateway runs are in the file
//! alone: there is no log that takes them. An act that has begun is done to its end, whoever still waits for its answer.
//!
//! **Bounds.** [`CLIENTS_MAX`] clients at a time, each with time limits for its next line and for taking its answers.
//!
//! **Seam.** What other stages know or do enters through [`Parts`]; whatever is not wired answers "not available".

mod command;
mod parts;
mod pace;
mod rows;
mod desk;
mod offers;
mod status;
mod accounts;
mod rules;
mod cohorts;
mod socket;

pub use accounts::AccountsDesk;
pub use command::{Answer, Command, Request, VERSION, Which};
pub use desk::{Desk, Refusal, Tools};
pub use parts::{Disk, Held, NoParts, Parts, Upstream};
pub(crate) use rows::time;
pub use rows::{roles, users};
pub use socket::{CLIENTS_MAX, Door, LINE_BYTES_MAX, PATH_BYTES_MAX, SOCKET_FILE, SocketError, path_fits};
