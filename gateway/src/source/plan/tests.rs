use super::*;

use std::path::Path;

use bytes::Bytes;

use crate::broker::{self, Disposition, Inbound, Pending, SessionKey};
use crate::ingest::policy::LoopbackPolicy;
use crate::metrics::Metrics;

/// Refuses everything.
struct Nobody;

impl Sink for Nobody {
    fn publish(&self, _: Inbound) -> Result<Disposition, Inbound> {
        Ok(Disposition::Refused(0x97))
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn session_ended(&self, _: SessionKey) {}
}

fn local() -> Local {
    let grammar = Grammar::new("halo/v1").unwrap();
    let policy = Arc::new(LoopbackPolicy::new(grammar));
    Local {
        sink: Arc::new(Nobody),
        router: Router::new(&broker::Config::default(), policy, Arc::new(Metrics::default())),
        clock: Clock::system(),
        grammar,
        gateway_id: "gw".to_owned(),
        packet_bytes_max: 65_536,
    }
}

fn config() -> Config {
    Config::new("site", "mqtt://broker")
}

fn plan(config: &Config) -> Plan {
    Plan::new(config, &local()).unwrap()
}

fn publish(topic: &str, payload: &[u8], retain: bool) -> Publish {
    let (topic, payload) = (Bytes::copy_from_slice(topic.as_bytes()), Bytes::copy_from_slice(payload));
    Publish { topic, payload, qos: 1, retain, dup: false, ack: None }
}

fn stored(topic: &str, retain: bool) -> Place {
    Place::Store { topic: Arc::from(topic), retain }
}

#[test]
fn births_are_subscribed_to_first_and_unshared_telemetry_then_and_shared_and_the_probe_last() {
    let plan = plan(&Config { group: Some("gateways".to_owned()), root: Some("site/7".to_owned()), ..config() });
    let filters: Vec<_> = plan.steps(true).into_iter().map(|step| (step.filters.join(" "), step.needed)).collect();
    assert_eq!(
        filters,
        [
            ("site/7/d/+/birth site/7/d/+/state".to_owned(), true),
            ("$share/gateways/site/7/d/+/t".to_owned(), true),
            ("halo-probe/halo-gw-site".to_owned(), false),
        ]
    );
    assert_eq!(plan.steps(false).len(), 2);
}

#[test]
fn a_topic_is_moved_to_this_gateways_root_and_births_are_retained_whatever_the_flag_says() {
    let plan = plan(&Config { root: Some("site/7".to_owned()), ..config() });
    let place = |topic, retain| plan.place(&publish(topic, b"x", retain));
    assert_eq!(place("site/7/d/w/birth", false), stored("halo/v1/d/w/birth", true));
    assert_eq!(place("site/7/d/w/state", true), stored("halo/v1/d/w/state", true));
    assert_eq!(place("site/7/d/w/t", false), stored("halo/v1/d/w/t", false));
    assert_eq!(place("site/77/d/w/t", false), Place::Refuse(TOPIC_NAME_INVALID));
    assert_eq!(place("halo/v1/d/w/t", false), Place::Refuse(TOPIC_NAME_INVALID));
}

#[test]
fn a_foreign_broker_cannot_speak_in_this_gateways_name() {
    let plan = plan(&config());
    for topic in ["halo/v1/halos/anna", "halo/v1/gateway/gw/health", "halo/v1/readings/anna/w", "halo/v1/d/w/cmd"] {
        assert_eq!(plan.place(&publish(topic, b"{}", true)), Place::Refuse(NOT_AUTHORIZED), "{topic}");
    }
    for topic in ["halo/v1/d/bad id/t", "halo/v1", "", "\u{1}"] {
        assert_eq!(plan.place(&publish(topic, b"{}", false)), Place::Refuse(TOPIC_NAME_INVALID), "{topic:?}");
    }
    let not_text = Publish { topic: Bytes::from_static(b"halo/v1/d/\xFF/t"), ..publish("", b"", false) };
    assert_eq!(plan.place(&not_text), Place::Refuse(TOPIC_NAME_INVALID));
}

#[test]
fn replayed_telemetry_is_taken_only_if_a_repeat_of_it_can_be_recognised() {
    let plan = plan(&config());
    assert_eq!(plan.place(&publish("halo/v1/d/w/t", b"{\"hr\":70}", true)), Place::Replay);
    assert_eq!(plan.place(&publish("halo/v1/d/w/t", &[MAGIC, 1, 2], true)), stored("halo/v1/d/w/t", false));
}

#[test]
fn a_payload_longer_than_a_packet_of_this_gateway_is_refused() {
    let place = plan(&config()).place(&publish("halo/v1/d/w/t", &[b' '; 65_536], false));
    assert_eq!(place, Place::Refuse(PACKET_TOO_LARGE));
}

#[test]
fn a_password_comes_from_its_file_without_the_line_end_and_a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    let with =
        |path: &Path| Config { username: Some("gw".to_owned()), password_file: Some(path.to_owned()), ..config() };
    let refused = Plan::new(&with(&path), &local()).map(drop).unwrap_err().to_string();
    assert!(refused.starts_with("source site: password file ") && refused.contains("password"), "{refused}");
    std::fs::write(&path, "hunter 2\r\n").unwrap();
    let (name, password) = plan(&with(&path)).options.credentials.unwrap();
    assert_eq!((name.as_str(), password.reveal()), ("gw", "hunter 2"));
}
