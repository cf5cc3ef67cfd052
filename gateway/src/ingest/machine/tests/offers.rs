use super::*;
use crate::broker::reason::{PAYLOAD_FORMAT_INVALID, QUOTA_EXCEEDED};
use crate::ingest::offers::{PUBLISHED_BYTES_MAX, TABLES_MAX};

fn table(name: &str, payload: &str) -> Publish {
    let topic = format!("halo/v1/offers/shop/{name}").into();
    Publish { topic, channel: Channel::Offers, ..publish("", payload.to_owned(), 10) }
}

fn refusal(owner: &mut Owner, publish: &Publish) -> (u8, String) {
    let before = owner.records.len();
    let Admission::Unfit(code, why) = owner.publish(publish) else { panic!("it was let in") };
    assert_eq!(owner.records.len(), before, "what is refused is no record");
    (code, why.to_string())
}

#[test]
fn what_is_no_table_is_refused_at_the_door_with_line_and_column() {
    let mut owner = Owner::new();
    assert!(matches!(owner.publish(&table("menu", "key,price\na,1\n")), Admission::Store(Body::Retained(_))));
    let (code, why) = refusal(&mut owner, &table("menu", "key,price\na,1\na,2\n"));
    assert_eq!(code, PAYLOAD_FORMAT_INVALID);
    assert_eq!(why, "line 3, column 1: key \"a\" is the key of the row at line 2, column 1 already");
    assert!(matches!(owner.publish(&table("menu", "")), Admission::Store(_)), "an empty payload withdraws");
}

#[test]
fn a_table_that_would_keep_the_log_waiting_is_loaded_and_not_published() {
    let mut owner = Owner::new();
    let lines = "key\n".to_owned() + &"\n".repeat(PUBLISHED_BYTES_MAX - 4);
    assert!(matches!(owner.publish(&table("menu", &lines)), Admission::Store(_)));
    let (code, why) = refusal(&mut owner, &table("menu", &(lines + "\n")));
    assert_eq!(code, PAYLOAD_FORMAT_INVALID);
    assert_eq!(why, "table has 262145 bytes, published wanted at most 262144: use `offers load`");
}

#[test]
fn one_table_too_many_is_refused_also_after_a_restart_and_withdrawing_makes_room() {
    let mut owner = Owner::new();
    for at in 0..TABLES_MAX {
        assert!(matches!(owner.publish(&table(&format!("t{at}"), "key\n")), Admission::Store(_)));
    }
    owner.checkpoint();
    let (mut again, _) = replay(&owner.rows, &[]);
    let (code, why) = refusal(&mut owner, &table("more", "key\n"));
    assert_eq!((code, &*why), (QUOTA_EXCEEDED, "there are 256 offer tables already: withdraw one first"));
    assert!(matches!(again.admit(&table("more", "key\n")), Admission::Unfit(QUOTA_EXCEEDED, _)), "from a checkpoint");
    let (mut from_the_log, _) = replay(&Store::new(), &owner.records);
    assert!(matches!(from_the_log.admit(&table("more", "key\n")), Admission::Unfit(QUOTA_EXCEEDED, _)));
    let withdrawn = owner.publish(&table("t7", ""));
    assert!(matches!(withdrawn, Admission::Store(_)));
    assert!(matches!(owner.publish(&table("more", "key\n")), Admission::Store(_)));
}

#[test]
fn a_table_loaded_by_hand_is_checked_for_room_when_it_comes_to_be_appended() {
    let mut owner = Owner::new();
    for at in 0..TABLES_MAX {
        owner.publish(&table(&format!("t{at}"), "key\n"));
    }
    let draft = |name: &str| {
        let Publish { topic, publisher, qos, arrival, payload, .. } = table(name, "key\n");
        Draft::from(Body::Retained(Retained { topic, publisher, qos, arrival, payload }))
    };
    assert!(!owner.submit(draft("more")));
    assert!(owner.submit(draft("t0")), "in the place of another");
}
