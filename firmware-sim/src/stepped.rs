//! The devices of a fleet without a network and without the machine's clock: each is stepped from one frame to the next,
//! and says what it delivers, when, and what was true meanwhile.
//!
//! The same seed gives the same frames as a fleet on the wire. Of the faults, those of readings, clocks, boots, dead zones,
//! repeats and order are played; lost acknowledgements, slow links, storms and late births belong to a network, and are
//! not: a birth comes before the first frame, and again after each dead zone and boot.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::config::{FleetConfig, FleetError};
use crate::crew;
use crate::device::{Device, Product};
use crate::kind::Kind;
use crate::kinds::Told;
use crate::truth;

/// The devices of a fleet that is switched on at Unix time `started_ms`; broker, window, buffer, ledger and truth file of
/// `config` are of no use here.
///
/// # Errors
/// [`FleetError::Config`] for values that cannot work.
pub fn stepped(config: &FleetConfig, started_ms: i64) -> Result<Vec<Stepped>, FleetError> {
    let of = |device| Stepped { device, started_ms, held: Vec::new(), announced: false };
    Ok(crew::muster(config)?.into_iter().map(of).collect())
}

/// One device; its steps in order of time. It ends where its configuration does.
pub struct Stepped {
    device: Device,
    started_ms: i64,
    /// Frames made where there was no network.
    held: Vec<Bytes>,
    /// Whether a birth of this boot, and of this connection, is out.
    announced: bool,
}

/// What came of one frame's time.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When it was over, Unix ms.
    pub at_ms: i64,
    /// What arrives then, in this order; empty without a network, and when there was nothing to say.
    pub delivered: Vec<Delivery>,
    /// What was true, as the lines of a truth file.
    pub truths: Vec<Value>,
}

/// One publish.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// On the birth topic, retained.
    Birth(Bytes),
    /// On the telemetry topic.
    Frame(Bytes),
}

impl Stepped {
    /// Its name.
    pub fn id(&self) -> &Arc<str> {
        self.device.id()
    }

    /// What it is; `None` = a recorded series.
    pub fn kind(&self) -> Option<Kind> {
        self.device.kind
    }

    fn step(&mut self) -> Option<Result<Step, FleetError>> {
        let elapsed = self.device.next_due()?;
        let product = self.device.produce()?;
        Some(match product {
            Ok(product) => Ok(self.happened(elapsed, product)),
            Err(error) => Err(FleetError::Config(error.to_string())),
        })
    }

    fn happened(&mut self, elapsed: Duration, product: Product) -> Step {
        let Product { parcel, rebooted, told } = product;
        let at_ms = self.started_ms.saturating_add(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX));
        self.announced &= !rebooted;
        self.held.extend(parcel.map(|parcel| parcel.payload));
        let (dead, ended) = self.device.dead_zone();
        self.announced &= ended.is_none();
        let delivered = if dead { Vec::new() } else { self.deliver(elapsed, at_ms) };
        let line = |told: &Told| truth::line(&self.device, told, self.started_ms);
        Step { at_ms, delivered, truths: told.iter().chain(&ended).map(line).collect() }
    }

    fn deliver(&mut self, elapsed: Duration, at_ms: i64) -> Vec<Delivery> {
        let mut frames = std::mem::take(&mut self.held);
        if self.device.dice.newest_first() {
            frames.reverse();
        }
        if frames.len() > 1 && self.device.dice.overtakes() {
            frames.swap(0, 1);
        }
        let mut delivered = Vec::new();
        if !std::mem::replace(&mut self.announced, true) {
            delivered.push(Delivery::Birth(self.device.birth(elapsed, at_ms)));
        }
        for frame in frames {
            if self.device.dice.sends_twice() {
                delivered.push(Delivery::Frame(frame.clone()));
            }
            delivered.push(Delivery::Frame(frame));
        }
        delivered
    }
}

impl Iterator for Stepped {
    /// An error is a frame that has no room for its readings: the period is too long.
    type Item = Result<Step, FleetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step()
    }
}

#[cfg(test)]
mod tests {
    use halo_proto::frame::peek_header;

    use super::*;
    use crate::config::{Cast, Crew};
    use crate::faults::Faults;

    const START_MS: i64 = 1_795_291_200_000;

    fn steps(faults: Faults) -> Vec<Step> {
        let cast =
            Cast::Crews { crews: vec![Crew::new(Kind::CarDongle, 1)], lasting: Some(Duration::from_secs(4 * 3_600)) };
        let broker = "127.0.0.1".parse().unwrap();
        let config = FleetConfig { cast, period: Duration::from_secs(10), faults, ..FleetConfig::new(broker, 0) };
        stepped(&config, START_MS).unwrap().remove(0).map(Result::unwrap).collect()
    }

    fn sequences(steps: &[Step]) -> Vec<u32> {
        let payload = |delivery: &Delivery| match delivery {
            Delivery::Frame(payload) => Some(peek_header(payload).unwrap().seq),
            Delivery::Birth(_) => None,
        };
        steps.iter().flat_map(|step| &step.delivered).filter_map(payload).collect()
    }

    #[test]
    fn a_birth_comes_first_and_every_frame_once_in_order_of_time() {
        let steps = steps(Faults::NONE);
        assert!(matches!(steps[0].delivered[..], [Delivery::Birth(_), Delivery::Frame(_)]));
        assert!(steps.is_sorted_by(|a, b| a.at_ms < b.at_ms) && steps[0].at_ms >= START_MS);
        // A parked car sends nothing.
        assert!(sequences(&steps).into_iter().eq(0..came_len(&steps)) && came_len(&steps) > 500);
        let trips = steps.iter().flat_map(|step| &step.truths).filter(|line| line["truth"] == "trip");
        assert!(trips.clone().count() > 0 && trips.clone().all(|trip| trip["to_ms"].as_i64() > Some(START_MS)));
    }

    #[test]
    fn frames_made_in_a_dead_zone_come_after_it_all_of_them_and_behind_a_new_birth() {
        let zones = Faults { dead_zones: 3.0, dead_zone_s: 120.0, ..Faults::NONE };
        let steps = steps(Faults { newest_first: 1.0, ..zones });
        let mut came = sequences(&steps);
        assert!(!came.is_sorted(), "the newest first");
        came.sort_unstable();
        assert!(came.into_iter().eq(0..came_len(&steps)));
        let births = steps.iter().flat_map(|step| &step.delivered).filter(|it| matches!(it, Delivery::Birth(_)));
        let zones = steps.iter().flat_map(|step| &step.truths).filter(|line| line["truth"] == "dead_zone").count();
        assert_eq!((births.count(), zones > 2), (zones + 1, true));
    }

    fn came_len(steps: &[Step]) -> u32 {
        u32::try_from(sequences(steps).len()).unwrap()
    }
}
