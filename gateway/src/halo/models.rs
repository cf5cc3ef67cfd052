//! Models that turn state into forecasts: data of this build, or files that whoever runs the gateway brings.

use std::sync::{Arc, LazyLock};

use super::derive::engine::Model;
pub use super::derive::engine::ModelError;

/// Parsed once.
static SHIPPED: LazyLock<Arc<Model>> =
    LazyLock::new(|| Arc::new(Model::shipped().expect("a test reads the model of this build")));

/// What a halo is rendered with. No part of any state: with other models the same log folds to the same bytes.
#[derive(Clone, Debug)]
pub struct Models {
    turbofan: Arc<Model>,
}

impl Default for Models {
    /// Those this build carries.
    fn default() -> Self {
        Self { turbofan: Arc::clone(&SHIPPED) }
    }
}

impl Models {
    /// These, and of turbofans the model in the bytes of a file.
    ///
    /// # Errors
    /// What is wrong with it, and where; nothing in a damaged file is believed.
    pub fn with_turbofan(self, file: &[u8]) -> Result<Self, ModelError> {
        Ok(Self { turbofan: Arc::new(Model::read(file)?) })
    }

    pub(super) fn turbofan(&self) -> &Model {
        &self.turbofan
    }
}
