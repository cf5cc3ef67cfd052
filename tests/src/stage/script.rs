//! What the devices of a scenario will do.

use std::collections::VecDeque;
use std::time::Duration;

use firmware_sim::{Broker, FleetConfig, Step, scenario, stepped};
use serde_json::Value;

use crate::Failure;

/// Device time is so much faster than the time of the steps.
const PACE: f64 = 1_000.0;

/// What is still to be played.
pub struct Script {
    pub(super) steps: VecDeque<(String, Step)>,
    start_ms: i64,
}

impl Script {
    /// A recording that is told as one that ended at Unix time `end_ms`.
    pub(super) fn of(name: &str, devices: u32, lasting: Duration, seed: u64, end_ms: i64) -> Result<Self, Failure> {
        let base = FleetConfig { seed, ..FleetConfig::new(Broker::new("nowhere", 1), 0) };
        let scenario = scenario(name).ok_or("no such scenario")?;
        let config = scenario.config(Some(devices), Some(PACE), Some(lasting), base);
        // A recording ends when its device connects.
        let start_ms = end_ms;
        let mut steps = Vec::new();
        for device in stepped(&config, start_ms)? {
            let id = device.id().to_string();
            for step in device {
                steps.push((id.clone(), step?));
            }
        }
        steps.sort_by_key(|(_, step)| step.at_ms);
        Ok(Self { steps: steps.into(), start_ms })
    }

    /// Truths that are still to come.
    pub fn truths<'s>(&'s self, what: &'s str) -> impl Iterator<Item = &'s Value> {
        self.steps.iter().flat_map(|(_, step)| &step.truths).filter(move |line| line["truth"] == *what)
    }

    /// Leaves out the steps of which `is_kept` is not true; it is told the device, and how long it has been on, seconds.
    pub fn keep(&mut self, mut is_kept: impl FnMut(&str, f64) -> bool) {
        let start_ms = self.start_ms;
        self.steps.retain(|(id, step)| is_kept(id, (step.at_ms - start_ms) as f64 / 1_000.0 * PACE));
    }
}
