//! Every metric of the gateway: name, unit, meaning. Counters only ever grow; a queue is two counters, in and out.

use std::sync::atomic::{AtomicU64, Ordering};

/// One monotonically growing count.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All metrics of one gateway, shared by its stages.
#[derive(Debug, Default)]
pub struct Metrics {
    /// `gateway_broker_connections_total`: connections accepted.
    pub broker_connections_total: Counter,
    /// `gateway_broker_closed_total`: connections ended, for whatever reason.
    pub broker_closed_total: Counter,
    /// `gateway_broker_protocol_errors_total`: connections closed because of what they sent.
    pub broker_protocol_errors_total: Counter,
    /// `gateway_broker_publishes_total`: PUBLISH packets accepted from clients.
    pub broker_publishes_total: Counter,
    /// `gateway_broker_refused_total`: publishes and subscriptions refused with a reason code.
    pub broker_refused_total: Counter,
    /// `gateway_broker_deliveries_total`: messages queued for subscribers.
    pub broker_deliveries_total: Counter,
    /// `gateway_broker_dropped_total`: QoS 0 messages dropped because a subscriber's queue was full.
    pub broker_dropped_total: Counter,
    /// `gateway_broker_slow_closed_total`: subscribers ended because their queue of QoS 1 messages was full.
    pub broker_slow_closed_total: Counter,
    /// `gateway_auth_logins_total`: clients let in by password or token.
    pub auth_logins_total: Counter,
    /// `gateway_auth_failures_total`: clients not let in: unknown, wrong, missing, or not checked for want of a turn.
    pub auth_failures_total: Counter,
    /// `gateway_ingest_frames_total`: telemetry publishes that became frame records.
    pub ingest_frames_total: Counter,
    /// `gateway_ingest_duplicates_total`: telemetry publishes recognised as already stored.
    pub ingest_duplicates_total: Counter,
    /// `gateway_ingest_quarantined_total`: frames stored but not understood.
    pub ingest_quarantined_total: Counter,
    /// `gateway_ingest_replayed_total`: quarantined frames read again, in vain or not.
    pub ingest_replayed_total: Counter,
    /// `gateway_ingest_expired_total`: quarantined frames given up unread, for their age or for want of room.
    pub ingest_expired_total: Counter,
    /// `gateway_store_records_total`: records made durable.
    pub store_records_total: Counter,
    /// `gateway_store_bytes_total`: bytes written to the log.
    pub store_bytes_total: Counter,
    /// `gateway_store_syncs_total`: completed fdatasync calls of the log.
    pub store_syncs_total: Counter,
    /// `gateway_store_failures_total`: failed writes or syncs of the log.
    pub store_failures_total: Counter,
    /// `gateway_store_segments_deleted_total`: segments of the log removed by retention.
    pub store_segments_deleted_total: Counter,
    /// `gateway_frames_dropped_total{reason="disk"}`: stored frames given up for want of room before everybody had them.
    pub frames_dropped_total: Counter,
    /// `gateway_halo_records_total`: records folded.
    pub halo_records_total: Counter,
    /// `gateway_forward_halos_total`: halo snapshots published.
    pub forward_halos_total: Counter,
    /// `gateway_forward_readings_total`: `readings` messages published.
    pub forward_readings_total: Counter,
}
