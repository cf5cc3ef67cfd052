//! What organisations offer, from a file and from a client, through a restart, until it is withdrawn.

use std::fs;

use serde_json::json;

use crate::admin::{refused, rows};
use crate::harness::{Client, Gateway, runtime};

const READY: &str = "halo/v1/offers/pharmacy/ready";

#[test]
fn a_table_loaded_from_a_file_reaches_subscribers_and_the_halo_and_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let good = file("ready.csv", "patient,item,price\nbert,ibuprofen,4.5\nanna,metformin,\n");
    let twice = file("twice.csv", "patient,item\nanna,a\nanna,b\n");
    refused(&data, &["offers", "load", "pharmacy", "ready", &twice], "twice.csv: line 3, column 1: key \"anna\"");
    refused(&data, &["offers", "load", "pharmacy", "ready", &good], "no gateway runs on");

    let gateway = Gateway::start(&data, "127.0.0.1:0", &[]);
    runtime().block_on(async {
        let mut client = Client::connect(gateway.address, "listener").await;
        client.subscribe("halo/v1/offers/#").await;
        let loaded = rows(&data, &["offers", "load", "pharmacy", "ready", &good]);
        assert_eq!((&loaded[0]["rows"], loaded[0]["offset"].is_u64()), (&json!(2), true));
        assert_eq!(client.message().await, (READY.to_owned(), fs::read(&good).expect("readable")));
        client.subscribe("halo/v1/halos/pharmacy").await;
        let (_, halo) = client.message().await;
        let halo: serde_json::Value = serde_json::from_slice(&halo).expect("JSON");
        assert_eq!((&halo["kind"], &halo["offers"]["ready"]["rows"]), (&json!("organisation"), &json!(2)));
        // A client's own: the gateway keeps what it understands, and cuts off what it does not.
        client.publish("halo/v1/offers/cafe/menu", true, r#"{"tea":{"price":2}}"#).await;
        assert!(!client.try_publish("halo/v1/offers/cafe/menu", true, b"[{]".to_vec()).await);
    });
    assert_eq!(gateway.stop(), Some(0));

    let gateway = Gateway::start(&data, "127.0.0.1:0", &[]);
    let mut listed = rows(&data, &["offers", "list"]);
    assert!(listed.iter_mut().all(|row| row["time"].take().is_string()));
    let expected = json!([
        {"organisation": "cafe", "table": "menu", "rows": 1, "columns": ["key", "price"], "bytes": 19, "time": null},
        {"organisation": "pharmacy", "table": "ready", "rows": 2, "columns": ["patient", "item", "price"], "bytes": 54, "time": null},
    ]);
    assert_eq!(json!(listed), expected);
    let shown = rows(&data, &["offers", "show", "pharmacy", "ready"]);
    let expected = [
        json!({"patient": "anna", "item": "metformin"}),
        json!({"patient": "bert", "item": "ibuprofen", "price": 4.5}),
    ];
    assert_eq!(shown, expected, "in order of keys");
    assert_eq!(rows(&data, &["offers", "show", "pharmacy", "ready", "--rows", "1"]).len(), 1);
    refused(&data, &["offers", "show", "pharmacy", "tariffs"], "\"pharmacy\" offers no table \"tariffs\"");
    runtime().block_on(async {
        let mut client = Client::connect(gateway.address, "listener").await;
        client.subscribe(READY).await;
        assert_eq!(client.message().await.0, READY, "retained");
        rows(&data, &["offers", "withdraw", "pharmacy", "ready"]);
        assert_eq!(client.message().await, (READY.to_owned(), Vec::new()));
    });
    refused(&data, &["offers", "withdraw", "pharmacy", "ready"], "offers no table");
    assert_eq!(rows(&data, &["offers", "list"]).len(), 1);
    assert_eq!(gateway.stop(), Some(0));
}
