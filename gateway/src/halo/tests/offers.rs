//! What organisations offer: tables in the log, in the fold, in checkpoints and in halos.

use halo_proto::topic::Grammar;
use serde_json::{Value, json};

use super::support::{Log, reloaded};
use crate::forward::halo_json::halo_json;
use crate::halo::{Fold, Tally};
use crate::ingest::offers::{Cell, Table};
use crate::record::{Act, Body, Deed, SubjectKind};

const READY: &str = "halo/v1/offers/pharmacy/ready";
const TARIFFS: &str = "halo/v1/offers/pharmacy/tariffs";

fn folded(log: &Log) -> Fold {
    let mut fold = Fold::new(Grammar::default());
    for record in &log.records {
        fold.apply(record);
    }
    fold
}

fn halo(fold: &Fold, subject: &str) -> Value {
    let subject = fold.subject(subject).expect("it is known");
    serde_json::from_slice(&halo_json(subject, &mut Tally::default())).expect("JSON")
}

fn keys(fold: &Fold, organisation: &str, table: &str) -> Option<Vec<String>> {
    let table = fold.offers().table(organisation, table)?;
    Some(table.rows().map(|row| row.key().to_string()).collect())
}

#[test]
fn an_organisation_that_offers_is_a_subject_and_shows_its_tables_without_their_rows() {
    let mut log = Log::default();
    log.retained(READY, "patient,item\nbert,ibuprofen\nanna,metformin\n");
    log.after(5_000).retained(TARIFFS, "[]");
    let fold = folded(&log);
    let shown = halo(&fold, "pharmacy");
    assert_eq!((&shown["kind"], &shown["revision"]), (&json!("organisation"), &json!(2)));
    let expected = json!({
        "ready": {"rows": 2, "columns": ["patient", "item"], "time": "2026-11-21T20:00:00.000Z"},
        "tariffs": {"rows": 0, "columns": ["key"], "time": "2026-11-21T20:00:05.000Z"},
    });
    assert_eq!(shown["offers"], expected);
    let table = fold.offers().table("pharmacy", "ready").expect("the table");
    assert_eq!(table.by_key("anna").and_then(|row| row.cell("item")), Some(&Cell::Text("metformin".into())));
    let names: Vec<_> = fold.offers().iter().map(|(of, name, _)| format!("{of}/{name}")).collect();
    assert_eq!((names, fold.offers().len()), (vec!["pharmacy/ready".to_owned(), "pharmacy/tariffs".to_owned()], 2));
}

#[test]
fn a_table_is_replaced_or_withdrawn_as_a_whole_and_what_is_no_table_changes_nothing() {
    let mut log = Log::default();
    log.retained(READY, "key\na\nb\n");
    log.retained(READY, "key\nc\n");
    log.retained(READY, "key\nc\nc\n");
    let fold = folded(&log);
    assert_eq!(keys(&fold, "pharmacy", "ready"), Some(vec!["c".to_owned()]));
    assert_eq!(halo(&fold, "pharmacy")["revision"], 2, "two keys alike are no table");
    log.retained(READY, "");
    let fold = folded(&log);
    assert!(fold.offers().is_empty());
    let shown = halo(&fold, "pharmacy");
    assert_eq!((&shown["kind"], shown.get("offers")), (&json!("organisation"), None), "it stays an organisation");
    assert_eq!(halo(&reloaded(&fold), "pharmacy"), shown);
}

#[test]
fn withdrawing_what_was_never_offered_makes_no_subject() {
    let mut log = Log::default();
    log.retained(READY, "");
    log.retained("halo/v1/offers/pharmacy", "key\na\n");
    log.retained("home/offers/pharmacy/ready", "key\na\n");
    assert_eq!(folded(&log).subjects_len(), 0);
}

#[test]
fn who_is_known_as_something_else_stays_that_and_who_was_a_mere_device_becomes_an_organisation() {
    let mut log = Log::default();
    let set = |subject: &str, kind| {
        let deed = Deed::Set { subject: subject.into(), kind: Some(kind), settings: Vec::new() };
        Body::Act(Act { by: "local".into(), deed })
    };
    log.push(set("pharmacy", SubjectKind::Person));
    log.retained(READY, "key\na\n");
    log.value("kiosk", "battery", 80.0, 0);
    log.retained("halo/v1/offers/kiosk/menu", "key\na\n");
    let fold = folded(&log);
    assert_eq!(
        (&halo(&fold, "pharmacy")["kind"], &halo(&fold, "kiosk")["kind"]),
        (&json!("person"), &json!("organisation"))
    );
    log.configure(5_000, &[]);
    log.push(set("pharmacy", SubjectKind::Machine));
    let fold = folded(&log);
    assert_eq!(
        (&halo(&fold, "pharmacy")["kind"], &halo(&fold, "kiosk")["kind"]),
        (&json!("machine"), &json!("organisation"))
    );
}

#[test]
fn tables_survive_a_restart_from_a_checkpoint() {
    let mut log = Log::default();
    log.retained(READY, "key,price\na,1.5\nb,\n");
    log.retained(TARIFFS, r#"{"night":{"from":22,"on":true}}"#);
    let fold = folded(&log);
    let again = reloaded(&fold);
    assert_eq!(again.all_rows(), fold.all_rows());
    let tables = |fold: &Fold| -> Vec<(String, String)> {
        fold.offers().iter().map(|(of, name, table)| (format!("{of}/{name}"), format!("{table:?}"))).collect()
    };
    assert_eq!(tables(&again), tables(&fold));
    assert!(again.offers().memory_bytes() > 0);
}

#[test]
fn a_checkpoint_has_the_rows_of_tables_in_slices_and_takes_those_withdrawn_away() {
    let mut log = Log::default();
    for at in 0..20 {
        log.retained(&format!("halo/v1/offers/shop/t{at}"), &format!("key\n{}\n", "x".repeat(100)));
    }
    let mut fold = folded(&log);
    let mut rows = std::collections::BTreeMap::new();
    let mut slices = 0;
    let mut round = |fold: &mut Fold, rows: &mut std::collections::BTreeMap<Vec<u8>, Vec<u8>>| {
        loop {
            let slice = fold.checkpoint_slice(300);
            slices += 1;
            for (key, value) in slice.rows {
                if value.is_empty() { drop(rows.remove(&key)) } else { drop(rows.insert(key, value)) }
            }
            if slice.watermark.is_some() {
                return slices;
            }
        }
    };
    assert!(round(&mut fold, &mut rows) > 5, "no slice is larger than it may be");
    let of_tables = |rows: &std::collections::BTreeMap<Vec<u8>, Vec<u8>>| {
        rows.keys().filter(|key| key.starts_with(b"o/shop/t")).count()
    };
    assert_eq!(of_tables(&rows), 20);
    for at in 0..19 {
        fold.apply(log.retained(&format!("halo/v1/offers/shop/t{at}"), ""));
    }
    drop(fold.checkpoint_slice(1 << 20));
    fold.checkpoint_failed();
    round(&mut fold, &mut rows);
    assert_eq!(of_tables(&rows), 1);
    let loaded = Fold::load(Grammar::default(), rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice())));
    assert_eq!(loaded.expect("rows of our own").all_rows(), fold.all_rows());
}

#[test]
fn a_row_of_a_checkpoint_under_another_name_is_refused() {
    let mut log = Log::default();
    log.retained(READY, "key\na\n");
    let mut rows = folded(&log).all_rows();
    for (key, _) in &mut rows {
        if key.starts_with(b"o/") {
            key.push(b'x');
        }
    }
    let loaded = Fold::load(Grammar::default(), rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice())));
    assert_eq!(loaded.unwrap_err().to_string(), "halo checkpoint row \"o/pharmacy/readyx\" is not readable");
}

#[test]
fn a_table_that_is_shared_stays_what_it_was_when_its_topic_changes() {
    let mut log = Log::default();
    let mut fold = Fold::new(Grammar::default());
    fold.apply(log.retained(READY, "key\na\n"));
    let held = std::sync::Arc::clone(fold.offers().table("pharmacy", "ready").expect("the table"));
    fold.apply(log.retained(READY, "key\nb\n"));
    assert_eq!(*held, Table::parse(b"key\na\n").expect("a table"));
}
