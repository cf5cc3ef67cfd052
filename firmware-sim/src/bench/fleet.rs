//! The devices: what each sends next, and when what it sent was due.

use super::frames::{Payloads, frames_in_halo, number_of};
use super::link::Link;
use super::packet;
use super::plan::{BenchError, Load, Plan};
use crate::clock::Clock;

/// Publishes whose due times are remembered, all devices together; of an older one no latency is known.
const REMEMBERED: usize = 1 << 20;
const REMEMBERED_MIN: usize = 16;

pub(super) struct Fleet {
    payloads: Payloads,
    prefix: Box<[u8]>,
    topics: Vec<Box<[u8]>>,
    /// Publishes of each device so far.
    sent: Vec<u32>,
    /// Of those, how many have arrived at the first subscriber, or are counted in by a halo.
    arrived: Vec<u32>,
    connections: usize,
    /// Whose turn it is on each connection.
    turns: Vec<u32>,
    /// Due times of the last publishes of each device, a power of two of them.
    due: Vec<u64>,
    each: usize,
}

/// What a delivered message says.
pub(super) enum Arrival {
    /// One publish, with its due time if still known, and whether it is the first to get here.
    One { device: usize, due: Option<u64>, first: bool },
    /// All publishes of a device from one to before another.
    Counted { device: usize, from: u32, to: u32 },
    /// None of ours, or nothing new.
    Nothing,
}

impl Fleet {
    pub(super) fn new(plan: &Plan, clock: &Clock) -> Result<Self, BenchError> {
        if plan.connections == 0 || plan.devices < plan.connections {
            let (devices, connections) = (plan.devices, plan.connections);
            return Err(BenchError::Plan(format!(
                "{devices} devices on {connections} connections, wanted one on each"
            )));
        }
        let topic = |device: usize| {
            let name = format!("{}{device}", plan.prefix);
            let text = match &plan.load {
                Load::Frames { .. } => format!("{}/d/{name}/t", plan.root),
                Load::Opaque { prefix, .. } => format!("{prefix}/{name}"),
            };
            let mut bytes = Vec::new();
            packet::put_text(&mut bytes, &text);
            bytes.into_boxed_slice()
        };
        let wanted = (REMEMBERED / plan.devices.max(1)).max(REMEMBERED_MIN);
        let each = if plan.subscribers == 0 { 1 } else { 1 << wanted.ilog2() };
        Ok(Self {
            payloads: Payloads::new(&plan.load, plan.boot, clock)?,
            prefix: plan.prefix.as_bytes().into(),
            topics: (0..plan.devices).map(topic).collect(),
            sent: vec![0; plan.devices],
            arrived: vec![0; plan.devices],
            connections: plan.connections,
            turns: vec![0; plan.connections],
            due: vec![0; plan.devices * each],
            each,
        })
    }

    pub(super) fn connection_of(&self, device: usize) -> usize {
        device % self.connections
    }

    /// The device whose turn it is on a connection.
    pub(super) fn turn(&mut self, connection: usize) -> usize {
        let devices = (self.topics.len() - connection).div_ceil(self.connections);
        let turn = &mut self.turns[connection];
        let device = connection + (*turn as usize % devices) * self.connections;
        *turn = turn.wrapping_add(1);
        device
    }

    /// Appends the next publish of a device; bytes of its payload.
    pub(super) fn publish(&mut self, link: &mut Link, device: usize, due: u64) -> usize {
        let number = self.sent[device];
        self.sent[device] += 1;
        self.due[device * self.each + number as usize % self.each] = due;
        let (id, len) = (link.begin_publish(due), self.payloads.len(device, number));
        packet::put_publish_head(link.out(), &self.topics[device], id, len);
        self.payloads.put(link.out(), device, number);
        len
    }

    /// What a delivered message says; notes it.
    pub(super) fn arrival(&mut self, topic: &[u8], payload: &[u8]) -> Arrival {
        let Some(device) = self.device_of(topic) else { return Arrival::Nothing };
        if topic.rsplit(|byte| *byte == b'/').nth(1) == Some(b"halos")
            && let Some(counted) = frames_in_halo(payload)
        {
            let to = u32::try_from(counted).unwrap_or(u32::MAX).min(self.sent[device]);
            let from = self.arrived[device].min(to);
            self.arrived[device] = to;
            return Arrival::Counted { device, from, to };
        }
        let Some(number) = number_of(payload).filter(|number| *number < self.sent[device]) else {
            return Arrival::Nothing;
        };
        let first = number >= self.arrived[device];
        if first {
            self.arrived[device] = number + 1;
        }
        Arrival::One { device, due: self.due(device, number), first }
    }

    /// When a publish was due, while it is remembered.
    pub(super) fn due(&self, device: usize, number: u32) -> Option<u64> {
        let age = self.sent[device].checked_sub(number)?;
        (age as usize <= self.each).then(|| self.due[device * self.each + number as usize % self.each])
    }

    /// `…/<prefix>7`, `…/<prefix>7/t`.
    fn device_of(&self, topic: &[u8]) -> Option<usize> {
        let named = topic.rsplit(|byte| *byte == b'/').take(2).find_map(|level| level.strip_prefix(&*self.prefix))?;
        let number = named.iter().try_fold(0usize, |number, digit| {
            digit.is_ascii_digit().then(|| number.saturating_mul(10).saturating_add(usize::from(digit - b'0')))
        });
        number.filter(|device| !named.is_empty() && *device < self.topics.len())
    }
}
