use super::*;

/// The real recordings, from `HALO_DATA` or beside the repository; `None`, loudly, where they are absent.
fn data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("HALO_DATA").map_or_else(beside, PathBuf::from);
    if folder.join("wire/series").is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "no real data in {}", folder.display());
    eprintln!("SKIP: no real data in {}: set HALO_DATA", folder.display());
    None
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Test_X.txt");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

/// `"12.30"` × 100 by moving the point in the text, without the code under test.
fn shifted(text: &str, den: u32) -> String {
    let places = den.ilog10() as usize;
    assert_eq!(10_u32.pow(places as u32), den, "C-MAPSS scales are powers of ten");
    let (negative, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = format!("{fraction:0<places$}");
    assert!(fraction[places..].bytes().all(|byte| byte == b'0'), "{text} has more than {places} places");
    let joined = format!("{whole}{}", &fraction[..places]);
    match joined.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => format!("{negative}{digits}"),
    }
}

#[test]
fn every_decimal_of_fd001_is_its_integer_exactly() {
    let Some(data) = data() else { return };
    for (name, rows) in [("test_FD001.txt", 13_096), ("train_FD001.txt", 20_631)] {
        let path = data.join("turbofan").join(name);
        let units = read_cmapss(&path, None, Duration::from_secs(1)).unwrap();
        assert_eq!(units.len(), 100);
        assert_eq!((units[0].device(), units[99].device()), ("fd001-001", "fd001-100"));
        assert_eq!(units.iter().map(Series::rows).sum::<usize>(), rows);
        let dens: Vec<u32> = units[0].schema.groups[0].columns.iter().map(|column| column.den).collect();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut read = units.iter().flat_map(|unit| unit.rows.iter().map(move |row| (unit.device(), row)));
        for line in text.lines() {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let (device, row) = read.next().unwrap();
            assert_eq!(device, format!("fd001-{:0>3}", fields[0]));
            assert_eq!(row.at_ms, fields[1].parse::<u64>().unwrap() * 1_000);
            for ((text, den), value) in fields[2..].iter().zip(&dens).zip(&row.values) {
                assert_eq!(value.unwrap().to_string(), shifted(text, *den), "{line}");
            }
        }
        assert!(read.next().is_none());
    }
}

#[test]
fn every_sample_series_reads_into_its_schema_integer_by_integer() {
    let Some(data) = data() else { return };
    let folder = data.join("wire/series");
    let sets: [(&str, &[&str]); 7] = [
        ("wristband", &["wrist_hr", "wrist_rr", "wrist_slow10", "wrist_slow60"]),
        ("wristband-acc", &["wrist_hr", "wrist_rr", "wrist_slow10", "wrist_slow60", "wrist_acc"]),
        ("rr-strap", &["heartpy_rr_real"]),
        ("car-dongle", &["car_main"]),
        ("obd-21", &["carobd_real"]),
        ("turbofan", &["cmapss_fd001_real_1000rows"]),
        ("turbofan-flight", &["engine_main"]),
    ];
    for (schema, names) in sets {
        let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(format!("{name}.csv"))).collect();
        let series = read_csv("device", &paths).unwrap();
        assert_eq!(series.schema.name, schema);
        let mut read: Vec<String> = series.rows.iter().map(as_csv).collect();
        let mut expected: Vec<String> = paths
            .iter()
            .flat_map(|path| {
                std::fs::read_to_string(path).unwrap().lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        read.sort_unstable();
        expected.sort_unstable();
        assert!(read == expected, "{schema}");
    }
}

fn as_csv(row: &Row) -> String {
    let values = row.values.iter().map(|value| value.map_or_else(String::new, |value| value.to_string()));
    std::iter::once(row.at_ms.to_string()).chain(values).collect::<Vec<_>>().join(",")
}

#[test]
fn decimals_are_scaled_exactly_or_refused() {
    assert_eq!(exact("518.67", 1, 100), Ok(51_867));
    assert_eq!(exact("-0.0007", 1, 10_000), Ok(-7));
    assert_eq!(exact("100.0", 1, 1), Ok(100));
    assert_eq!(exact("1.30", 1, 10), Ok(13));
    assert_eq!(exact("50", 100, 128), Ok(64));
    assert_eq!(exact("9223372036854775807", 1, 1), Ok(i64::MAX));
    for (text, num, den) in [("1.301", 1, 10), ("0.5", 1, 1), ("1", 100, 128)] {
        assert!(exact(text, num, den).unwrap_err().contains("no whole multiple"), "{text}");
    }
    assert!(exact("9223372036854775808", 1, 1).unwrap_err().contains("too large"));
    for text in ["", "-", ".", ".5", "1.2.3", "1e3", "NaN", "--1", "+1", "1,5", "0.0000000000000001"] {
        assert!(exact(text, 1, 100).unwrap_err().contains("wanted a decimal"), "{text}");
    }
}

#[test]
fn a_bad_row_is_named_with_file_and_line() {
    let row = |unit: u32, cycle: u32, last: &str| format!("{unit} {cycle} {}{last}  \n", "1.00 ".repeat(23));
    let cases = [
        (row(1, 1, "1.0") + &row(1, 1, "1.0"), "Test_X.txt:2: cycle 1 of unit 1 comes after cycle 1"),
        (row(1, 1, "1.0") + &row(2, 1, "1.0") + &row(1, 2, "1.0"), "Test_X.txt:3: unit 1 comes back"),
        (row(1, 1, "1.00001"), "Test_X.txt:1: value 1.00001 is no whole multiple of 1/10000"),
        (row(1, 1, "x"), "Test_X.txt:1: value is \"x\""),
        ("1 1 2.0\n".to_owned(), "Test_X.txt:1: row has 3 columns, wanted 26"),
        (row(1, 1, "1.0") + "\n", "Test_X.txt:2: row has 0 columns, wanted 26"),
    ];
    for (text, wanted) in cases {
        let (_folder, path) = file(&text);
        let error = read_cmapss(&path, None, Duration::from_secs(1)).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn a_bad_csv_is_named_with_file_and_line() {
    let cases = [
        ("", "Test_X.txt:1: file is empty"),
        ("time,hr_bpm\n", "Test_X.txt:1: header starts with \"time\", wanted t_ms"),
        ("t_ms,pulse\n", "Test_X.txt:1: column \"pulse\" is no known signal"),
        ("t_ms,hr_bpm\n0,70\n1000\n", "Test_X.txt:3: row has 1 columns, the header has 2"),
        ("t_ms,hr_bpm\n0,70.5\n", "Test_X.txt:2: value is \"70.5\", wanted a whole number"),
        ("t_ms,hr_bpm\n-1,70\n", "Test_X.txt:2: time is \"-1\""),
        ("t_ms,hr_bpm\n1000,70\n0,71\n", "Test_X.txt:3: time 0 ms comes after 1000 ms"),
        ("t_ms,hr_bpm,steps\n", "no schema has a group for each of"),
    ];
    for (text, wanted) in cases {
        let (_folder, path) = file(text);
        let error = read_csv("x", &[path]).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let missing = read_csv("x", &[PathBuf::from("/nowhere/at/all.csv")]).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/at/all.csv"), "{missing}");
}

#[test]
fn an_empty_field_is_a_reading_that_is_absent() {
    let (_folder, path) = file("t_ms,steps,skin_temperature\n0,5,\n10000,,3310\n");
    let series = read_csv("x", &[path]).unwrap();
    assert_eq!((series.schema.name, series.rows(), series.readings()), ("wristband", 2, 2));
    assert_eq!(series.rows[0].values, [Some(5), None]);
}
