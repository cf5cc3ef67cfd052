//! `readings/1` as an integrator reads it from its schema: a field that is missing, of another type or not foreseen is
//! an error.

use std::collections::{BTreeMap, HashSet};

use halo_proto::topic::{Grammar, Topic};
use serde::Deserialize;

use crate::Failure;

/// One message: an accepted frame of a native device, so that boot and sequence number are always there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// `readings/1`.
    pub schema: String,
    /// Stable id of the message.
    pub mid: String,
    /// Who measured.
    pub device: String,
    /// Whose readings these are.
    pub subject: String,
    /// Boot counter of the device.
    pub boot: u32,
    /// Number of the frame within the boot.
    pub seq: u32,
    /// RFC 3339.
    pub arrival: String,
    /// Device time = `t` − this.
    pub offset_ms: i64,
    /// `synced` or `estimated`.
    pub clock: String,
    /// `live` or `backfill`.
    pub lane: String,
    /// `good` or `suspect`.
    pub quality: String,
    /// By name.
    pub signals: BTreeMap<String, Signal>,
}

/// One signal of a frame whose readings are all good.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// UCUM.
    pub unit: String,
    /// Physical value = `v` × this …
    pub num: u32,
    /// … / this.
    pub den: u32,
    /// Unix milliseconds of each reading.
    pub t: Vec<i64>,
    /// Raw value of each reading.
    pub v: Vec<i64>,
}

impl Message {
    /// Reads one message and checks it in itself.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(topic: &str, payload: &str) -> Result<Self, Failure> {
        let message: Self = serde_json::from_str(payload).map_err(|error| format!("{error} in {payload}"))?;
        let Self { device, subject, .. } = &message;
        let wanted = Grammar::default().display(Topic::Readings { subject, device }).to_string();
        let sound = |signal: &Signal| !signal.t.is_empty() && signal.t.len() == signal.v.len() && signal.den > 0;
        let checks = [
            ("topic", topic == wanted),
            ("schema", message.schema == "readings/1"),
            ("mid", !message.mid.is_empty()),
            ("arrival", message.arrival.len() == 24 && message.arrival.ends_with('Z')),
            ("clock", ["synced", "estimated"].contains(&message.clock.as_str())),
            ("lane", message.lane == "live"),
            ("quality", message.quality == "good"),
            ("signals", message.signals.values().all(sound)),
        ];
        match checks.iter().find(|(_, holds)| !holds) {
            Some((what, _)) => Err(format!("{what} is wrong in a message on {topic}: {payload}").into()),
            None => Ok(message),
        }
    }
}

/// The messages of each device, checked: none twice, frames numbered from 0 of one boot, in order, without a hole.
///
/// # Errors
/// The first message that is out of place.
pub fn by_device(messages: Vec<Message>, boot: u32) -> Result<BTreeMap<String, Vec<Message>>, Failure> {
    let mut mids = HashSet::new();
    let mut devices: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    for message in messages {
        if !mids.insert(message.mid.clone()) {
            return Err(format!("message {} came twice", message.mid).into());
        }
        let Message { device, boot: of_boot, seq, .. } = &message;
        let before = devices.entry(device.clone()).or_default();
        if *of_boot != boot || usize::try_from(*seq) != Ok(before.len()) {
            let wanted = before.len();
            return Err(format!("{device}: frame {of_boot}/{seq} came where {boot}/{wanted} is next").into());
        }
        before.push(message);
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "halo/v1/readings/anna/wrist-1";

    fn payload(seq: u32) -> String {
        format!(
            r#"{{"schema":"readings/1","mid":"gw-{seq}","device":"wrist-1","subject":"anna","boot":1,"seq":{seq},
            "arrival":"2026-11-21T19:48:00.250Z","offset_ms":5,"clock":"synced","lane":"live","quality":"good",
            "signals":{{"heart_rate":{{"unit":"/min","num":1,"den":1,"t":[7],"v":[70]}}}}}}"#
        )
    }

    #[test]
    fn a_message_out_of_shape_is_told_from_one_in_shape() {
        let good = payload(0);
        Message::read(TOPIC, &good).expect("in shape");
        assert!(Message::read("halo/v1/readings/anna/wrist-2", &good).is_err());
        let wrongs = [
            ("readings/1", "readings/2"),
            ("\"boot\":1", "\"boot\":\"1\""),
            ("\"offset_ms\":5,", ""),
            ("\"v\":[70]", "\"v\":[70,71]"),
            ("\"v\":[70]", "\"v\":[70.5]"),
            ("\"v\":[70]", "\"v\":[70],\"w\":[]"),
            ("live", "backfill"),
            ("good", "suspect"),
        ];
        for (right, wrong) in wrongs {
            assert!(Message::read(TOPIC, &good.replace(right, wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_hole_a_repeat_and_a_swap_are_seen() {
        let read = |seqs: &[u32]| -> Vec<Message> {
            seqs.iter().map(|seq| Message::read(TOPIC, &payload(*seq)).expect("in shape")).collect()
        };
        assert_eq!(by_device(read(&[0, 1, 2]), 1).expect("in order")["wrist-1"].len(), 3);
        for seqs in [&[0, 2][..], &[0, 1, 1], &[1, 0], &[1, 2]] {
            assert!(by_device(read(seqs), 1).is_err(), "{seqs:?}");
        }
        assert!(by_device(read(&[0]), 2).is_err());
    }
}
