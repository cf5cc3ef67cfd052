//! Who has which device, who is what to whom, and which device's word stands.

use halo_proto::registry::{self, Kind};
use halo_proto::schema::{Column, Group, Schema};
use halo_proto::topic::Grammar;

use super::derived::{number, values};
use super::support::{Log, WALL_MS, native, speedometer};
use crate::halo::{DerivedValue, Fold, Subject, Tally};
use crate::ingest::assign::{Acts, Assignments};
use crate::record::{Act, Assignment, Body, Deed, FoldConfig, Format, Relation, SubjectKind};

const MINUTE: i64 = 60_000;

fn assignment(device: &str, subject: &str, from_ms: Option<i64>, until_ms: Option<i64>) -> Assignment {
    let (device, subject) = (device.to_owned(), subject.to_owned());
    Assignment { device, subject, kind: SubjectKind::Person, from_ms, until_ms }
}

fn act(deed: Deed) -> Body {
    Body::Act(Act { by: "local".into(), deed })
}

/// A log with the assignments that ingest would have known, and what they make.
struct World {
    log: Log,
    assignments: Assignments,
    fold: Fold,
    seq: u32,
}

impl World {
    fn new(assignments: Vec<Assignment>) -> Self {
        let config = FoldConfig { assignments, silent_after_ms: 0, ..FoldConfig::default() };
        let mut world = Self {
            log: Log::default(),
            assignments: Assignments::new(&config, Acts::default()),
            fold: Fold::new(Grammar::default()),
            seq: 0,
        };
        world.push(Body::Config(config));
        world
    }

    fn push(&mut self, body: Body) {
        if let Body::Act(act) = &body {
            assert_eq!(self.assignments.check_act(&act.deed), Ok(()));
            self.assignments.act(&act.deed);
        }
        self.fold.apply(self.log.push(body));
    }

    fn deed(&mut self, deed: Deed) {
        self.push(act(deed));
    }

    /// It is that time, minutes from the beginning.
    fn at(&mut self, minute: i64) {
        self.log.mono_ms = (minute * MINUTE) as u64;
    }

    fn now_ms(&self) -> i64 {
        self.log.now().wall_ms
    }

    /// A frame begun at a time, ms from the beginning; it comes now.
    fn frame(&mut self, device: &str, kind: Kind, schema: &Schema, begun_ms: i64, columns: &[Vec<i64>]) {
        self.fold.apply(self.log.birth_of(kind, device, schema));
        self.seq += 1;
        let payload = native(schema, self.seq, begun_ms as u64, &[(0, columns)], None);
        let mut frame = self.log.frame(device, Format::Tf1, WALL_MS, payload);
        frame.subject = self.assignments.subject_at(&device.into(), WALL_MS + begun_ms);
        self.push(Body::Frame(frame));
    }

    /// The minutes from one to another at a speed; each comes at its end, or all of them come now.
    fn drive(&mut self, minutes: std::ops::Range<i64>, kmh: i64, now: bool) {
        for minute in minutes {
            if !now {
                self.at(minute + 1);
            }
            self.frame("car", Kind::CAR_DONGLE, &speedometer(), minute * MINUTE, &[vec![kmh; 60]]);
        }
    }

    fn tick(&mut self, minute: i64) {
        self.at(minute);
        self.push(Body::Tick);
    }

    fn of(&self, subject: &str) -> &Subject {
        self.fold.subject(subject).expect("it has a halo")
    }

    fn state(&self, subject: &str) -> Option<&'static str> {
        match values(self.of(subject)).get("trip.state")? {
            DerivedValue::Text(state) => Some(state),
            other => panic!("{other:?}"),
        }
    }

    fn km(&self, subject: &str) -> f64 {
        (number(self.of(subject), "trip.distance").expect("a trip") / 10.0).round() / 100.0
    }

    fn minutes(&self, subject: &str) -> [i64; 2] {
        ["trip.from", "trip.to"].map(|name| (number(self.of(subject), name).expect("a trip") as i64 - WALL_MS) / 1000)
    }
}

/// Anna until an hour, bert until two, carl from then on.
fn shared_car() -> World {
    let (one, two) = (Some(WALL_MS + 60 * MINUTE), Some(WALL_MS + 120 * MINUTE));
    World::new(vec![
        assignment("car", "anna", None, one),
        assignment("car", "bert", one, two),
        assignment("car", "carl", two, None),
    ])
}

#[test]
fn three_drivers_of_one_car_have_their_own_trips_also_where_a_frame_spans_the_hand_over_and_one_comes_hours_late() {
    let mut world = shared_car();
    world.drive(50..59, 60, false);
    assert_eq!(world.state("anna"), Some("driving"));
    world.at(60);
    world.frame("car", Kind::CAR_DONGLE, &speedometer(), 59 * MINUTE, &[vec![60; 30]]);
    // Half of this frame is hers: it begins half a minute before the hand-over.
    world.log.after(30_000);
    world.frame("car", Kind::CAR_DONGLE, &speedometer(), 59 * MINUTE + 30_000, &[vec![60; 60]]);
    assert_eq!((world.state("anna"), world.state("bert")), (Some("ended"), Some("driving")));
    assert_eq!(world.minutes("anna"), [50 * 60, 60 * 60 - 1], "to the last second before the hand-over");
    assert_eq!(world.minutes("bert"), [60 * 60, 60 * 60 + 29]);
    assert_eq!(world.of("anna").signal("speed").unwrap().latest().unwrap().event_ms, WALL_MS + 60 * MINUTE - 1000);

    world.log.after(1000);
    for half in 1..20 {
        world.at(60 + half / 2);
        world.log.after(if half % 2 == 0 { 30_000 } else { 60_000 });
        world.frame("car", Kind::CAR_DONGLE, &speedometer(), 60 * MINUTE + half * 30_000, &[vec![70; 30]]);
    }
    assert_eq!((world.state("bert"), world.minutes("bert")), (Some("driving"), [60 * 60, 70 * 60 - 1]));
    world.tick(120);
    assert_eq!(world.state("bert"), Some("ended"), "the hand-over alone ends it");
    assert!(world.of("bert").devices().is_empty());

    world.drive(125..130, 30, false);
    assert_eq!((world.state("carl"), world.km("carl")), (Some("driving"), 2.49));
    // Three hours later what bert's car had kept comes: his trip was three minutes longer, and is still over.
    world.at(300);
    world.drive(70..73, 120, true);
    assert_eq!((world.state("bert"), world.minutes("bert")), (Some("ended"), [60 * 60, 73 * 60 - 1]));
    assert_eq!(
        (world.state("carl"), world.km("carl"), world.minutes("carl")),
        (Some("driving"), 2.49, [125 * 60, 130 * 60 - 1])
    );
    assert_eq!((world.state("anna"), world.km("anna")), (Some("ended"), 9.98));
    assert!(number(world.of("anna"), "trip.score").is_some() && number(world.of("bert"), "trip.score").is_some());
    assert_eq!(world.of("carl").devices().len(), 1);
}

/// Recorded drives were each told as ended with their first frame, because the hand-over was long known by the clock.
#[test]
fn a_buffer_drained_after_the_hand_overs_ends_each_drivers_trip_when_its_readings_come_to_them() {
    let mut world = shared_car();
    world.at(600);
    world.drive(50..52, 60, true);
    assert_eq!((world.state("anna"), world.km("anna")), (Some("driving"), 1.98));
    world.drive(52..59, 60, true);
    assert_eq!((world.state("anna"), world.km("anna")), (Some("driving"), 8.98));
    world.drive(61..63, 30, true);
    assert_eq!((world.state("anna"), world.state("bert")), (Some("ended"), Some("driving")));
    world.drive(130..131, 30, true);
    assert_eq!((world.state("bert"), world.state("carl")), (Some("ended"), Some("driving")));
    assert_eq!((world.km("anna"), world.minutes("anna")), (8.98, [50 * 60, 59 * 60 - 1]));
}

/// Where the network came back just after the hand-over, each trip of the day was told as ended while it was driven.
#[test]
fn a_buffer_drained_right_after_the_hand_over_ends_a_trip_of_long_before_where_it_ended() {
    let mut world = shared_car();
    world.at(61);
    world.drive(20..30, 60, true);
    assert_eq!((world.state("anna"), world.km("anna")), (Some("driving"), 9.98));
    world.drive(45..55, 60, true);
    assert_eq!((world.state("anna"), world.minutes("anna")), (Some("driving"), [45 * 60, 55 * 60 - 1]));
    // What is as young as this may be all there is.
    world.drive(55..58, 60, true);
    assert_eq!((world.state("anna"), world.minutes("anna")), (Some("ended"), [45 * 60, 58 * 60 - 1]));
    world.drive(60..61, 30, true);
    assert_eq!((world.state("bert"), world.minutes("anna")), (Some("driving"), [45 * 60, 58 * 60 - 1]));
}

#[test]
fn a_frame_that_was_on_its_way_at_the_hand_over_makes_the_trip_longer_and_leaves_it_ended() {
    let mut world = shared_car();
    world.drive(50..59, 60, false);
    world.tick(60);
    assert_eq!(world.state("anna"), Some("ended"));
    world.at(61);
    world.drive(59..60, 60, true);
    assert_eq!((world.state("anna"), world.minutes("anna")), (Some("ended"), [50 * 60, 60 * 60 - 1]));
}

/// A car handed over without ignition off stayed "driving" in the former halo until its next frame there.
#[test]
fn an_act_that_hands_a_car_over_ends_the_trip_and_who_gets_it_back_begins_another() {
    let mut world = World::new(vec![assignment("car", "anna", None, None)]);
    world.drive(1..10, 60, false);
    let now_ms = world.now_ms();
    world.deed(Deed::Assign(assignment("car", "bert", Some(now_ms), None)));
    assert_eq!((world.state("anna"), world.minutes("anna")), (Some("ended"), [60, 599]));
    world.drive(10..12, 90, false);
    assert_eq!(world.state("bert"), Some("driving"));
    let now_ms = world.now_ms();
    world.deed(Deed::Assign(assignment("car", "anna", Some(now_ms), None)));
    assert_eq!((world.state("anna"), world.state("bert")), (Some("ended"), Some("ended")));
    world.drive(12..14, 30, false);
    assert_eq!((world.state("anna"), world.minutes("anna"), world.km("anna")), (Some("driving"), [720, 839], 0.99));
    world.deed(Deed::Forget { device: "car".into() });
    assert_eq!(world.state("anna"), Some("ended"));
}

#[test]
fn relations_show_while_they_are_in_force_without_anybody_saying_anything() {
    let mut world = World::new(vec![assignment("band", "anna", None, None)]);
    let until_ms = Some(WALL_MS + 20 * MINUTE);
    let doctor = Relation { of: "anna".into(), subject: "bert".into(), kind: "doctor".into(), from_ms: None, until_ms };
    let later =
        Relation { kind: "pilot".into(), from_ms: Some(WALL_MS + 10 * MINUTE), until_ms: None, ..doctor.clone() };
    world.deed(Deed::Relate(doctor));
    world.deed(Deed::Relate(later));
    let kinds = |world: &World, subject: &str| -> Vec<String> {
        let ties = world.of(subject).ties();
        ties.iter().flat_map(|ties| ties.relations()).map(|it| it.kind.to_string()).collect()
    };
    assert_eq!((kinds(&world, "anna"), kinds(&world, "bert")), (vec!["doctor".into()], vec!["doctor".into()]));
    assert_eq!(world.fold.deadline(), Some(10 * MINUTE as u64), "a tick is wanted when one begins");
    world.tick(10);
    assert_eq!(kinds(&world, "anna"), ["doctor", "pilot"]);
    assert_eq!(world.fold.deadline(), Some(20 * MINUTE as u64));
    world.tick(20);
    assert_eq!((kinds(&world, "anna"), world.fold.deadline()), (vec!["pilot".to_owned()], None));
    let at_ms = world.now_ms();
    let (of, subject, kind) = ("anna".to_owned(), "bert".to_owned(), "pilot".to_owned());
    world.deed(Deed::Unrelate { of, subject, kind, at_ms });
    assert_eq!((world.of("anna").ties(), world.of("bert").ties()), (None, None));
}

#[test]
fn two_subjects_that_prove_to_be_one_go_on_as_one_and_the_first_says_where_it_went() {
    let mut world = World::new(vec![assignment("car", "guest", None, None), assignment("band", "anna", None, None)]);
    world.drive(1..5, 60, false);
    let (of, subject, kind) = ("carl".to_owned(), "guest".to_owned(), "pilot".to_owned());
    world.deed(Deed::Relate(Relation { of, subject, kind, from_ms: None, until_ms: None }));
    let accepted = world.of("guest").counts().accepted;
    world.deed(Deed::Merge { from: "guest".into(), into: "anna".into() });
    let guest = world.of("guest");
    assert_eq!(guest.ties().and_then(|ties| ties.merged_into()).map(|name| &**name), Some("anna"));
    assert_eq!((world.state("guest"), guest.devices().len()), (Some("ended"), 0));
    let pilots = |subject: &str| world.of(subject).ties().map_or(0, |ties| ties.relations().len());
    assert_eq!(["carl", "anna", "guest"].map(pilots), [1, 1, 0]);
    assert_eq!(&*world.of("carl").ties().unwrap().relations()[0].subject, "anna");

    world.drive(5..8, 60, false);
    assert_eq!((world.state("anna"), world.of("guest").counts().accepted), (Some("driving"), accepted));
    world.deed(Deed::Merge { from: "anna".into(), into: "anna.miller".into() });
    world.drive(8..9, 60, false);
    assert_eq!((world.state("anna.miller"), world.state("anna")), (Some("driving"), Some("ended")));
    let aliases: Vec<_> = world.of("anna.miller").ties().unwrap().aliases().iter().map(|name| &**name).collect();
    assert_eq!(aliases, ["anna", "guest"], "no chain is left");
}

/// A schema of a single signal, each second.
fn pulse() -> Schema {
    let metric = registry::signal_named("heart_rate").expect("a registered signal").metric;
    let column = Column { metric, num: 1, den: 1, bias: 0, k0: 4, name: None };
    Schema::hashed(vec![Group { clock: halo_proto::chunk::Clock::Regular { dt_ms: 1000 }, columns: vec![column] }])
        .unwrap()
}

fn ruler(world: &World) -> (&str, f64, u32) {
    let pulse = world.of("anna").signal("heart_rate").unwrap();
    let latest = pulse.latest().unwrap();
    let n = pulse.stats(&mut Tally::default()).last().unwrap().1.n;
    (&latest.device, latest.raw as f64, n)
}

#[test]
fn of_phone_band_and_strap_the_best_one_rules_and_the_others_are_kept_beside_it() {
    let devices = ["phone", "band", "strap"].map(|device| assignment(device, "anna", None, None));
    let mut world = World::new(devices.to_vec());
    let say = |world: &mut World, second: i64, device: &str, value: i64| {
        world.log.mono_ms = second as u64 * 1000 + 1000;
        match device {
            "phone" => {
                let time = WALL_MS + second * 1000;
                let payload = format!("{{\"heart_rate\":{value},\"time\":{time}}}");
                let mut frame = world.log.frame(device, Format::Json, 0, payload.into_bytes());
                frame.subject = "anna".into();
                world.push(Body::Frame(frame));
            }
            _ => {
                let kind = if device == "band" { Kind::WRISTBAND } else { Kind::RR_STRAP };
                world.frame(device, kind, &pulse(), second * 1000, &[vec![value]]);
            }
        }
    };
    say(&mut world, 0, "phone", 80);
    say(&mut world, 1, "band", 70);
    assert_eq!(ruler(&world), ("band", 70.0, 2), "the better one takes over at once");
    say(&mut world, 2, "phone", 90);
    assert_eq!(ruler(&world), ("band", 70.0, 2), "and the worse one is not taken any more");
    say(&mut world, 3, "strap", 60);
    say(&mut world, 4, "band", 61);
    say(&mut world, 5, "phone", 100);
    assert_eq!(ruler(&world), ("strap", 60.0, 3));
    let anna = world.of("anna");
    let others: Vec<_> = anna.others("heart_rate").map(|it| (&*it.device, it.raw, it.readings)).collect();
    assert_eq!(others, [("band", 61, 1), ("phone", 100, 2)]);
    let latest = anna.signal("heart_rate").unwrap().latest().unwrap();
    assert_eq!(anna.others("heart_rate").map(|it| it.disagrees(latest)).collect::<Vec<_>>(), [false, true]);

    // The strap is taken off: two minutes later the band's word stands, and the phone's still does not.
    say(&mut world, 123, "band", 62);
    assert_eq!(ruler(&world), ("strap", 60.0, 3));
    say(&mut world, 124, "band", 63);
    say(&mut world, 125, "phone", 101);
    assert_eq!(ruler(&world), ("band", 63.0, 4));
    assert!(world.of("anna").others("heart_rate").all(|it| &*it.device == "phone"));

    // The strap's readings come two seconds late: from its first one on the band's are not taken any more.
    say(&mut world, 200, "band", 64);
    world.frame("strap", Kind::RR_STRAP, &pulse(), 198_000, &[vec![61]]);
    say(&mut world, 201, "band", 65);
    assert_eq!(ruler(&world), ("band", 64.0, 5), "its value stands until there is a newer one");
    world.frame("strap", Kind::RR_STRAP, &pulse(), 200_000, &[vec![62]]);
    assert_eq!(ruler(&world), ("strap", 62.0, 6));
    let at_ms = world.now_ms();
    world.deed(Deed::Release { device: "band".into(), at_ms });
    assert!(world.of("anna").others("heart_rate").all(|it| &*it.device == "phone"), "what is gone has no word");
}

#[test]
fn a_bad_reading_of_another_device_neither_rules_nor_counts_as_its_word() {
    let mut world = World::new(vec![assignment("strap", "anna", None, None), assignment("band", "anna", None, None)]);
    world.at(1);
    world.frame("band", Kind::WRISTBAND, &pulse(), 0, &[vec![70]]);
    world.frame("strap", Kind::RR_STRAP, &pulse(), 1000, &[vec![301]]);
    assert_eq!(ruler(&world), ("band", 70.0, 1));
    assert_eq!((world.of("anna").others("heart_rate").count(), world.of("anna").counts().suspect), (0, 1));
}

#[test]
fn a_subjects_day_ends_at_its_own_midnight() {
    let schema = Schema::from_registry(1).expect("the wristband's");
    let steps_at = |zone: Option<&str>| {
        let mut world = World::new(vec![assignment("band", "anna", None, None)]);
        let settings = zone.map(|zone| ("time_zone".to_owned(), Some(zone.to_owned())));
        world.deed(Deed::Set { subject: "anna".into(), kind: None, settings: settings.into_iter().collect() });
        // It is 20:00 UTC in the beginning; Berlin's midnight is three hours away.
        for (seq, (minute, total)) in [(160, 1000), (170, 1100), (185, 1150)].into_iter().enumerate() {
            world.at(minute + 1);
            let columns = [vec![total], vec![3300]];
            let payload = native(&schema, seq as u32, (minute * MINUTE) as u64, &[(2, &columns)], None);
            let mut frame = world.log.frame("band", Format::Tf1, WALL_MS, payload);
            frame.subject = "anna".into();
            world.push(Body::Frame(frame));
        }
        number(world.of("anna"), "steps.today")
    };
    assert_eq!((steps_at(None), steps_at(Some("Europe/Berlin"))), (Some(150.0), Some(50.0)));
    assert_eq!(steps_at(Some("Europe/London")), Some(150.0));
}

#[test]
fn a_new_device_takes_over_what_the_lost_one_was_to_feed() {
    let mut world = World::new(vec![
        assignment("old", "anna", None, Some(WALL_MS + 60 * MINUTE)),
        assignment("old", "bert", Some(WALL_MS + 60 * MINUTE), None),
    ]);
    let greeted = |world: &mut World, body: Body| -> Vec<String> {
        if let Body::Act(act) = &body {
            world.assignments.act(&act.deed);
        }
        world.fold.apply(world.log.push(body)).greeted().map(|device| device.to_string()).collect()
    };
    let at_ms = WALL_MS + 5 * MINUTE;
    world.tick(1);
    assert!(greeted(&mut world, act(Deed::Replace { old: "old".into(), new: "new".into(), at_ms })).is_empty());
    assert!(world.fold.place_of(&"new".into()).is_none(), "not yet");
    world.at(5);
    world.log.value("old", "mood", 1.0, 0);
    let mut last = world.log.records.pop().unwrap();
    if let Body::Frame(frame) = &mut last.body {
        frame.subject = "anna".into();
    }
    assert_eq!(world.fold.apply(&last).greeted().map(|device| &**device).collect::<Vec<_>>(), ["new"]);
    let subject = |world: &World| world.fold.place_of(&"new".into()).map(|(_, subject)| subject.name().to_string());
    assert_eq!(subject(&world), Some("anna".into()));
    let holders = ["old", "new"].map(|device| world.assignments.subject_at(&device.into(), at_ms).to_string());
    assert_eq!(holders, ["old", "anna"]);
    assert_eq!(&*world.assignments.subject_at(&"new".into(), WALL_MS + 60 * MINUTE), "bert", "bookings go with it");
    let settings = vec![("goal".to_owned(), Some("8000".to_owned()))];
    let set = Deed::Set { subject: "anna".into(), kind: None, settings };
    assert_eq!(greeted(&mut world, act(set)), ["new"], "changed settings are told");
    world.at(6);
    let at_ms = world.now_ms();
    assert!(greeted(&mut world, act(Deed::Release { device: "new".into(), at_ms })).is_empty());
    assert_eq!(subject(&world), None, "whoever feeds nobody is told of nobody");
}
