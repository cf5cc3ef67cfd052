use super::super::geojson::tests::{collection, feature, point};
use super::super::{Config, ConfigError};
use crate::record::{Destination, Geography, Goal, Traveller};

/// A configuration beside a file of zones `home` and `depot`.
fn load(file: &str, more: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let zones = folder.path().join("zones.geojson");
    std::fs::write(&zones, file).expect("written");
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, format!("[halo.zones]\nfile = {:?}\n{more}", zones.display().to_string())).expect("written");
    Config::load(Some(&path), [], &[])
}

fn two() -> String {
    collection(&[feature("home", &point(11.0, 48.0)), feature("depot", &point(11.5, 48.0))])
}

#[test]
fn zones_are_part_of_what_is_folded_whole_and_change_its_hash() {
    let fold = load(&two(), "leave_after = \"5m\"\nmargin_m = 0\n").expect("valid").fold();
    let names: Vec<&str> = fold.geography.zones.iter().map(|zone| &*zone.name).collect();
    assert_eq!(names, ["home", "depot"]);
    let Geography { enter_after_ms, leave_after_ms, margin_m, .. } = fold.geography;
    assert_eq!((enter_after_ms, leave_after_ms, margin_m), (20_000, 300_000, 0));
    let moved = two().replace("11.5", "11.6");
    assert_ne!(fold.hash, load(&moved, "leave_after = \"5m\"\nmargin_m = 0\n").expect("valid").fold().hash);
    assert_ne!(fold.hash, Config::default().fold().hash);
}

#[test]
fn without_a_map_the_hash_is_what_it_was_before_there_were_maps() {
    let of_old = postcard::to_stdvec(&(0_u32, Vec::<()>::new(), 300_000_u64, true)).expect("written");
    assert_eq!(Config::default().fold().hash, crc32c::crc32c(&of_old));
}

#[test]
fn an_error_names_the_file_the_feature_and_the_place() {
    let bad = two().replace("[11.5,48]", "[48,190]");
    let error = load(&bad, "").expect_err("refused").to_string();
    for wanted in ["halo.zones.file: ", "zones.geojson: feature 2 (\"depot\"): ", "position 1: [48.0, 190.0]"] {
        assert!(error.contains(wanted), "{wanted} is not in {error}");
    }
    let none = Config::load(None, [], &["halo.zones.file=/no/such/file".to_owned()]).expect_err("refused").to_string();
    assert!(none.contains("halo.zones.file: /no/such/file: No such file"), "{none}");
    let long = load(&" ".repeat((4 << 20) + 1), "").expect_err("refused").to_string();
    assert!(long.contains("has more than 4194304 bytes"), "{long}");
    let far = load(&two(), "margin_m = 10001\n").expect_err("refused").to_string();
    assert!(far.contains("halo.zones.margin_m: 10001 is out of range, wanted at most 10000"), "{far}");
    let slow = load(&two(), "enter_after = \"25h\"\n").expect_err("refused").to_string();
    assert!(slow.contains("halo.zones.enter_after: is out of range, wanted at most 24h"), "{slow}");
}

#[test]
fn a_map_that_does_not_fit_a_record_is_refused_by_the_size_of_segments() {
    let many: Vec<String> = (0..2000).map(|n| feature(&format!("{n:064}"), &point(11.0, 48.0))).collect();
    let small = "[broker]\npacket_bytes_max = 4096\n[store]\nsegment_bytes = \"100KiB\"\n";
    let error = load(&collection(&many), small).expect_err("refused").to_string();
    assert!(
        error.contains("halo.zones.file: zones and destinations take") && error.contains("segment_bytes"),
        "{error}"
    );
    assert!(load(&collection(&many), "").is_ok());
}

#[test]
fn a_parcel_is_bound_for_a_zone_or_a_place_and_every_other_wish_is_refused() {
    let of = |more: &str| load(&two(), &format!("[[halo.destination]]\n{more}\n"));
    let fold = of("device = \"parcel-1\"\nzone = \"depot\"").expect("valid").fold();
    let parcel = Traveller::Device("parcel-1".into());
    assert_eq!(fold.geography.destinations, [Destination { of: parcel, to: Goal::Zone("depot".into()) }]);
    let fold = of("subject = \"order-7\"\nlatitude = 48.1351\nlongitude = 11.582").expect("valid").fold();
    let order = Traveller::Subject("order-7".into());
    let to = Goal::Place([115_820_000, 481_351_000]);
    assert_eq!(fold.geography.destinations, [Destination { of: order, to }]);
    for (more, wanted) in [
        ("zone = \"depot\"", "wants either device or subject"),
        ("device = \"a\"\nsubject = \"b\"\nzone = \"depot\"", "wants either device or subject"),
        ("device = \"a b\"\nzone = \"depot\"", "device \"a b\" is not of the form"),
        ("device = \"a\"\nzone = \"nowhere\"", "zone \"nowhere\" is not among those of halo.zones.file"),
        ("device = \"a\"", "wants either zone, or latitude and longitude"),
        ("device = \"a\"\nlatitude = 1.0", "wants either zone, or latitude and longitude"),
        ("device = \"a\"\nzone = \"depot\"\nlatitude = 1.0\nlongitude = 1.0", "wants either zone, or"),
        ("device = \"a\"\nlatitude = 91.0\nlongitude = 1.0", "latitude 91, longitude 1 is not on earth"),
        ("device = \"a\"\nlatitude = nan\nlongitude = 1.0", "is not on earth"),
        (
            "device = \"a\"\nzone = \"home\"\n[[halo.destination]]\ndevice = \"a\"\nzone = \"depot\"",
            "halo.destination[1]: device \"a\" is bound for halo.destination[0] already",
        ),
    ] {
        let error = of(more).expect_err(more).to_string();
        assert!(error.contains(wanted) && error.contains("halo.destination["), "{error}\n  wanted {wanted}");
    }
}
