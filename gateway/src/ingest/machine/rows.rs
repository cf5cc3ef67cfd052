//! The machine's state to checkpoint rows and back.

use std::collections::BTreeSet;

use super::Ingest;
use crate::ingest::assign::Assignments;
use crate::ingest::checkpoint::{self, Key, LoadError, Row, Rows};
use crate::ingest::device::Device;
use crate::ingest::publish::Settings;
use crate::record::{FoldConfig, Name, Offset};

/// What changed since the last checkpoint.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pub(super) devices: Vec<Name>,
    pub(super) births: BTreeSet<Name>,
    pub(super) config: bool,
    pub(super) owed: bool,
    pub(super) anchor: bool,
    pub(super) acts: bool,
    pub(super) people: bool,
    pub(super) account: bool,
    pub(super) offers: bool,
    /// Rows of forgotten devices.
    pub(super) erased: Rows,
}

impl Ingest {
    /// Rows that changed since the last call, for a checkpoint at the last applied record.
    pub fn dirty_rows(&mut self) -> Vec<Row> {
        let dirty = std::mem::take(&mut self.dirty);
        // First: a device that is back writes its rows over them.
        let mut rows = dirty.erased;
        for name in dirty.devices {
            if let Some(device) = self.devices.get_mut(&name) {
                device.save(&name, &mut rows);
            }
        }
        for name in dirty.births {
            rows.set(Key::Births { device: &name }, self.schemas.saved(&name));
        }
        if dirty.config {
            rows.put(Key::Config, &self.config);
        }
        if dirty.owed {
            rows.put(Key::Owed, &self.owed);
        }
        if dirty.anchor {
            rows.put(Key::Anchor, &self.anchor_ms);
        }
        if dirty.acts {
            rows.put(Key::Acts, self.assignments.acts());
        }
        if dirty.people {
            rows.put(Key::People, self.assignments.people());
        }
        if dirty.account {
            rows.put(Key::Account, &self.account);
        }
        if dirty.offers {
            rows.put(Key::Offers, &self.offers);
        }
        for (Offset(offset), entry) in self.quarantine.take_dirty() {
            rows.set(Key::Quarantined { offset }, entry);
        }
        for (number, run) in self.losses.take_dirty_runs() {
            rows.set(Key::Loss { number }, run);
        }
        for (device, totals) in self.losses.take_dirty_totals() {
            rows.put(Key::LossTotals { device: &device }, &totals);
        }
        rows.into_vec()
    }

    /// The state as checkpointed; then apply every record after it.
    ///
    /// # Errors
    /// [`LoadError`] names the first row that cannot be used; start from [`Ingest::new`] and the whole log instead.
    pub fn load<K, V>(settings: Settings, rows: impl IntoIterator<Item = (K, V)>) -> Result<Self, LoadError>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let mut ingest = Self::new(settings);
        for (key, value) in rows {
            ingest.load_row(key.as_ref(), value.as_ref())?;
        }
        Ok(ingest)
    }

    fn load_row(&mut self, key: &[u8], value: &[u8]) -> Result<(), LoadError> {
        match Key::parse(key)? {
            Key::Device { device } => self.device(device).restore_core(checkpoint::value(key, value)?),
            Key::Page { device, boot, .. } => self.device(device).restore_page(boot, checkpoint::value(key, value)?),
            Key::Points { device, .. } => self.device(device).restore_points(checkpoint::value(key, value)?),
            Key::Births { device } => {
                let births = checkpoint::value(key, value)?;
                self.schemas.restore(device, births).map_err(|why| checkpoint::error(key, why.to_string()))?;
            }
            Key::Config => {
                self.config = configuration(key, value)?;
                self.assignments.configure(&self.config);
                self.schemas.configure(&self.config);
            }
            Key::Acts => {
                let people = std::mem::take(&mut self.assignments).into_people();
                self.assignments = Assignments::new(&self.config, checkpoint::value(key, value)?).with_people(people);
            }
            Key::People => {
                let people = checkpoint::value(key, value)?;
                self.assignments = std::mem::take(&mut self.assignments).with_people(people);
            }
            Key::Quarantined { .. } => self.quarantine.restore(checkpoint::value(key, value)?),
            Key::Loss { number } => self.losses.restore_run(number, checkpoint::value(key, value)?),
            Key::LossTotals { device } => self.losses.restore_totals(device, checkpoint::value(key, value)?),
            Key::Account => self.account = checkpoint::value(key, value)?,
            Key::Offers => self.offers = checkpoint::value(key, value)?,
            Key::Owed => self.owed = checkpoint::value(key, value)?,
            Key::Anchor => self.anchor_ms = checkpoint::value(key, value)?,
        }
        Ok(())
    }

    fn device(&mut self, name: &str) -> &mut Device {
        self.devices.entry(name.into()).or_default()
    }
}

/// The configuration, also as it was written before fleets could describe signals and kinds of their own.
fn configuration(key: &[u8], value: &[u8]) -> Result<FoldConfig, LoadError> {
    checkpoint::value(key, value).or_else(|_| {
        let (hash, assignments, silent_after_ms, forecasts) = checkpoint::value(key, value)?;
        Ok(FoldConfig { hash, assignments, silent_after_ms, forecasts, ..FoldConfig::default() })
    })
}
