//! Who is found to be in the middle, against parks whose hubs are planted.

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::rig::Rig;
use crate::config::Config;
use crate::record::{Body, Deed, SubjectKind};

const INVITE: &str = "[[rule]]\nname = 'invite'\nowner = 'park'\ncmd = true\nanswer_within = '1h'\n\
                      when = \"a.settings.cohorts == 'yes' && a.central.rank <= 3\"\n\
                      message = 'come and tell us: {a.central.rank}'\n";
const BANDS: &str = "[[halo.kinds]]\nname = 'band'\ndevices = ['s*']\nderive = ['visit']\n";
const GUESTS: usize = 120;
const HUBS: usize = 3;
const OF_A_PARTY: usize = 4;

fn name(number: usize) -> String {
    format!("s{number:03}")
}

fn park() -> Rig {
    let mut rig = Rig::new(INVITE);
    let config: Config = toml::from_str(BANDS).expect("a configuration");
    rig.log.push(Body::Config(config.fold()));
    rig.run();
    rig
}

/// Held against the reader of a ride, now.
fn ride(rig: &mut Rig, guest: usize, reader: u16) {
    let time = rig.log.now().wall_ms;
    rig.log.json(&name(guest), &format!("{{\"reader\":{reader},\"time\":{time}}}"));
    rig.run();
}

/// A day in a park: parties of four, who ride with whoever is there; and hosts, who go with one party after the other.
fn day(rig: &mut Rig, random: &mut ChaCha8Rng) -> Vec<String> {
    let mut guests: Vec<usize> = (0..GUESTS).collect();
    guests.shuffle(random);
    let (hubs, guests) = guests.split_at(HUBS);
    for guest in hubs.iter().chain(guests) {
        rig.set(&name(*guest), "cohorts", "yes");
    }
    let parties: Vec<&[usize]> = guests.chunks(OF_A_PARTY).collect();
    for (number, party) in parties.iter().enumerate() {
        for guest in *party {
            rig.set(&name(*guest), "party", &format!("p{number}"));
        }
    }
    for round in 0..12 {
        rig.after(600_000);
        for (land, hub) in (1..).zip(hubs) {
            let hosted = random.random_range(0..parties.len());
            rig.set(&name(*hub), "party", &format!("p{hosted}"));
            for guest in parties[hosted].iter().chain([hub]) {
                rig.log.after(5_000);
                ride(rig, *guest, land * 100 + 2);
            }
        }
        // Some ride without a host, two parties together at times.
        for land in 10..14_u16 {
            rig.after(300_000);
            for party in parties.choose_multiple(random, 1 + usize::from(round % 3 == 0)) {
                party.iter().for_each(|guest| ride(rig, *guest, land * 100 + 2));
            }
        }
    }
    rig.after(61_000);
    hubs.iter().map(|hub| name(*hub)).collect()
}

/// Who has an open invitation.
fn invited(rig: &Rig) -> Vec<String> {
    let subjects = rig.fold.subjects();
    let open = subjects.iter().filter(|it| it.sparks().is_some_and(|sparks| sparks.open().count() > 0));
    open.map(|it| it.name().to_string()).collect()
}

#[test]
fn the_planted_hubs_of_a_park_are_invited_and_nobody_else() {
    let (mut right, mut told, mut planted) = (0, 0, 0);
    for seed in 0..20 {
        let mut rig = park();
        let hubs = day(&mut rig, &mut ChaCha8Rng::seed_from_u64(seed));
        let invited = invited(&rig);
        right += invited.iter().filter(|it| hubs.contains(it)).count();
        (told, planted) = (told + invited.len(), planted + hubs.len());
    }
    let (precision, recall) = (right as f64 / told as f64, right as f64 / planted as f64);
    println!("{planted} hubs planted in 20 parks of {GUESTS}: precision {precision:.3}, recall {recall:.3}");
    assert!(told > 0 && precision >= 0.95 && recall >= 0.95, "precision {precision}, recall {recall}");
}

#[test]
fn who_takes_the_consent_back_is_invited_no_more_and_another_one_comes_in() {
    let mut rig = park();
    let hubs = day(&mut rig, &mut ChaCha8Rng::seed_from_u64(1));
    assert!(invited(&rig).contains(&hubs[0]));
    rig.set(&hubs[0], "cohorts", "no");
    assert!(!invited(&rig).contains(&hubs[0]), "at once");
    rig.after(61_000);
    let now = invited(&rig);
    assert!(now.len() == 3 && !now.contains(&hubs[0]) && now.contains(&hubs[1]), "{now:?}");
}

#[test]
fn nine_have_no_ranks_and_ten_do() {
    let mut rig = park();
    for guest in 0..9 {
        rig.set(&name(guest), "cohorts", "yes").set(&name(guest), "party", "one");
    }
    rig.after(61_000);
    assert!(rig.decided().is_empty());
    rig.set("s009", "cohorts", "yes").after(61_000);
    assert_eq!(rig.decided(), ["raised invite s000", "raised invite s001", "raised invite s002"]);
}

#[test]
fn a_rule_that_comes_later_or_after_a_restart_finds_those_who_were_there() {
    let none = "[[rule]]\nname = 'none'\nwhen = 'a.signals.heart_rate.value > 200'\n";
    let mut rig = Rig::new(none);
    for guest in 0..12 {
        rig.set(&name(guest), "cohorts", "yes");
    }
    rig.set("s007", "party", "one").set("s008", "party", "one");
    let text = Some("name = 'late'\nwhen = 'a.central.rank == 1'\n".to_owned());
    rig.act(Deed::Rule { name: "late".to_owned(), text });
    assert_eq!(rig.decided(), ["raised late s007"]);
    let mut rig = rig.restarted(none);
    rig.after(61_000);
    assert!(rig.decided().is_empty(), "as it was");
    rig.set("s009", "party", "one").set("s007", "party", "").set("s007", "party", "one").after(61_000);
    assert!(rig.decided().is_empty() && rig.engine.book.central.rank("s007") == Some(1));
}

#[test]
fn drivers_and_passengers_of_a_trip_were_together() {
    let mut rig = park();
    for guest in 0..12 {
        rig.set(&name(guest), "cohorts", "yes");
    }
    rig.relate("car", "s011", "driver").relate("car", "s010", "passenger").relate("car", "s009", "owner");
    let config = "[[halo.kinds]]\nname = 'car'\ndevices = ['car']\nderive = ['drive']\n\
                  [[halo.kinds]]\nname = 'band'\ndevices = ['s*']\nderive = ['visit']\n";
    let config: Config = toml::from_str(config).expect("a configuration");
    rig.log.push(Body::Config(config.fold()));
    rig.act(Deed::Set { subject: "car".to_owned(), kind: Some(SubjectKind::Machine), settings: Vec::new() });
    for _ in 0..90 {
        rig.value("car", "speed", 50.0);
    }
    assert!(rig.subject("car").trip().is_some(), "it drives");
    rig.after(61_000);
    let ranks: Vec<_> = ["s010", "s011", "s009"].map(|it| rig.engine.book.central.rank(it)).into();
    assert_eq!((ranks[0], ranks[1]), (Some(1), Some(2)));
    assert!(ranks[2] > Some(2), "an owner need not be there");
}
