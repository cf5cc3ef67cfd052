//! Models that turn state into forecasts: data of this build, or files that whoever runs the gateway brings.

use std::sync::{Arc, LazyLock};

use super::brought::Brought;
use super::derive::Derived;
use super::derive::engine::Model;
pub use super::derive::engine::ModelError;
use super::subject::Subject;

/// Parsed once.
static SHIPPED: LazyLock<Arc<Model>> =
    LazyLock::new(|| Arc::new(Model::shipped().expect("a test reads the model of this build")));

/// What a halo is rendered with. No part of any state: with other models the same log folds to the same bytes.
#[derive(Clone, Debug)]
pub struct Models {
    turbofan: Arc<Model>,
    /// In the order of the configuration: one may take what those before it told.
    brought: Arc<[Brought]>,
}

impl Default for Models {
    /// Those this build carries.
    fn default() -> Self {
        Self { turbofan: Arc::clone(&SHIPPED), brought: Arc::default() }
    }
}

impl Models {
    /// These, and of turbofans the model in the bytes of a file.
    ///
    /// # Errors
    /// What is wrong with it, and where; nothing in a damaged file is believed.
    pub fn with_turbofan(self, file: &[u8]) -> Result<Self, ModelError> {
        Ok(Self { turbofan: Arc::new(Model::read(file)?), ..self })
    }

    /// These, and models that whoever runs the gateway brings. Clones share them: what one fences off, none runs.
    #[must_use]
    pub fn with_brought(self, brought: Vec<Brought>) -> Self {
        Self { brought: brought.into(), ..self }
    }

    /// What is wrong with those brought, for a human.
    pub(crate) fn ailments(&self) -> impl Iterator<Item = String> {
        self.brought.iter().filter_map(Brought::ailment)
    }

    /// Adds what the models brought tell of a subject, of whom `known` is derived, in order of names.
    pub(super) fn add_brought(&self, subject: &Subject, known: &mut Vec<Derived>) {
        if self.brought.is_empty() {
            return;
        }
        for model in self.brought.iter() {
            known.extend(model.value(subject, known));
        }
        known.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    }

    pub(super) fn turbofan(&self) -> &Model {
        &self.turbofan
    }
}
