use std::sync::Arc;

use halo_proto::registry::Nature;
use proptest::prelude::*;

use super::*;

/// When frames arrive: between 2023 and 2106, for clocks that stand in neither.
const ARRIVAL_MS: i64 = 1_700_000_000_000;

fn signal(step_max: Option<i64>) -> SignalRef {
    let (name, unit) = ("temperature".into(), "Cel".into());
    let (min, max) = (Some(-50), Some(400));
    SignalRef { name, unit, num: 1, den: 10, min, max, step_max, metric: None, nature: Nature::Level }
}

/// Frames of one device whose points mostly follow one another, and sometimes are out of order, out of range, far apart,
/// of a clock that was never set or of the future.
fn frames() -> impl Strategy<Value = Vec<Vec<(i64, i64)>>> {
    let step = prop_oneof![
        20 => 0i64..4_000,
        // Panes end with each tenth second.
        180 => (0i64..5).prop_map(|seconds| seconds * 1_000),
        5 => Just(1),
        1 => -5_000i64..0,
        1 => 50_000i64..70_000,
        1 => -2_000_000i64..-800_000,
        1 => Just(-ARRIVAL_MS),
        1 => Just(30_000_000i64),
    ];
    let raw = prop_oneof![200 => 100i64..130, 1 => 300i64..310, 1 => -60i64..-45, 1 => 395i64..410];
    prop::collection::vec(prop::collection::vec((step, raw), 1..40), 1..12)
}

/// Times from steps; after a leap out of the present they go on where they were.
fn points(frame: &[(i64, i64)], at_ms: &mut i64) -> Vec<Point> {
    let point = |&(step, raw): &(i64, i64)| {
        let event_ms = *at_ms + step;
        if (-3_000_000..100_000).contains(&step) {
            *at_ms = event_ms;
        }
        Point { device_ms: event_ms, event_ms, raw }
    };
    frame.iter().map(point).collect()
}

proptest! {
    #[test]
    fn the_usual_way_ends_where_judging_each_point_does(
        frames in frames(),
        step_max in prop_oneof![Just(None), Just(Some(40))],
    ) {
        let (signal, device) = (Arc::new(signal(step_max)), Name::from("one"));
        let new = || Signal::new(signal.name.clone(), signal.unit.clone());
        let (mut short, mut long, mut at_ms) = (new(), new(), ARRIVAL_MS - 10_000_000);
        for (number, frame) in (1..).zip(&frames) {
            let series = Series { signal: Arc::clone(&signal), points: points(frame, &mut at_ms) };
            let teller = Teller { device: &device, kind: None, offset: Offset(number) };
            let rules = long.latest.is_some();
            let expected = long.fold_each(&series, ARRIVAL_MS, teller, true, rules);
            let found = short.fold(&series, ARRIVAL_MS, teller, true);
            let is_good = |point| Quality::of(&signal, point, ARRIVAL_MS) == Quality::Good;
            prop_assert!(!found.all_good || series.points.iter().all(is_good), "{:?}", series);
            prop_assert_eq!(KeptOut { all_good: false, ..found }, expected);
            prop_assert_eq!(&short, &long);
        }
    }
}

#[test]
fn all_points_are_good_where_each_of_them_is() {
    let signal = signal(None);
    let point = |event_ms, raw| Point { device_ms: 0, event_ms, raw };
    let edges = [-51, -50, 400, 401].map(|raw| point(ARRIVAL_MS, raw));
    let times = [PAST_MS_MAX - 1, PAST_MS_MAX, ARRIVAL_MS + FUTURE_MS_MAX, ARRIVAL_MS + FUTURE_MS_MAX + 1];
    for odd in edges.into_iter().chain(times.map(|at_ms| point(at_ms, 0))) {
        for arrival_ms in [ARRIVAL_MS, PAST_MS_MAX - 1] {
            let points = [point(arrival_ms, 7), odd, point(arrival_ms, 7)];
            let each = points.iter().all(|point| Quality::of(&signal, point, arrival_ms) == Quality::Good);
            assert_eq!(Quality::all_good(&signal, &points, arrival_ms), each, "{odd:?} at {arrival_ms}");
        }
    }
}
