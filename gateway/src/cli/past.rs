//! The log of a data folder, as the commands that look back open it.

use std::path::PathBuf;

use clap::Args;
use halo_proto::topic::{self, Grammar};

use super::Failure;
use super::client::Target;
use crate::app::read_models;
use crate::config::Config;
use crate::halo::Models;
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

/// By which models the past is told.
#[derive(Args)]
pub(super) struct By {
    /// Configuration of the gateway, whose models tell derived values [default: the models of this build].
    #[arg(long, value_name = "FILE", display_order = 78)]
    config: Option<PathBuf>,
}

impl By {
    /// Those of `[halo.models]`, overlaid by the environment as `run` does it.
    pub(super) fn models(&self) -> Result<Models, Failure> {
        let Some(file) = &self.config else { return Ok(Models::default()) };
        let config = Config::load(Some(file), std::env::vars(), &[])?;
        Ok(read_models(&config.halo.models)?)
    }

    /// What may be why a derived value is another one; empty where models were given.
    pub(super) fn hint(&self) -> Option<&'static str> {
        self.config.is_none().then_some("by the models of this build: --config FILE takes those of a gateway")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_brings_its_models_and_none_brings_those_of_the_build() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("gateway.toml");
        let by = |text: &str| {
            std::fs::write(&file, text).expect("written");
            By { config: Some(file.clone()) }.models().map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(by(""), Ok(()));
        let error = by("[halo.models]\nturbofan = \"/nowhere/at/all.model\"\n").expect_err("not there");
        assert!(error.starts_with("halo.models.turbofan: /nowhere/at/all.model: "), "{error}");
        assert!(By { config: None }.models().is_ok() && By { config: None }.hint().is_some());
    }
}
