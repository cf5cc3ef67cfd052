use super::*;

const ONE: [u8; SECTOR] = [1; SECTOR];
const TWO: [u8; SECTOR] = [2; SECTOR];

fn path() -> PathBuf {
    PathBuf::from("/d/file")
}

/// A disk with one durable file of two sectors of ones.
fn disk(seed: u64) -> (MemFs, MemFile) {
    let fs = MemFs::new(seed);
    let file = fs.create_new(&path(), 2 * SECTOR as u64).unwrap();
    file.write_at(&[ONE, ONE].concat(), 0).unwrap();
    file.sync_data().unwrap();
    fs.sync_dir(Path::new("/d")).unwrap();
    (fs, file)
}

/// How often each outcome of a power cut occurs over many seeds.
fn outcomes(act: impl Fn(&MemFs, &MemFile)) -> BTreeMap<Option<Vec<u8>>, usize> {
    let mut outcomes = BTreeMap::new();
    for seed in 0..200 {
        let (fs, file) = disk(seed);
        act(&fs, &file);
        fs.power_cut();
        *outcomes.entry(fs.bytes(&path())).or_default() += 1;
    }
    outcomes
}

#[test]
fn what_was_synced_stays_and_what_was_not_goes_in_any_subset_of_sectors() {
    let seen = outcomes(|_, file| file.write_at(&[TWO, TWO].concat(), 0).unwrap());
    for want in [[ONE, ONE], [ONE, TWO], [TWO, ONE], [TWO, TWO]] {
        assert!(seen.contains_key(&Some(want.concat())), "an outcome is never seen");
    }
    assert_eq!(seen.len(), 4, "a sector is never torn itself");
    let seen = outcomes(|_, file| {
        file.write_at(&TWO, 0).unwrap();
        file.sync_data().unwrap();
    });
    assert_eq!(seen.keys().collect::<Vec<_>>(), [&Some([TWO, ONE].concat())]);
}

#[test]
fn a_sector_written_twice_may_have_been_written_back_in_between() {
    let seen = outcomes(|_, file| {
        file.write_at(&TWO, 0).unwrap();
        file.write_at(&[3; SECTOR], 0).unwrap();
    });
    for want in [ONE, TWO, [3; SECTOR]] {
        assert!(seen.contains_key(&Some([want, ONE].concat())), "an outcome is never seen");
    }
}

#[test]
fn names_and_lengths_are_forgotten_like_bytes() {
    let seen = outcomes(|fs, _| fs.remove(&path()).unwrap());
    assert_eq!(seen.len(), 2, "a removed name may come back");
    let seen = outcomes(|fs, _| fs.rename(&path(), Path::new("/d/other")).unwrap());
    assert_eq!(seen.len(), 2);
    let seen = outcomes(|_, file| file.set_len(SECTOR as u64).unwrap());
    assert!(seen.contains_key(&Some(ONE.to_vec())) && seen.contains_key(&Some([ONE, ONE].concat())));
}

#[test]
fn after_a_failed_sync_the_next_one_says_done_and_the_bytes_are_gone() {
    let mut gone = 0;
    for seed in 0..50 {
        let (fs, file) = disk(seed);
        file.write_at(&TWO, 0).unwrap();
        fs.fail_after(0, Fault::Io);
        assert!(file.sync_data().is_err());
        file.sync_data().unwrap();
        assert_eq!(fs.bytes(&path()).unwrap()[..SECTOR], TWO, "memory still shows it");
        let uncached = fs.open(&path()).unwrap();
        uncached.drop_cache().unwrap();
        let asked = fs.bytes(&path()).unwrap();
        fs.power_cut();
        assert_eq!(fs.bytes(&path()).unwrap(), asked, "what the disk showed is what it has");
        gone += usize::from(asked[..SECTOR] == ONE);
    }
    assert!(gone > 20, "{gone} of 50");
}

#[test]
fn once_the_power_is_off_nothing_works_and_nothing_changes() {
    let (fs, file) = disk(1);
    fs.fail_after(1, Fault::PowerOff);
    file.write_at(&ONE, 0).unwrap();
    assert!(file.sync_data().is_err());
    assert!(file.write_at(&TWO, 0).is_err());
    assert!(fs.open(&path()).is_err());
    fs.power_cut();
    assert_eq!(fs.bytes(&path()).unwrap(), [ONE, ONE].concat());
    assert!(file.write_at(&TWO, 0).is_err(), "a handle from before the cut is dead");
    assert_eq!(fs.bytes(&path()).unwrap(), [ONE, ONE].concat());
}

#[test]
fn a_full_disk_refuses_to_grow_and_still_overwrites() {
    let (fs, file) = disk(1);
    fs.set_capacity(3 * SECTOR as u64);
    assert!(fs.create_new(Path::new("/d/second"), 2 * SECTOR as u64).is_err());
    assert!(file.write_at(&[TWO, TWO].concat(), SECTOR as u64 * 2).is_err());
    file.write_at(&[TWO, TWO].concat(), 0).unwrap();
}

#[test]
fn a_folder_whose_name_was_not_synced_may_go_with_everything_in_it() {
    let mut kept = [0; 2];
    for seed in 0..100 {
        for (synced, kept) in kept.iter_mut().enumerate() {
            let fs = MemFs::new(seed);
            assert!(fs.make_dir(Path::new("/a/d")).unwrap());
            assert!(!fs.make_dir(Path::new("/a/d")).unwrap(), "it is there");
            fs.create_new(Path::new("/a/d/file"), 1).unwrap().sync_data().unwrap();
            fs.sync_dir(Path::new("/a/d")).unwrap();
            if synced == 1 {
                fs.sync_dir(Path::new("/a")).unwrap();
            }
            fs.power_cut();
            *kept += usize::from(fs.bytes(Path::new("/a/d/file")).is_some());
        }
    }
    assert!((20..80).contains(&kept[0]) && kept[1] == 100, "{kept:?}");
}
