//! Halos as subscribers see them against halos folded from the log alone.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use halo_gateway::forward::river::render_halo;
use halo_gateway::halo::Fold;
use halo_gateway::record::Offset;
use halo_gateway::store::fs::Disk;
use halo_gateway::store::{LOG_FOLDER, Reader};
use halo_proto::topic::Grammar;
use serde_json::Value;

use crate::Failure;
use crate::clock::until;
use crate::mqtt::{Client, Packet};

/// Longest wait for the fold to have caught up and for each message.
const PATIENCE: Duration = Duration::from_secs(60);
/// Devices and helpers have left when no more than this many connections are open: the one that asks.
const CONNECTIONS_MAX: u64 = 1;

/// Compares the retained halos of `devices` subjects with a fold of the log up to the offset they are of.
///
/// # Errors
/// The first halo that differs.
pub(super) fn equal_a_replay(address: SocketAddr, data: &Path, devices: u32) -> Result<u64, Failure> {
    let (settled, seen) = until("a halo of one and the same offset for all", PATIENCE, || {
        let before = folded_to(address)?;
        let seen = read(address, "halo/v1/halos/+", devices).ok()?;
        (folded_to(address)? == before).then_some((before, seen))
    })?;
    let mut fold = Fold::new(Grammar::default());
    replay(&mut fold, data, settled)?;
    for (topic, payload) in &seen {
        let name = topic.rsplit('/').next().unwrap_or_default();
        let subject = fold.subject(name).ok_or_else(|| format!("{name} is not in the log"))?;
        if render_halo(subject) != payload.as_slice() {
            return Err(format!("the halo on {topic} is not what the log says").into());
        }
    }
    Ok(seen.len() as u64)
}

/// The offset up to which everything is durable and folded; none while the fold is behind or devices are connected.
fn folded_to(address: SocketAddr) -> Option<Offset> {
    let health = read(address, "halo/v1/gateway/+/health", 1).ok()?;
    let health: Value = serde_json::from_slice(&health.first()?.1).ok()?;
    let log = &health["log"];
    let alone = health["connections"].as_u64().is_some_and(|open| open <= CONNECTIONS_MAX);
    (alone && log["folded"] == log["durable"]).then(|| log["durable"].as_u64().map(Offset))?
}

/// The next `count` messages on `filter`.
fn read(address: SocketAddr, filter: &str, count: u32) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let (mut client, _) = Client::connect(address, "looker", true, PATIENCE)?;
    let mut packets = client.subscribe(filter)?.into_iter();
    let mut messages = Vec::new();
    while messages.len() < count as usize {
        let packet = match packets.next() {
            Some(packet) => packet,
            None => client.read()?,
        };
        if let Packet::Message(topic, payload, id) = packet {
            if let Some(id) = id {
                client.acknowledge(id)?;
            }
            messages.push((topic, payload));
        }
    }
    client.disconnect()?;
    Ok(messages)
}

fn replay(fold: &mut Fold, data: &Path, until: Offset) -> Result<(), Failure> {
    let (mut reader, _) = Reader::over(Disk, &data.join(LOG_FOLDER), fold.applied().next())?;
    loop {
        let batch = reader.next(1 << 20)?;
        if batch.records.is_empty() {
            return Ok(());
        }
        for record in batch.records.iter().filter(|record| record.offset <= until) {
            fold.apply(record);
        }
    }
}
