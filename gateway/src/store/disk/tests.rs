use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::*;

const SEGMENT: u64 = 1_000_000;

/// A budget of 100 MB whose folder holds what the test says.
fn budget(free: u64) -> (Budget, Arc<AtomicU64>) {
    let used = Arc::new(AtomicU64::new(0));
    let config = Config { max: 100_000_000, reserve: 10_000_000, ..Config::default() };
    let (seen, state) = (Arc::clone(&used), 2_000_000);
    let measure = move || {
        let used = seen.load(Ordering::Relaxed);
        Ok(Usage { used, state, free: free.saturating_sub(used), segments: used / SEGMENT, spare: 0 })
    };
    (Budget::measured_by(&config, SEGMENT, Box::new(measure)), used)
}

fn mark_at(budget: &Budget, used: &AtomicU64, bytes: u64) -> Mark {
    used.store(bytes, Ordering::Relaxed);
    budget.report().mark
}

#[test]
fn marks_follow_what_is_used_of_the_folder() {
    let (budget, used) = budget(u64::MAX);
    let marks = [69, 71, 86, 93].map(|mb| mark_at(&budget, &used, mb * 1_000_000));
    // 95 MB less what is set aside: two segments and twice the state, one segment for a start, and the slack.
    assert_eq!(marks, [Mark::Calm, Mark::Warn, Mark::Shed, Mark::Refuse]);
    assert!(budget.ailments()[0].contains("93.0 MB of 100.0 MB"), "{:?}", budget.ailments());
    assert_eq!(mark_at(&budget, &used, 10_000_000), Mark::Calm);
    assert_eq!(budget.ailments(), Vec::<String>::new());
}

/// `status` told two figures: health's without the spare segment, its own with it.
#[test]
fn health_and_figures_tell_of_the_same_bytes() {
    let config = Config { max: 100_000_000, reserve: 0, ..Config::default() };
    let measure = || Ok(Usage { used: 80_000_000, spare: 2_000_000, state: 0, free: u64::MAX, segments: 80 });
    let budget = Budget::measured_by(&config, SEGMENT, Box::new(measure));
    assert_eq!(budget.report().used, 82_000_000);
    assert!(budget.ailments()[0].starts_with("82.0 MB of 100.0 MB of disk are used"), "{:?}", budget.ailments());
}

#[test]
fn what_the_volume_lacks_counts_like_a_smaller_bound() {
    let (budget, used) = budget(60_000_000);
    assert_eq!(mark_at(&budget, &used, 30_000_000), Mark::Calm);
    assert_eq!(budget.report().max, 50_000_000, "60 MB of volume, 10 MB of them stay free");
    assert_eq!(mark_at(&budget, &used, 45_000_000), Mark::Refuse);
    assert!(budget.grant(Use::Segment, 6_000_000).is_err());
}

#[test]
fn grants_never_add_up_to_more_than_the_bound_and_a_start_has_a_segment_more() {
    let (budget, used) = budget(u64::MAX);
    used.store(90_000_000, Ordering::Relaxed);
    let mut grants = Vec::new();
    while let Ok(grant) = budget.grant(Use::Segment, SEGMENT) {
        grants.push(grant);
    }
    let granted = grants.len() as u64 * SEGMENT;
    assert!((7 * SEGMENT..9 * SEGMENT).contains(&granted), "{granted} bytes beside 90 MB");
    assert_eq!(budget.mark(), Mark::Refuse, "clients are refused before the gateway itself is");
    assert!(budget.grant(Use::State, SEGMENT).is_err());
    assert!(budget.grant(Use::Start, SEGMENT).is_ok());
    grants.clear();
    assert!(budget.grant(Use::Segment, SEGMENT).is_ok(), "what is given back can be granted again");
}

#[test]
fn the_time_left_follows_the_rate_of_the_last_minute() {
    let (budget, used) = budget(u64::MAX);
    used.store(50_000_000, Ordering::Relaxed);
    let at = |second: u64| GatewayTime { wall_ms: 0, mono_ms: second * 1_000 };
    assert_eq!(budget.report().left, None);
    (0..600).for_each(|second| budget.refresh(at(second), second * 100_000, None));
    let left = budget.report().left.unwrap().as_secs();
    assert!((380..=460).contains(&left), "{left} s for some 42 MB at 0.1 MB/s");
}

#[test]
fn a_folder_is_measured_with_what_is_allocated_in_advance_and_its_state_apart() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("log")).unwrap();
    std::fs::create_dir_all(dir.path().join("state.other")).unwrap();
    let file = std::fs::File::create(dir.path().join("log/0000000000000001.seg")).unwrap();
    file.set_len(1 << 20).unwrap();
    std::fs::write(dir.path().join("state.redb"), vec![1; 100_000]).unwrap();
    std::fs::write(dir.path().join("state.other/blob"), vec![1; 50_000]).unwrap();
    let usage = measure(dir.path(), "state.").unwrap();
    assert!(usage.used >= (1 << 20) + 150_000 && usage.used < (1 << 20) + 250_000, "{usage:?}");
    assert!(usage.state >= 150_000 && usage.state < 200_000, "{usage:?}");
    assert_eq!(usage.segments, 1);
    assert!(usage.free > 0);
}

#[test]
fn a_folder_that_goes_while_it_is_measured_is_no_failure_but_a_missing_data_folder_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let (measured, passing) = (AtomicBool::new(false), dir.path().join("passing"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !measured.load(Ordering::Acquire) {
                std::fs::create_dir(&passing).and_then(|()| std::fs::remove_dir(&passing)).unwrap();
            }
        });
        let failed = (0..20_000).find_map(|_| measure(dir.path(), "state.").err());
        measured.store(true, Ordering::Release);
        assert!(failed.is_none(), "{failed:?}");
    });
    assert_eq!(measure(&passing, "state.").map_err(|error| error.kind()).unwrap_err(), io::ErrorKind::NotFound);
}

#[test]
fn a_bound_too_small_for_eight_segments_is_refused() {
    let config = Config { max: 100_000_000, ..Config::default() };
    assert!(config.check(12_000_000).is_ok());
    let problem = config.check(16_000_000).unwrap_err();
    assert!(problem.contains("100000000 is too small, wanted at least 128000000"), "{problem}");
}

#[test]
fn the_spare_is_part_of_what_is_set_aside_and_makes_nothing_else_tighter() {
    let with = |used: u64, spare: u64| {
        let config = Config { max: 100_000_000, reserve: 10_000_000, ..Config::default() };
        let measure = move || Ok(Usage { used, spare, state: 2_000_000, free: u64::MAX, segments: 0 });
        Budget::measured_by(&config, SEGMENT, Box::new(measure))
    };
    for used in (60_000_000..100_000_000).step_by(500_000) {
        let (without, with) = (with(used, 0), with(used, SEGMENT));
        assert_eq!(without.mark(), with.mark(), "{used}");
        assert_eq!(without.grant(Use::Segment, SEGMENT).is_ok(), with.grant(Use::Segment, SEGMENT).is_ok(), "{used}");
        if without.has_room_for_spare() {
            assert!(used + SEGMENT <= 100_000_000);
            assert_eq!(with.report().used, used + SEGMENT);
        }
    }
    assert!(with(90_000_000, 0).has_room_for_spare() && !with(99_000_000, 0).has_room_for_spare());
}

/// With 20 MB and segments of 2 MiB the state's file was 3 MB soon, wanted to double, and checkpoints waited for ever.
#[test]
fn a_bound_too_small_for_the_checkpoints_is_refused_or_told_with_what_would_do() {
    let config = |max| Config { max, ..Config::default() };
    let problem = config(20_000_000).check(2 << 20).unwrap_err();
    assert!(problem.contains("20000000 is too small") && problem.contains("21037056"), "{problem}");
    assert!(config(21_037_056).check(2 << 20).is_ok());
    assert_eq!(config(100_000_000).warning(16_000_000, 2 << 20), None);
    let warning = config(21_100_000).warning(16_000_000, 2 << 20).expect("16 MB of frames are in the checkpoints too");
    assert!(warning.contains("disk.max = 21.1 MB") && warning.contains("raise disk.max to 69.1 MB"), "{warning}");

    let state = Arc::new(AtomicU64::new(3 << 20));
    let seen = Arc::clone(&state);
    let measure = move || {
        let state = seen.load(Ordering::Relaxed);
        Ok(Usage { used: state + (4 << 20), state, free: 1 << 40, segments: 2, spare: 0 })
    };
    let budget = Budget::measured_by(&config(21_037_056), 2 << 20, Box::new(measure));
    let told = |budget: &Budget| {
        budget.refresh(GatewayTime::default(), 0, None);
        budget.ailments().into_iter().find(|it| it.contains("beside checkpoints"))
    };
    assert_eq!(told(&budget), None);
    assert_ne!(budget.report().mark, Mark::Refuse);
    state.store(6 << 20, Ordering::Relaxed);
    let words = told(&budget).expect("nothing that is deleted makes room for it");
    assert!(words.contains("disk.max (21.0 MB)") && words.contains("of 6.3 MB"), "{words}");
    assert!(words.contains("raise disk.max to 30.5 MB"), "{words}");
    assert_eq!(budget.report().mark, Mark::Refuse);
    state.store(3 << 20, Ordering::Relaxed);
    assert_eq!(told(&budget), None, "over when it is over");
}

#[test]
fn room_for_checkpoints_that_are_still_to_come_is_taken_until_they_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let budget = Budget::new(&Config::default(), 1 << 20, dir.path(), "state.");
    let write = |bytes: u64| std::fs::write(dir.path().join("state.redb"), vec![0; bytes as usize]).unwrap();
    let before = budget.report().used;
    assert!(before >= STATE_BYTES_LEAST, "{before}");
    write(STATE_BYTES_LEAST);
    assert_eq!(budget.report().used, before);
    write(2 * STATE_BYTES_LEAST);
    assert_eq!(budget.report().used, before + STATE_BYTES_LEAST);
}
