//! What ingest knows of its devices, for whoever administers them.

use super::{Device, Ingest};
use crate::record::Name;

/// One device.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Its id.
    pub device: Name,
    /// Whose halo it feeds at the time asked for.
    pub subject: Name,
    /// A session that published as this device is open.
    pub online: bool,
    /// Sequences still waited for.
    pub missing: u64,
    /// Sequences given up.
    pub lost: u64,
    /// Times it said that could not be, over its kept boots.
    pub clocks_refused: u32,
}

impl Ingest {
    /// One device, as of a Unix time in milliseconds; `None` = never heard of.
    pub fn known(&self, device: &str, unix_ms: i64) -> Option<Known> {
        self.devices.get_key_value(device).map(|(name, device)| self.view(name, device, unix_ms))
    }

    /// All devices, in order of their ids.
    pub fn all_known(&self, unix_ms: i64) -> Vec<Known> {
        let mut all: Vec<Known> = self.devices.iter().map(|(name, device)| self.view(name, device, unix_ms)).collect();
        all.sort_unstable_by(|one, other| one.device.cmp(&other.device));
        all
    }

    fn view(&self, name: &Name, device: &Device, unix_ms: i64) -> Known {
        Known {
            device: name.clone(),
            subject: self.assignments.subject_at(name, unix_ms),
            online: self.live.is_online(name),
            missing: device.sequences().missing(),
            lost: device.sequences().lost(),
            clocks_refused: device.clocks_refused(),
        }
    }
}
