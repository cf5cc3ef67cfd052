//! Likes and skips from the frame to the halo, in words and as events.

use halo_proto::birth::Head;
use halo_proto::frame::{Event, Header};
use halo_proto::registry::{Kind, event_named};
use halo_proto::schema::{FrameBuilder, Schema};

use super::derived::{folded, values};
use super::support::{Log, WALL_MS, reloaded};
use crate::halo::{DerivedValue, Fold, Own, TasteSettings};
use crate::record::{Body, FoldConfig, Format, Identity};

const DAY_MS: u64 = 86_400_000;

fn names(fold: &Fold, list: &str) -> Vec<String> {
    match values(fold.subject("lena").expect("a subject")).get(list) {
        Some(DerivedValue::Names(names)) => names.iter().map(|name| name.to_string()).collect(),
        None => Vec::new(),
        other => panic!("{other:?}"),
    }
}

/// A frame of a device of that kind, whose button named these topics.
fn pressed(log: &mut Log, kind: Kind, device: &str, seq: u32, events: &[(&str, &[u8])]) {
    let schema = Schema::from_registry(if kind == Kind::PLAYER { 12 } else { 1 }).expect("a schema");
    let mut builder = FrameBuilder::new();
    let t0_ms = log.mono_ms;
    builder.begin(&Header { schema: schema.id, boot: 1, seq, t0_ms }).expect("a header");
    for (name, data) in events {
        let code = event_named(kind, name).expect("an event of that kind").code;
        builder.event(&Event { dt_ms: 0, code, severity: 0, value: 0, data }).expect("an event");
    }
    let mut frame = log.frame(device, Format::Tf1, WALL_MS, builder.finish());
    (frame.identity, frame.subject) = (Some(Identity { boot: 1, seq }), "lena".into());
    log.push(Body::Frame(frame));
}

/// Plain JSON of a device of hers.
fn phone(log: &mut Log, payload: &str) {
    let mut frame = log.frame("phone", Format::Json, 0, payload.as_bytes().to_vec());
    frame.subject = "lena".into();
    log.push(Body::Frame(frame));
}

#[test]
fn likes_by_a_player_a_wristband_and_a_phone_make_one_taste() {
    let mut log = Log::default();
    log.configure(300_000, &[("player-1", "lena"), ("wrist-1", "lena"), ("phone", "lena")]);
    pressed(&mut log, Kind::PLAYER, "player-1", 0, &[("like", b"jazz"), ("skip", b"opera")]);
    pressed(&mut log, Kind::WRISTBAND, "wrist-1", 0, &[("like", b"jazz")]);
    phone(log.after(1_000), r#"{"like": "jazz"}"#);
    for _ in 0..2 {
        phone(log.after(1_000), r#"{"skip": "opera", "battery": 80}"#);
    }
    let fold = folded(&log);
    assert_eq!(
        (names(&fold, "taste.likes"), names(&fold, "taste.dislikes")),
        (vec!["jazz".to_owned()], vec!["opera".to_owned()])
    );
    assert_eq!(fold.all_rows(), reloaded(&fold).all_rows());
}

#[test]
fn time_passes_with_everything_that_is_said_and_half_lives_are_those_of_the_configuration() {
    let mut log = Log::default();
    log.configure(300_000, &[("phone", "lena")]);
    for _ in 0..3 {
        phone(log.after(1_000), r#"{"like": "jazz"}"#);
    }
    phone(log.after(DAY_MS), r#"{"battery": 80}"#);
    assert_eq!(names(&folded(&log), "taste.likes"), ["jazz"], "3 after a day of thirty");
    let taste = TasteSettings { half_life_h: 24.0, ..TasteSettings::default() };
    let derivations = Own { taste, ..Own::default() }.text();
    let assignments = match &log.records.first().expect("a configuration").body {
        Body::Config(config) => config.assignments.clone(),
        other => panic!("{other:?}"),
    };
    log.push(Body::Config(FoldConfig { derivations, assignments, ..FoldConfig::default() }));
    phone(log.after(DAY_MS), r#"{"battery": 79}"#);
    let fold = folded(&log);
    assert_eq!(names(&fold, "taste.likes"), Vec::<String>::new());
    assert_eq!(
        values(fold.subject("lena").unwrap()).get("taste.latest"),
        Some(&DerivedValue::Number((WALL_MS + 3_000) as f64))
    );
}

#[test]
fn what_is_no_topic_or_of_the_future_says_nothing_and_nobody_else_has_a_taste() {
    let mut log = Log::default();
    log.configure(300_000, &[("player-1", "lena"), ("phone", "lena")]);
    pressed(&mut log, Kind::PLAYER, "player-1", 0, &[("like", b"\xff\xfe"), ("like", b""), ("skip", &[b'x'; 65])]);
    let future_ms = log.now().wall_ms + 7 * DAY_MS as i64;
    phone(&mut log, &format!(r#"{{"like": "jazz", "time": {future_ms}}}"#));
    phone(&mut log, r#"{"like": 3, "skip": true, "liked": "jazz"}"#);
    let fold = folded(&log);
    assert!(values(fold.subject("lena").unwrap()).keys().all(|name| !name.starts_with("taste.")));
    assert_eq!(fold.subject("lena").unwrap().derivations().heap_bytes(), 0, "not a byte");
}

#[test]
fn a_buffer_that_is_drained_newest_first_makes_the_same_taste() {
    let likes = [0, 60, 70, 85, 95].map(|day| (day, "like", "jazz"));
    let said: Vec<_> = likes.into_iter().chain([(61, "skip", "folk")]).collect();
    let of = |order: &mut dyn Iterator<Item = &(i64, &str, &str)>| {
        let mut log = Log::default();
        log.configure(300_000, &[("phone", "lena")]);
        log.after(100 * DAY_MS);
        for (day, what, topic) in order {
            let at_ms = WALL_MS + day * DAY_MS as i64;
            phone(&mut log, &format!(r#"{{"{what}": "{topic}", "time": {at_ms}}}"#));
        }
        let fold = folded(&log);
        let taste = |name: &str| values(fold.subject("lena").unwrap()).get(name).cloned();
        ["taste.likes", "taste.strengths", "taste.dislikes", "taste.latest"].map(taste)
    };
    let mut in_order = said.clone();
    in_order.sort();
    let in_order = of(&mut in_order.iter());
    assert_eq!(in_order, of(&mut said.iter().rev()));
    assert_eq!(in_order[0], Some(DerivedValue::Names(vec!["jazz".into()])));
}

#[test]
fn a_birth_of_a_player_is_of_the_registry() {
    let schema = Schema::from_registry(12).expect("the player's");
    let head = Head { kind: Kind::PLAYER.0, schema: schema.id, boot: 1, t0_ms: 0, sync: None, firmware: "1.0" };
    assert!(schema.birth_bytes(&head).is_ok());
    assert_eq!(Kind::PLAYER.name(), Some("player"));
}
