use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::auth::Accounts;
use crate::broker::{Inbound, OwnedTopics, Receipt, SessionKey, Sink};
use crate::halo::{Brought, Miss, Models, Run};
use crate::store::{LOG_FOLDER, StoreError};

fn config(data: &std::path::Path) -> Config {
    let mut config = Config::default();
    config.gateway.data_dir = data.to_owned();
    config.broker.packet_bytes_max = 16 << 10;
    config.store.segment_bytes = 64 << 10;
    config.upstream = vec![toml::from_str("name = \"far\"\nurl = \"mqtt://127.0.0.1:9\"").unwrap()];
    config
}

/// Threads of an upstream went on, held the log's and the river's alive, and the data folder stayed locked.
#[test]
fn an_error_after_the_threads_have_started_ends_every_one_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    for starts in 1..=2_u64 {
        let common = Common::new(&config, Accounts::default(), Models::default());
        let failed = CancellationToken::new();
        let started = Flow::prepare(&config, &common).unwrap().start(&common, &failed).unwrap();
        let durable = Arc::clone(&started.faces.durable);
        assert!(durable.offset() >= Offset(starts));
        let in_use = crate::store::Log::open(Disk, &folder.path().join(LOG_FOLDER), Default::default());
        assert!(matches!(in_use, Err(StoreError::InUse(_))), "the first life holds it");
        // What `?` does with it.
        drop(started);
        assert!(durable.is_closed(), "the log has committed and ended");
        assert!(!failed.is_cancelled(), "each thread ended because it was asked to");
    }
}

fn telemetry(common: &Common, ticket: u64, payload: Bytes) -> Inbound {
    Inbound {
        session: SessionKey(1),
        client_id: "pi".into(),
        principal: "pi".into(),
        topic: "halo/v1/d/pi/t".into(),
        payload,
        qos: 1,
        retain: false,
        will: false,
        arrival: common.clock.now(),
        receipt: Receipt::new(Arc::default(), ticket),
    }
}

/// Whoever stops the gateway disconnects its subscribers next.
#[test]
fn once_the_river_has_said_that_it_stops_all_readings_are_out() {
    const FRAMES: u64 = 4_000;
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.broker.queue_messages_max = 100_000;
    config.broker.queue_bytes_max = 1 << 30;
    let common = Common::new(&config, Accounts::default(), Models::default());
    let mut heard = common.router.subscribe("halo/v1/readings/#").unwrap();
    let started = Flow::prepare(&config, &common).unwrap().start(&common, &CancellationToken::new()).unwrap();
    let before = started.faces.durable.offset();
    for ticket in 0..FRAMES {
        let words = format!("{{\"x\":{ticket},\"said\":\"{}\"}}", "word ".repeat(40));
        assert!(started.faces.inlet.publish(telemetry(&common, ticket, words.into())).is_ok());
    }
    let all = Offset(before.0 + FRAMES);
    while started.faces.durable.wait_past(Offset(all.0 - 1), Duration::from_secs(60)) < all {}
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (said, stopping) = tokio::sync::oneshot::channel();
    assert!(runtime.block_on(started.faces.asker.call(Call::Stopping(said))));
    runtime.block_on(stopping).unwrap();
    let mut out = 0;
    while heard.try_recv().unwrap().is_some() {
        out += 1;
    }
    assert_eq!(out, FRAMES);
}

/// A model that never comes to an answer.
struct Late;

impl Run for Late {
    fn run(&self, _: &[f32]) -> Result<f32, Miss> {
        Err(Miss::Late)
    }
}

#[test]
fn a_model_that_is_always_late_is_a_reason_in_the_health_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let inputs = vec!["signals.x.value".parse().unwrap()];
    let late = Brought::new("mine".to_owned(), String::new(), inputs, Box::new(Late));
    let common = Common::new(&config, Accounts::default(), Models::default().with_brought(vec![late]));
    let started = Flow::prepare(&config, &common).unwrap().start(&common, &CancellationToken::new()).unwrap();
    let before = started.faces.durable.offset();
    let inbound = telemetry(&common, 0, Bytes::from_static(b"{\"x\":1}"));
    assert!(started.faces.inlet.publish(inbound).is_ok());
    assert!(started.faces.durable.wait_past(before, Duration::from_secs(60)) > before);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let ask = |topic: &str| -> serde_json::Value {
        loop {
            let rendered = runtime.block_on(started.faces.asker.matching("halo/v1/#"));
            if let Some((_, document)) = rendered.iter().find(|(it, _)| it.ends_with(topic)) {
                return serde_json::from_slice(document).unwrap();
            }
        }
    };
    for _ in 0..5 {
        let halo = ask("/halos/pi");
        assert_eq!((&halo["signals"]["x"]["value"], &halo["derived"]), (&1.into(), &serde_json::json!({})));
    }
    let health = ask("/health");
    let reasons = health["reasons"].as_array().unwrap();
    assert!(
        reasons.iter().any(|it| it.as_str().is_some_and(|it| it.starts_with("the model of mine is not run"))),
        "{health}"
    );
    assert!(!started.faces.durable.is_closed());
}
