use halo_proto::topic::id_is_valid;

use super::*;
use crate::ingest::offers::Table;

#[test]
fn every_situation_is_a_configuration_this_build_takes_with_rules_that_compile() {
    for situation in all() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = situation.load(folder.path()).unwrap_or_else(|error| panic!("{}: {error}", situation.name));
        assert!(!config.rule.is_empty(), "{} has rules", situation.name);
        let commands = situation.commands().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(commands.len(), situation.setup.lines().count(), "{}", situation.name);
        let later = situation.later().unwrap_or_else(|error| panic!("{error}"));
        let has_later = situation.files.iter().any(|(name, _)| name.ends_with(".later"));
        assert_eq!(has_later, !later.is_empty(), "{}", situation.name);
        assert!(later.is_sorted_by_key(|later| later.after), "{}", situation.name);
        for command in commands {
            if let Command::LoadOffers { organisation, table, payload } = command {
                assert!(id_is_valid(&organisation) && id_is_valid(&table));
                Table::parse(payload.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", situation.name));
            }
        }
        assert!(situation.says.len() > 30 && id_is_valid(situation.name), "{}", situation.name);
    }
}

#[test]
fn a_table_that_a_rule_looks_into_is_loaded_by_its_situation_and_has_the_column() {
    for situation in all() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = situation.load(folder.path()).expect("a configuration");
        for offer in config.rule.iter().filter_map(|rule| rule.offer.as_ref()) {
            let loaded = situation.commands().expect("commands").into_iter().find_map(|command| match command {
                Command::LoadOffers { organisation, table, payload } => {
                    Some(payload).filter(|_| format!("{organisation}/{table}") == offer.table)
                }
                _ => None,
            });
            let table = loaded.unwrap_or_else(|| panic!("{}: nobody loads {}", situation.name, offer.table));
            let columns: Vec<&str> = table.lines().next().unwrap_or_default().split(',').collect();
            assert!(columns.contains(&offer.column.as_str()), "{}: {columns:?}", situation.name);
        }
    }
}

#[test]
fn a_booking_is_counted_from_now_and_what_comes_later_has_its_moment() {
    let booked =
        Situation { setup: "device assign car ben --kind person --from now-2h --until now+30m\n", ..SITUATIONS[0] };
    let commands = booked.commands().expect("commands");
    let [Command::Assign { from_ms: Some(from_ms), until_ms: Some(until_ms), .. }] = commands[..] else {
        panic!("{commands:?}");
    };
    assert!((9_000_000..9_000_100).contains(&(until_ms - from_ms)), "{from_ms} to {until_ms}");
    let moved = Situation { files: &[("x.later", "5s device replace a b\n1m subject merge c d\n")], ..booked };
    let later = moved.later().expect("commands");
    let seconds: Vec<u64> = later.iter().map(|later| later.after.as_secs()).collect();
    assert_eq!((seconds, later[1].line.as_str()), (vec![5, 60], "subject merge c d"));
    let odd = Situation { files: &[("x.later", "soon device replace a b\n")], ..booked };
    assert!(odd.later().expect_err("no moment").to_string().contains("soon"));
}

#[test]
fn a_line_that_is_no_command_is_named() {
    let odd = Situation { setup: "subject set anna goal=1\nsubject sing\n", ..SITUATIONS[0] };
    let told = odd.commands().expect_err("no command").to_string();
    assert!(told.contains("prescription.setup") && told.contains("subject sing"), "{told}");
}
