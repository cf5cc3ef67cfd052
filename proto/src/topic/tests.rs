use std::format;
use std::string::ToString;
use std::vec::Vec;

use super::*;

const ALL: [(Topic<'_>, &str, bool); 13] = [
    (Topic::Telemetry { device: "w-1" }, "d/w-1/t", false),
    (Topic::Birth { device: "w-1" }, "d/w-1/birth", false),
    (Topic::State { device: "w-1" }, "d/w-1/state", false),
    (Topic::Cmd { device: "w-1" }, "d/w-1/cmd", true),
    (Topic::Offers { subject: "pharmacy", table: "ready" }, "offers/pharmacy/ready", false),
    (Topic::Halo { subject: "anna" }, "halos/anna", true),
    (Topic::Spark { subject: "anna", rule: "rest" }, "sparks/anna/rest", true),
    (Topic::Readings { subject: "anna", device: "w-1" }, "readings/anna/w-1", true),
    (Topic::Cohort { cohort: "runners" }, "cohorts/runners", true),
    (Topic::PartnerHalo { partner: "ins", pseudonym: "p9" }, "partners/ins/halos/p9", true),
    (Topic::PartnerSpark { partner: "ins", pseudonym: "p9", rule: "r" }, "partners/ins/sparks/p9/r", true),
    (Topic::Health { gateway: "gw" }, "gateway/gw/health", true),
    (Topic::Losses { gateway: "gw" }, "gateway/gw/losses", true),
];

#[test]
fn every_topic_is_parsed_from_what_is_displayed() {
    for root in ["halo/v1", "h", "a.b/c_d/e-f"] {
        let grammar = Grammar::new(root).unwrap();
        for (topic, below, owned) in ALL {
            let text = format!("{root}/{below}");
            assert_eq!(grammar.display(topic).to_string(), text);
            assert_eq!(grammar.parse(&text), topic);
            assert_eq!(topic.is_gateway_owned(), owned, "{text}");
        }
    }
}

#[test]
fn topics_outside_the_root_are_foreign_and_strange_ones_inside_invalid() {
    let grammar = Grammar::default();
    for foreign in ["", "halo", "halo/", "halo/v2/d/x/t", "halo/v1x/d/x/t", "/halo/v1/d/x/t", "$SYS/x", "HALO/v1"] {
        assert_eq!(grammar.parse(foreign), Topic::Foreign, "{foreign}");
    }
    let shape = Topic::Invalid { why: Invalid::Shape };
    for invalid in
        ["", "/", "/d", "/d/x", "/d/x/t/", "/d/x/T", "/halos", "/halos/a/b", "/gateway/g/up", "//d/x/t", "/offers/a"]
    {
        assert_eq!(grammar.parse(&format!("halo/v1{invalid}")), shape, "{invalid}");
    }
    let long = "x".repeat(65);
    for id in ["", " ", "a b", "é", "a+b", "#", long.as_str()] {
        assert_eq!(grammar.parse(&format!("halo/v1/d/{id}/t")), Topic::Invalid { why: Invalid::Id }, "{id}");
    }
    assert_eq!(grammar.display(shape).to_string(), "");
}

#[test]
fn a_topic_of_thirty_thousand_levels_is_just_invalid() {
    let deep = format!("halo/v1{}", "/d".repeat(30_000));
    assert_eq!(Grammar::default().parse(&deep), Topic::Invalid { why: Invalid::Shape });
}

#[test]
fn roots_are_ids_joined_by_slashes() {
    for bad in ["", "/", "a/", "/a", "a//b", "a/+/b", "a/#", "ä", &"a".repeat(65), &"a/".repeat(32)] {
        assert_eq!(Grammar::new(bad), Err(RootError), "{bad}");
    }
    assert_eq!(Grammar::default(), Grammar::new("halo/v1").unwrap());
    assert_eq!(Grammar::new(&"a".repeat(64)).unwrap().root().len(), 64);
}

#[test]
fn filters_cover_their_topics() {
    let grammar = Grammar::default();
    let text: Vec<_> =
        [Filter::All, Filter::Halos, Filter::ReadingsOf { subject: "anna" }, Filter::Partner { partner: "ins" }]
            .map(|filter| grammar.filter(filter).to_string())
            .into();
    assert_eq!(text, ["halo/v1/#", "halo/v1/halos/+", "halo/v1/readings/anna/+", "halo/v1/partners/ins/#"]);
}
