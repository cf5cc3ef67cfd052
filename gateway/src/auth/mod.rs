//! Who somebody is and what they may do: deny by default, decided from the authenticated name and nothing else.
//!
//! **In:** a CONNECT's user name and password; topics and filters. **Out:** a principal and verdicts, as the broker's
//! [`Policy`](crate::broker::Policy). **Accounts** are people (argon2id), devices (a generated 128-bit token, kept as its
//! SHA-256) and roles, in one file that only its owner may read and only the administration socket or, while no
//! gateway runs, the command line writes: whole, synced, then renamed over the old one.
//!
//! **Invariant.** A client id decides nothing. A principal with a grant may do what its account says now; once the account
//! is changed or gone it may do nothing, and its session is ended. Anonymous clients exist on listeners that only this
//! machine reaches, unless `auth.required`; never under the name of an account.
//!
//! **Failure.** A file that is not right in every line is not taken: the gateway does not start, or keeps the accounts it
//! has. Passwords are checked off the runtime, two at a time, with a short queue; a full one answers "server busy".

mod config;
mod rights;
mod accounts;
mod file;
mod secret;
mod change;
mod book;
mod policy;
mod tls;

pub use accounts::{Account, Accounts, Id, Role, Token};
pub use book::Book;
pub use change::{Change, Password};
pub use config::{Config, Tls};
pub use file::{FileError, read, write};
pub use policy::AccountsPolicy;
pub use rights::{Filter, Grants, Prefix, Rights};
pub use secret::{NewToken, PasswordError, hash_password, new_token};
pub use tls::{TlsError, load as load_tls};

/// File of the accounts within the data folder.
pub const ACCOUNTS_FILE: &str = "accounts.toml";
