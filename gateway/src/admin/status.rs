//! One screen: how the gateway is.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::desk::Desk;
use super::pace::Sample;
use super::rows;
use crate::store::inlet::AppendError;

impl Desk {
    pub(super) fn sample(&self) -> Sample {
        let metrics = &self.tools.metrics;
        Sample {
            mono_ms: self.tools.clock.now().mono_ms,
            frames: metrics.ingest_frames_total.get(),
            bytes: metrics.store_bytes_total.get(),
        }
    }

    /// Called every few seconds, so that there are rates to tell.
    pub(super) fn note_pace(&self) {
        self.pace.note(self.sample());
    }

    pub(super) async fn status(&self) -> Result<Value, AppendError> {
        let (tools, now) = (&self.tools, self.tools.clock.now());
        let health = self.health().await;
        let parts = std::sync::Arc::clone(&tools.parts);
        let (devices, held, account) = tools
            .appender
            .ask(move |head| {
                let held = parts.quarantine(head);
                let held = held.map(|held| {
                    let bytes: usize = held.iter().map(|it| it.frame.payload.len()).sum();
                    json!({"frames": held.len(), "bytes": bytes})
                });
                (head.ingest.devices(), held, head.ingest().account())
            })
            .await?;
        let (metrics, rates) = (&tools.metrics, self.pace.rates(self.sample()));
        let upstreams = tools.parts.upstreams().map(|all| all.iter().map(rows::upstream).collect::<Vec<_>>());
        let uptime_ms = now.mono_ms.saturating_sub(self.started.mono_ms);
        let connections = metrics.broker_connections_total.get().saturating_sub(metrics.broker_closed_total.get());
        Ok(json!({
            "gateway": tools.gateway_id, "version": env!("CARGO_PKG_VERSION"),
            "state": health["state"], "reasons": health["reasons"],
            "listens": tools.listens, "started": rows::time(self.started.wall_ms), "uptime_s": uptime_ms / 1_000,
            "durable": tools.durable.offset().0, "folded": tools.folded.load(Ordering::Acquire), "lag_bytes": health["log"]["lag_bytes"],
            "connections": connections, "devices": devices, "subjects": health["subjects"],
            "rates": {"frames_per_s": rates.frames, "log_bytes_per_s": rates.bytes},
            "disk": tools.parts.disk().as_ref().map(rows::disk),
            "upstreams": upstreams,
            "sources": tools.parts.sources(),
            "quarantine": held,
            "frames": account,
            "counts": {
                "publishes": metrics.broker_publishes_total.get(), "records": metrics.store_records_total.get(),
                "bytes": metrics.store_bytes_total.get(), "syncs": metrics.store_syncs_total.get(),
                "folded": metrics.halo_records_total.get(), "halos": metrics.forward_halos_total.get(),
                "readings": metrics.forward_readings_total.get(),
            },
            "since_start": {
                "frames": metrics.ingest_frames_total.get(), "duplicates": metrics.ingest_duplicates_total.get(),
                "quarantined": metrics.ingest_quarantined_total.get(), "refused": metrics.broker_refused_total.get(),
                "logins": metrics.auth_logins_total.get(), "failed_logins": metrics.auth_failures_total.get(),
                "store_failures": metrics.store_failures_total.get(),
            },
        }))
    }

    async fn health(&self) -> Value {
        let filter = format!("{}/gateway/{}/health", self.tools.grammar.root(), self.tools.gateway_id);
        let rendered = self.tools.owned.matching(&filter).await;
        rendered.first().and_then(|(_, payload)| serde_json::from_slice(payload).ok()).unwrap_or_default()
    }
}
