use super::*;
use crate::record::{Body, Draft, Record, StartEpoch};
use crate::store::fs::mem::{MemFs, Rng};
use crate::store::{Log, Options, verify};

fn options() -> Options {
    let (segment_bytes, group_bytes) = (16 << 10, 4 << 10);
    Options { segment_bytes, group_bytes, background: true, ..Options::default() }
}

fn at(ms: u64) -> GatewayTime {
    GatewayTime { wall_ms: 1_700_000_000_000 + ms.cast_signed(), mono_ms: ms }
}

fn about(identities: &Identities) -> About {
    About { gateway: "gw-7".into(), identities: identities.clone(), accounts: None, time: at(1) }
}

fn fill<F: Fs>(log: &mut Log<F>, records: u64) {
    let acts = |n: u64| Body::Start(crate::record::Start { version: "v".repeat((n % 300) as usize + 1) });
    for n in 0..records {
        log.push(&Draft::from(acts(n)), at(log.next_offset().0)).unwrap();
        if n % 7 == 6 {
            log.commit().unwrap();
        }
    }
    log.commit().unwrap();
}

fn read<F: Fs>(fs: F, log: &Path, until: Offset) -> Vec<Record> {
    let (mut reader, findings) = Reader::over(fs, log, Offset(0)).unwrap();
    let odd: Vec<_> = findings.iter().filter(|it| it.what != super::super::Damage::TornTail).collect();
    assert!(odd.is_empty(), "{odd:?}");
    let mut records = Vec::new();
    loop {
        let batch = reader.next(1 << 20).unwrap();
        if batch.is_empty() {
            records.retain(|record: &Record| record.offset <= until);
            return records;
        }
        records.extend(batch.records);
    }
}

/// A data folder with a log of several segments in use, and its backup.
struct Made {
    dir: tempfile::TempDir,
    log: Log<Disk>,
    identities: Identities,
    backup: Backup,
}

impl Made {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let (mut log, _) = Log::open(Disk, &data.join(LOG_FOLDER), options()).unwrap();
        let identities = Identities::of_folder(&data).unwrap();
        fill(&mut log, 400);
        log.push(&Draft::from(Body::Tick), at(999)).unwrap();
        let backup = backup(&log.reader(Offset(0)), &about(&identities), &dir.path().join("backup"), |_| {}).unwrap();
        Self { dir, log, identities, backup }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

#[test]
fn a_backup_of_a_log_in_use_holds_what_is_durable_and_nothing_more() {
    let mut made = Made::new();
    assert_eq!(made.backup.durable, Offset(400), "the pending record is not in it");
    fill(&mut made.log, 300);
    let restored = restore(&made.path("backup"), &made.path("new"), false).unwrap();
    assert_eq!((restored.durable, restored.records), (Offset(400), 400));
    assert!(restored.findings.is_empty() && restored.damaged.is_empty());
    let original = read(Disk, &made.path("data/log"), Offset(400));
    assert!(read(Disk, &made.path("new/log"), Offset(u64::MAX)) == original);
    let (log, recovered) = Log::open(Disk, &made.path("new/log"), options()).unwrap();
    assert_eq!((recovered.durable, log.next_offset()), (Offset(400), Offset(401)));
    assert!(!made.path("backup.partial").exists() && !made.path("new.partial").exists());
}

#[test]
fn the_next_start_of_a_restored_folder_writes_under_a_new_identity_and_old_records_keep_theirs() {
    let made = Made::new();
    let old = made.identities.current().to_owned();
    let mut seen = vec![old.clone()];
    for name in ["first", "second"] {
        restore(&made.path("backup"), &made.path(name), false).unwrap();
        let identities = Identities::of_folder(&made.path(name)).unwrap();
        let (log, _) = Log::open(Disk, &made.path(name).join(LOG_FOLDER), options()).unwrap();
        assert_eq!(identities.of(StartEpoch(log.epoch().0 - 1)), old);
        let new = identities.of(log.epoch()).to_owned();
        assert!(!seen.contains(&new), "{new} names records of two folders");
        seen.push(new);
    }
}

#[test]
fn a_backup_of_a_stopped_log_is_the_same_and_a_backup_of_a_restored_one_too() {
    let Made { dir, log, identities, .. } = Made::new();
    drop(log);
    let data = dir.path().join("data");
    let (log, _) = Reader::over(Disk, &data.join(LOG_FOLDER), Offset(0)).unwrap();
    let again = backup(&log, &about(&identities), &dir.path().join("again"), |_| {}).unwrap();
    assert_eq!(again.durable, Offset(400));
    restore(&dir.path().join("again"), &dir.path().join("new"), false).unwrap();
    let (log, _) = Reader::over(Disk, &dir.path().join("new/log"), Offset(0)).unwrap();
    let third = backup(&log, &about(&identities), &dir.path().join("third"), |_| {}).unwrap();
    assert_eq!((third.durable, third.bytes), (Offset(400), again.bytes));
}

#[test]
fn an_empty_log_can_be_backed_up_and_restored() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(MemFs::new(1), Path::new("log"), options()).unwrap();
    let identities = Identities::one("aa");
    let made = backup(&log.reader(Offset(0)), &about(&identities), &dir.path().join("b"), |_| {}).unwrap();
    assert_eq!(made.durable, Offset(0));
    let restored = restore(&dir.path().join("b"), &dir.path().join("new"), false).unwrap();
    assert_eq!(restored.durable, Offset(0));
    let (log, _) = Log::open(Disk, &dir.path().join("new/log"), options()).unwrap();
    assert_ne!(Identities::of_folder(&dir.path().join("new")).unwrap().of(log.epoch()), "aa");
}

#[test]
fn a_damaged_backup_is_refused_and_gives_what_is_intact_when_forced() {
    let made = Made::new();
    let from = made.path("backup");
    let mut files: Vec<PathBuf> = fs::read_dir(from.join(LOG_FOLDER)).unwrap().map(|it| it.unwrap().path()).collect();
    files.push(from.join(IDENTITY_FILE));
    let mut rng = Rng(5);
    for (n, file) in files.iter().enumerate() {
        let pristine = fs::read(file).unwrap();
        let damages: [Option<Vec<u8>>; 3] = [None, Some(pristine[..pristine.len() / 2].to_vec()), {
            let mut flipped = pristine.clone();
            flipped[rng.below(pristine.len() as u64) as usize] ^= 4;
            Some(flipped)
        }];
        for (m, damage) in damages.into_iter().enumerate() {
            match damage {
                None => fs::remove_file(file).unwrap(),
                Some(bytes) => fs::write(file, bytes).unwrap(),
            }
            let refused = restore(&from, &made.path("never"), false).unwrap_err();
            assert!(matches!(refused, BackupError::Damaged { .. }), "{}: {refused}", file.display());
            assert!(!made.path("never").exists() && !made.path("never.partial").exists());
            let to = made.path(&format!("forced {n} {m}"));
            let forced = restore(&from, &to, true).unwrap();
            assert_eq!(forced.damaged.len(), 1);
            let lost = forced.records < 400;
            assert!(!lost || !forced.findings.is_empty() || file == files.last().unwrap() || m < 2, "{forced:?}");
            Log::open(Disk, &to.join(LOG_FOLDER), options()).unwrap();
            fs::write(file, &pristine).unwrap();
        }
    }
}

#[test]
fn nothing_is_overwritten() {
    let made = Made::new();
    let refused = backup(&made.log.reader(Offset(0)), &about(&made.identities), &made.path("backup"), |_| {});
    assert!(matches!(refused, Err(BackupError::Exists(_))));
    let refused = restore(&made.path("backup"), &made.path("data"), true);
    assert!(matches!(refused, Err(BackupError::Exists(_))), "forced or not");
    fs::create_dir(made.path("empty")).unwrap();
    restore(&made.path("backup"), &made.path("empty"), false).unwrap();
    let refused = restore(&made.path("data"), &made.path("new"), false).unwrap_err();
    assert!(matches!(refused, BackupError::NotABackup { .. }), "{refused}");
}

/// It was taken, grew with each further one, and retention counted it as log.
#[test]
fn a_backup_into_the_data_folder_is_refused_by_whatever_way_it_leads_there() {
    let made = Made::new();
    std::os::unix::fs::symlink(made.path("data"), made.path("elsewhere")).unwrap();
    for name in ["data/backup", "data/log/backup", "elsewhere/backup", "elsewhere/new/../backup", "x/../data/backup"] {
        let refused = backup(&made.log.reader(Offset(0)), &about(&made.identities), &made.path(name), |_| {});
        assert!(matches!(refused, Err(BackupError::Within { .. })), "{name}: {refused:?}");
    }
    let held: Vec<_> = fs::read_dir(made.path("data")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(held.iter().all(|name| name == LOG_FOLDER || name == IDENTITY_FILE), "{held:?}");
    backup(&made.log.reader(Offset(0)), &about(&made.identities), &made.path("data-2"), |_| {}).unwrap();
}

/// The second one emptied the folder that the first one was writing.
#[test]
fn of_two_backups_to_one_folder_at_once_the_second_is_refused_and_the_first_is_whole() {
    let made = Made::new();
    let (source, to) = (made.log.reader(Offset(0)), made.path("next"));
    let mut refused = 0;
    let first = backup(&source, &about(&made.identities), &to, |_| {
        let second = backup(&source, &about(&made.identities), &to, |_| {});
        refused += usize::from(matches!(second, Err(BackupError::Busy(_))));
    });
    assert_eq!(first.unwrap().durable, Offset(400));
    assert!(refused > 1, "asked while each file was copied");
    let names: Vec<_> = fs::read_dir(&to).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(restore(&to, &made.path("new"), false).unwrap().records, 400);
}

#[test]
fn what_an_interrupted_attempt_left_is_cleared_unless_it_is_not_ours() {
    let made = Made::new();
    let partial = made.path("next.partial");
    fs::create_dir_all(partial.join(LOG_FOLDER)).unwrap();
    fs::write(partial.join("log/0000000000009999.seg"), b"half").unwrap();
    let source = made.log.reader(Offset(0));
    backup(&source, &about(&made.identities), &made.path("next"), |_| {}).unwrap();
    assert!(!made.path("next/log/0000000000009999.seg").exists());
    fs::create_dir(made.path("other.partial")).unwrap();
    fs::write(made.path("other.partial/thesis.tex"), b"mine").unwrap();
    let refused = backup(&source, &about(&made.identities), &made.path("other"), |_| {});
    assert!(matches!(refused, Err(BackupError::Exists(_))));
    let left: Vec<_> = fs::read_dir(made.path("other.partial")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["thesis.tex"]);
}

#[test]
fn backups_taken_while_the_log_is_written_are_each_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(Disk, &dir.path().join("data/log"), options()).unwrap();
    let source = Source::new(log.reader(Offset(0)), "gw".into(), Identities::one("aa"), dir.path().join("none"));
    let (stop, stopped) = std::sync::mpsc::sync_channel::<()>(1);
    let writer = std::thread::spawn(move || {
        while stopped.try_recv().is_err() {
            fill(&mut log, 20);
        }
        log
    });
    let durable = source.log.durable();
    let mut last = Offset(0);
    for n in 0..15 {
        last = durable.wait_past(last, std::time::Duration::from_secs(20));
        let to = dir.path().join(format!("backup {n}"));
        let made = source.backup(&to, at(1), |_| {}).unwrap();
        assert!(made.durable >= last, "{} is older than {last}", made.durable);
        let verified = verify(&Disk, &to.join(LOG_FOLDER), |_| {}).unwrap();
        assert_eq!((verified.findings, verified.records), (Vec::new(), made.durable.0));
    }
    stop.send(()).unwrap();
    let log = writer.join().unwrap();
    let all = read(Disk, log.dir(), Offset(u64::MAX));
    for n in 0..15 {
        let records = read(Disk, &dir.path().join(format!("backup {n}/log")), Offset(u64::MAX));
        assert!(all.starts_with(&records), "backup {n} holds other records");
    }
}
