//! What a start makes durable, and in which order: on a slow disk each sync is a wait before the first acknowledgement.

use super::*;
use crate::store::fs::Fs;
use crate::store::preparer::FIRST_FILL_BYTES;

/// As a gateway keeps it; smaller.
fn usual() -> Options {
    Options { segment_bytes: 512 << 10, group_bytes: 16 << 10, background: true, ..small() }
}

fn first_segment() -> PathBuf {
    segment::path(&dir(), 1)
}

/// One record, durable.
fn acknowledge(log: &mut Log<MemFs>) {
    log.push(&frame("d", 1, b"1").into(), at(0)).unwrap();
    log.commit().unwrap();
}

/// It was the segment, its folder, the folder above before, and the spare and the next segment beside them.
#[test]
fn a_start_of_an_empty_log_syncs_a_segment_and_the_folders_that_lead_to_it_then_only_records() {
    let fs = MemFs::new(1);
    fs.take_synced();
    let (mut log, _) = Log::open(fs.clone(), &dir(), usual()).unwrap();
    assert_eq!(fs.take_synced(), [first_segment(), dir(), PathBuf::from("/")]);
    acknowledge(&mut log);
    acknowledge(&mut log);
    assert_eq!(fs.take_synced(), [first_segment(), first_segment()]);
}

#[test]
fn folders_further_above_are_synced_with_the_first_segment_of_an_empty_log_and_never_again() {
    let fs = MemFs::new(1);
    let options = || Options { above: vec!["/far".into()], ..usual() };
    fs.take_synced();
    acknowledge(&mut Log::open(fs.clone(), &dir(), options()).unwrap().0);
    assert_eq!(fs.take_synced()[..4], [first_segment(), dir(), PathBuf::from("/"), PathBuf::from("/far")]);
    let _log = Log::open(fs.clone(), &dir(), options()).unwrap();
    assert!(!fs.take_synced().contains(&PathBuf::from("/far")));
}

#[test]
fn a_start_of_a_log_with_records_does_not_ask_for_the_name_of_its_folder_again() {
    let fs = MemFs::new(1);
    acknowledge(&mut Log::open(fs.clone(), &dir(), usual()).unwrap().0);
    fs.take_synced();
    let (_log, recovered) = Log::open(fs.clone(), &dir(), usual()).unwrap();
    assert_eq!(recovered.durable, Offset(1));
    assert!(!fs.take_synced().contains(&PathBuf::from("/")));
}

#[test]
fn g1_what_is_acknowledged_outlives_a_power_cut_although_the_folder_was_made_by_the_same_start_or_one_that_was_killed()
{
    for seed in 0..50 {
        for was_killed in [false, true] {
            let fs = MemFs::new(seed);
            if was_killed {
                fs.make_dir(&dir()).unwrap();
                fs.kill();
            }
            acknowledge(&mut Log::open(fs.clone(), &dir(), usual()).unwrap().0);
            fs.power_cut();
            let (log, recovered) = Log::open(fs, &dir(), usual()).unwrap();
            assert_eq!((recovered.durable, recovered.epoch), (Offset(1), StartEpoch(2)), "seed {seed}");
            assert_eq!((recovered.findings, log.durable()), (vec![], Offset(1)));
        }
    }
}

/// The folder's name, the segment's, both headers, the zeros behind them and the first group in any state.
#[test]
fn g1_a_power_cut_at_any_call_of_a_first_start_loses_nothing_acknowledged_and_leaves_nothing_to_report() {
    let mut cut = 0;
    for seed in 0..20 {
        for call in 0.. {
            let fs = MemFs::new(seed);
            fs.fail_after(call, Fault::PowerOff);
            let options = || Options { background: false, ..usual() };
            let acknowledged = Log::open(fs.clone(), &dir(), options()).and_then(|(mut log, _)| {
                log.push(&frame("d", 1, b"1").into(), at(0))?;
                log.commit()
            });
            fs.power_cut();
            let (mut log, recovered) = Log::open(fs.clone(), &dir(), options()).unwrap();
            assert!(recovered.findings.iter().all(|it| it.what == Damage::TornTail), "{:?}", recovered.findings);
            assert!(recovered.durable >= *acknowledged.as_ref().unwrap_or(&Offset(0)), "seed {seed}, call {call}");
            acknowledge(&mut log);
            if acknowledged.is_ok() {
                break;
            }
            cut += 1;
        }
    }
    assert!(cut > 200, "{cut}");
}

#[test]
fn the_first_groups_of_a_start_fall_on_bytes_that_were_written_with_the_headers() {
    let fs = MemFs::new(1);
    let (mut log, _) = Log::open(fs.clone(), &dir(), usual()).unwrap();
    let before = fs.extended(&first_segment());
    for _ in 0..FIRST_FILL_BYTES / 1_024 {
        acknowledge(&mut log);
    }
    assert_eq!(
        fs.extended(&first_segment()),
        before,
        "each changes the file's map: a journal's commit, of three flushes"
    );
}

#[test]
fn a_segment_that_is_half_full_has_the_next_one_made_even_while_the_start_rests() {
    for fill in [1, 2] {
        let fs = MemFs::new(1);
        let (mut log, _) = Log::open(fs.clone(), &dir(), usual()).unwrap();
        for _ in 0..fill * 14 {
            log.push(&frame("d", 1, &[1; 12_000]).into(), at(0)).unwrap();
            log.commit().unwrap();
        }
        drop(log);
        assert_eq!(fs.bytes(&segment::path(&dir(), 2)).is_some(), fill == 2);
    }
}
