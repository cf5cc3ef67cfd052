use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

pub(in crate::config) fn feature(name: &str, geometry: &str) -> String {
    format!(r#"{{"type":"Feature","properties":{{"name":"{name}","radius_m":100}},"geometry":{geometry}}}"#)
}

pub(in crate::config) fn collection(features: &[String]) -> String {
    format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","))
}

fn polygon(coordinates: &str) -> String {
    format!(r#"{{"type":"Polygon","coordinates":{coordinates}}}"#)
}

pub(in crate::config) fn point(longitude: f64, latitude: f64) -> String {
    format!(r#"{{"type":"Point","coordinates":[{longitude},{latitude}]}}"#)
}

#[test]
fn polygons_multi_polygons_and_circles_are_read_to_the_centimetre() {
    let ring = "[[11,48],[11.1,48],[11.1,48.1],[11,48]]";
    let hole = "[[11.01,48.01,520.5],[11.02,48.01,520],[11.02,48.02,0],[11.01,48.01,520.5]]";
    let more = r#"{"type":"Feature","id":7,"properties":{"name":"kiosk","kind":"shop","radius_m":12.5,"readers":[201,202]},
                   "geometry":{"type":"Point","coordinates":[-9.12345674,0]}}"#;
    let multi = format!(r#"{{"type":"MultiPolygon","coordinates":[[{ring}],[{ring},{hole}]]}}"#);
    let text = collection(&[feature("a", &polygon(&format!("[{ring}]"))), feature("b", &multi), more.to_owned()]);
    let zones = read(&format!("\u{feff}{text}")).expect("they are sound");
    let corner = |east, north| [east, north];
    let outline = vec![
        corner(110_000_000, 480_000_000),
        corner(111_000_000, 480_000_000),
        corner(111_000_000, 481_000_000),
        corner(110_000_000, 480_000_000),
    ];
    assert_eq!(zones[0].area, Area::Polygons(vec![vec![outline.clone()]]));
    let Area::Polygons(parts) = &zones[1].area else { panic!("{:?}", zones[1]) };
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(zones[2].area, Area::Circle { centre: [-91_234_567, 0], radius_m: 12.5 });
    assert_eq!((zones[2].kind.as_deref(), zones[2].readers.as_slice()), (Some("shop"), [201, 202].as_slice()));
}

#[test]
fn every_mistake_is_told_with_its_feature_its_place_and_what_is_wrong() {
    let good = feature("good", &point(11.0, 48.0)).replace(":100", ":100,\"readers\":[7]");
    let cases = [
        (feature("", &point(1.0, 2.0)), "(\"\"): properties.name is to be a text of 1 to 64 bytes"),
        (feature(&"x".repeat(65), &point(1.0, 2.0)), "properties.name is to be a text of 1 to 64 bytes"),
        (feature("a\\u0007b", &point(1.0, 2.0)), "without control characters"),
        (feature("a", &point(1.0, 2.0)).replace(":100", ":1,\"kind\":5"), "properties.kind is to be a text"),
        (feature("good", &point(1.0, 2.0)), " (\"good\"): feature 1 has that name too"),
        (r#"{"type":"Point","coordinates":[1,2]}"#.to_owned(), ": type is not \"Feature\""),
        (
            feature("a", r#"{"type":"LineString","coordinates":[[1,2],[3,4]]}"#),
            "geometry is \"LineString\", a zone is a Polygon, a MultiPolygon, or a Point with properties.radius_m",
        ),
        (feature("a", "null"), "geometry is null, a zone is a Polygon"),
        (
            feature("a", &polygon("[[[1,2],[3,2],[3,4],[1,4]]]")),
            " (\"a\"): polygon 1, ring 1 is not closed: it begins at [1.0, 2.0] and ends at [1.0, 4.0]",
        ),
        (feature("a", &polygon("[[[1,2],[3,2],[1,2]]]")), "ring 1 has 3 positions, a closed ring has at least 4"),
        (feature("a", &polygon("[[[1,2],[3,2],[3,4],[1,2]],[]]")), "polygon 1, ring 2 has 0 positions"),
        (feature("a", &polygon("[]")), "geometry has no ring"),
        (feature("a", r#"{"type":"MultiPolygon","coordinates":[]}"#), "geometry has no ring"),
        (feature("a", &polygon("[[[1,2],[2,2],[3,2],[1,2]]]")), "ring 1 encloses nothing"),
        (feature("a", &polygon("[[[1,1],[2,2],[3,3],[1,1]]]")), "ring 1 encloses nothing"),
        (
            feature("a", &polygon("[[[35.6,139.7],[35.7,139.7],[35.7,139.8],[35.6,139.7]]]")),
            "polygon 1, ring 1, position 1: [35.6, 139.7] has a latitude beyond 90; longitude comes first, are they swapped?",
        ),
        (
            feature("a", &polygon("[[[1,2],[3,2],[1901,2],[1,2]]]")),
            "polygon 1, ring 1, position 3: [1901.0, 2.0] is not on earth",
        ),
        (feature("a", &point(181.0, 2.0)), "position 1: [181.0, 2.0] is not on earth"),
        (
            feature("a", &polygon("[[[179,1],[-179,1],[-179,2],[179,2],[179,1]]]")),
            "ring 1, position 1: the edge from [179.0, 1.0] to [-179.0, 1.0] goes more than half around the earth",
        ),
        (feature("a", &polygon("[[[1,2],[3]]]")), "coordinates do not fit a Polygon: a position has 2 or 3 numbers"),
        (feature("a", &polygon("[[[1,2],[\"x\",2]]]")), "coordinates do not fit a Polygon: invalid type"),
        (feature("a", &point(1.0, 2.0)).replace(":100", ":-5"), "a Point needs properties.radius_m above 0"),
        (feature("a", &point(1.0, 2.0)).replace(":100", ":\"5\""), "got \"5\""),
        (feature("a", &point(1.0, 2.0)).replace(":100", ":1,\"readers\":[70000]"), "properties.readers is to be"),
        (feature("a", &point(1.0, 2.0)).replace(":100", ":1,\"readers\":[7]"), "reader 7 stands in \"good\" too"),
        (
            feature("a", &polygon("[[[1,2],[3,2],[3,4],[1,2]]]")).replace(":100", ":1,\"readers\":[8]"),
            "properties.readers is to be a list of at most 64 numbers from 0 to 65535, on a Point",
        ),
    ];
    for (bad, wanted) in cases {
        let error = read(&collection(&[good.clone(), bad])).expect_err(wanted).to_string();
        assert!(error.starts_with("feature 2") && error.contains(wanted), "{error}\n  wanted {wanted}");
    }
    for text in ["", "[]", r#"{"type":"Feature","features":[]}"#, r#"{"type":"FeatureCollection"}"#, "{\n  x"] {
        let error = read(text).expect_err(text).to_string();
        assert!(error.starts_with("not a GeoJSON feature collection: "), "{error}");
    }
    assert!(read("{\n  x").expect_err("no JSON").to_string().contains("line 2 column 3"));
}

#[test]
fn too_many_zones_and_too_many_positions_are_refused() {
    let circles =
        |n: usize| (0..n).map(|n| feature(&format!("z{n}"), &point(n as f64 * 1e-3, 1.0))).collect::<Vec<_>>();
    assert_eq!(read(&collection(&circles(ZONES_MAX))).map(|zones| zones.len()), Ok(ZONES_MAX));
    let refused = read(&collection(&circles(ZONES_MAX + 1))).expect_err("too many");
    assert_eq!(refused.to_string(), "2001 features, at most 2000 are taken");
    let ring = |n: usize| {
        let mut text = String::from("[[");
        for k in (0..n).chain([0]) {
            let (x, y) = (k as f64 / n as f64 * std::f64::consts::TAU).sin_cos();
            write!(text, "[{x},{y}],").expect("to memory");
        }
        polygon(&format!("{}]]", text.trim_end_matches(',')))
    };
    let round = feature("round", &ring(POSITIONS_MAX - 1));
    assert_eq!(read(&collection(std::slice::from_ref(&round))).map(|zones| zones.len()), Ok(1));
    let refused = read(&collection(&[feature("a", &point(1.0, 1.0)), round])).expect_err("one too many");
    assert_eq!(refused.to_string(), "feature 2: more than 10000 positions in all features up to here");
}

proptest! {
    #[test]
    fn any_text_is_refused_or_read(text in ".{0,200}") {
        drop(read(&text));
        drop(read(&collection(std::slice::from_ref(&text))));
        drop(read(&collection(&[feature("a", &polygon(&text))])));
    }
}
