//! The log of a data folder, as the commands that look back open it.

use clap::Args;
use halo_proto::topic::{self, Grammar};

use super::Failure;
use super::client::Target;
use crate::history::Past;
use crate::store::fs::Disk;

/// By which topics births are found.
#[derive(Args)]
pub(super) struct Root {
    /// Root of the gateway's topics, as `gateway.root`: births are found by it.
    #[arg(long, value_name = "ROOT", default_value = topic::ROOT_DEFAULT, env = "HALO_GATEWAY__GATEWAY__ROOT", display_order = 79)]
    root: String,
}

impl Root {
    /// The past of the data folder.
    pub(super) fn open(&self, target: &Target) -> Result<Past<Disk>, Failure> {
        Ok(Past::open(&target.data_dir, Grammar::new(&self.root)?)?)
    }
}
