use super::*;

/// A file of the shared data; `None`, loudly, when this machine does not have it.
pub(crate) fn data(folder: &str, file: &str) -> Option<String> {
    let root = std::env::var_os("HALO_DATA").map_or_else(
        || std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
        std::path::PathBuf::from,
    );
    let path = root.join(folder).join(file);
    if let Ok(text) = std::fs::read_to_string(&path) {
        return Some(text);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{} is missing", path.display());
    eprintln!("SKIP: {} is not there; set HALO_DATA", path.display());
    None
}

/// What pandas says of one sensor in one row.
struct Expected<'a> {
    names: &'a [&'a str],
    fields: Vec<&'a str>,
}

impl Expected<'_> {
    fn value(&self, column: &str) -> Option<f64> {
        let at = self.names.iter().position(|name| *name == column).unwrap_or_else(|| panic!("no column {column}"));
        self.fields[at].parse().ok()
    }
}

#[test]
fn statistics_of_a_real_engine_are_those_of_pandas() {
    let Some(csv) = data("turbofan/expected", "fd001_unit1_rolling.csv") else { return };
    let mut lines = csv.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let (mut compared, mut worst) = (0, 0.0_f64);
    for sensor in ["s2", "s4", "s11", "s12"] {
        let (mut five, mut thirty) = (Rolling::new(5), Rolling::new(30));
        let (mut recursive, mut weighted, mut running) = (Ewma::EMPTY, Ewma::EMPTY, Running::default());
        for line in lines.clone() {
            let expected = Expected { names: &names, fields: line.split(',').collect() };
            let value = expected.value(sensor).unwrap();
            (five.add(value), thirty.add(value), running.add(value));
            recursive.add(0.1, Start::Recursive, value);
            weighted.add(0.1, Start::Weighted, value);
            let full = |rolling: &Rolling, value: Option<f64>| value.filter(|_| rolling.is_full());
            let got = [
                ("mean5", full(&five, five.mean())),
                ("std5_ddof1", full(&five, five.sd())),
                ("min5", full(&five, five.min())),
                ("max5", full(&five, five.max())),
                ("mean30", full(&thirty, thirty.mean())),
                ("std30_ddof1", full(&thirty, thirty.sd())),
                ("min30", full(&thirty, thirty.min())),
                ("max30", full(&thirty, thirty.max())),
                ("ewma_a0.1_adjF", recursive.value()),
                ("ewma_a0.1_adjT", weighted.value()),
                ("cummean", running.mean()),
                ("cumstd_ddof1", running.sd()),
            ];
            for (column, got) in got {
                let wanted = expected.value(&format!("{sensor}_{column}"));
                assert_eq!(got.is_some(), wanted.is_some(), "{sensor}_{column}: {got:?} {wanted:?}");
                if let (Some(got), Some(wanted)) = (got, wanted) {
                    worst = worst.max((got - wanted).abs() / wanted.abs().max(1.0));
                    compared += 1;
                }
            }
        }
    }
    println!("rolling statistics: {compared} compared with pandas, worst relative error {worst:.1e}");
    assert!(compared > 8_000 && worst <= 1e-6);
}

#[test]
fn a_window_agrees_with_its_definition_and_survives_being_written_at_any_point() {
    let series: Vec<f64> = (0..3_000_u32).map(|at| 1e6 + f64::from(at.wrapping_mul(2_654_435_761) >> 20)).collect();
    for length in [1_u16, 2, 7, 64] {
        let mut rolling = Rolling::new(length);
        for (at, value) in series.iter().enumerate() {
            rolling.add(*value);
            if at % 97 == 0 {
                let bytes = postcard::to_stdvec(&rolling).unwrap();
                let read: Rolling = postcard::from_bytes(&bytes).unwrap();
                assert_eq!(read, rolling);
                rolling = read;
            }
            let window = &series[(at + 1).saturating_sub(usize::from(length))..=at];
            let mean = window.iter().sum::<f64>() / window.len() as f64;
            assert!((rolling.mean().unwrap() - mean).abs() < 1e-6);
            assert_eq!(rolling.min(), window.iter().copied().reduce(f64::min));
            assert_eq!(rolling.max(), window.iter().copied().reduce(f64::max));
            let squares: f64 = window.iter().map(|value| (value - mean).powi(2)).sum();
            match rolling.sd() {
                Some(sd) => assert!((sd - (squares / (window.len() - 1) as f64).sqrt()).abs() < 1e-5),
                None => assert_eq!(window.len(), 1),
            }
        }
    }
}

#[test]
fn an_outlier_that_left_the_window_leaves_nothing_behind() {
    let mut rolling = Rolling::new(3);
    [1e140, 1.0, 2.0, 3.0].into_iter().for_each(|value| rolling.add(value));
    assert_eq!((rolling.min(), rolling.max()), (Some(1.0), Some(3.0)));
    assert_eq!((rolling.mean(), rolling.sd()), (Some(2.0), Some(1.0)));
}

#[test]
fn what_is_no_number_is_let_pass() {
    let (mut rolling, mut running) = (Rolling::new(3), Running::default());
    let (mut recursive, mut weighted) = (Ewma::EMPTY, Ewma::EMPTY);
    assert_eq!((rolling.mean(), rolling.min(), running.sd(), weighted.value()), (None, None, None, None));
    for value in [f64::NAN, 1.0, f64::INFINITY, 2.0, f64::NEG_INFINITY, f64::NAN] {
        (rolling.add(value), running.add(value));
        recursive.add(0.5, Start::Recursive, value);
        weighted.add(0.5, Start::Weighted, value);
    }
    assert_eq!((rolling.count(), rolling.mean(), running.count()), (2, Some(1.5), 2));
    assert_eq!(recursive.value(), Some(1.5));
    assert!((weighted.value().unwrap() - 2.5 / 1.5).abs() < 1e-15);
}

#[test]
fn the_largest_numbers_poison_nothing() {
    let (mut rolling, mut ewma, mut running) = (Rolling::new(2), Ewma::EMPTY, Running::default());
    for value in [f64::MAX, -f64::MAX, 1e150, -1e150, 3.0, 4.0] {
        rolling.add(value);
        ewma.add(0.5, Start::Recursive, value);
        running.add(value);
    }
    assert_eq!((rolling.min(), rolling.max(), rolling.mean()), (Some(3.0), Some(4.0), Some(3.5)));
    assert!(ewma.value().unwrap().is_finite() && running.sd().unwrap().is_finite());
}
