//! A park listens at scale: figures of those who agreed, a question to the most central of them, and what they say.

use std::time::Duration;

use halo_tests::Failure;
use halo_tests::clock::zone_where_it_is;
use halo_tests::stage::{Heard, Stage};
use serde_json::json;

const HOUR: Duration = Duration::from_secs(3_600);
const COHORT: &str = "halo/v1/cohorts/guests";
/// Bands 7, 14, 21 and 28 are those of hosts, who ride with one family after the other; the last has not agreed.
const ASKED: [&str; 3] = ["band-07", "band-14", "band-21"];
const NOT_AGREED: [&str; 3] = ["band-03", "band-11", "band-28"];

#[test]
fn those_who_ride_with_the_most_people_are_asked_if_they_agreed_and_the_park_hears_what_they_say() -> Result<(), Failure>
{
    let mut stage = Stage::set("listening", &[])?;
    stage.listen(COHORT)?;
    // Rides are counted by the guest's own day, and none of the ten hours that end now may lie before its midnight.
    let zone = zone_where_it_is(15);
    for band in 1..=28 {
        stage.run(&format!("subject set band-{band:02} time_zone={zone}"))?;
    }
    let mut day = stage.script("hosts", 28, 10 * HOUR, 42)?;
    let hosts: Vec<String> = day
        .truths("role")
        .filter(|truth| truth["what"] == "host")
        .filter_map(|truth| truth["device"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(hosts, ["band-07", "band-14", "band-21", "band-28"]);
    stage.play(&mut day, |_, _| false)?;
    let mut asked = Vec::new();
    for band in ASKED {
        let spark = stage.spark("raised", "tell-us", band)?;
        assert_eq!(spark.owner.as_deref(), Some("park"));
        assert!(spark.facts["a.central.rank"].value.as_f64() <= Some(3.0), "{spark:?}");
        stage.cmd(band, "offered", "tell-us")?;
        asked.push(spark);
    }
    // Nor does it when ranks are computed anew: of all that was said nothing went to anybody else.
    stage.settled_for_long()?;
    let others = |heard: &Heard| matches!(heard, Heard::Document(topic, counted) if topic == COHORT && counted["n"].as_u64() >= Some(10));
    let Heard::Document(_, counted) = stage.hear("the cohort of guests", others)? else { unreachable!("a document") };
    assert_eq!((&counted["schema"], &counted["cohort"]), (&json!("cohort/1"), &json!("guests")));
    assert!(counted["n"].as_u64() <= Some(25), "25 have agreed: {counted}");
    assert!(!counted.to_string().contains("band-"), "nobody is named: {counted}");
    let invited = |subject: &str| ASKED.contains(&subject);
    assert!(stage.left("tell-us").iter().all(|spark| invited(&spark.subject)), "{:?}", stage.left("tell-us"));
    for band in NOT_AGREED {
        assert!(stage.halo(band)?["sparks"].as_array().is_none_or(Vec::is_empty), "{band}");
    }

    let (band, spark) = (ASKED[0], &asked[0]);
    let said = json!({"spark": spark.id, "answer": "accepted", "rating": 2, "text": "shade for those who queue"});
    stage.publish(&format!("halo/v1/d/{band}/answer"), false, said.to_string().as_bytes())?;
    let to_park = |heard: &Heard| matches!(heard, Heard::Spark(topic, spark) if topic == "halo/v1/sparks/park/tell-us" && spark.state == "answered");
    let Heard::Spark(_, heard) = stage.hear("what a guest says, to the park,", to_park)? else {
        unreachable!("a spark")
    };
    assert_eq!(heard.id, spark.id);
    assert_eq!(heard.answer, Some(json!({"answer": "accepted", "rating": 2, "text": "shade for those who queue"})));

    // Who takes the consent back is not asked any more.
    stage.run(&format!("subject set {} cohorts=no", ASKED[1]))?;
    assert_eq!(stage.spark("cleared", "tell-us", ASKED[1])?.id, asked[1].id);
    stage.settled_for_long()?;
    assert!(stage.raised("tell-us").is_empty(), "{:?}", stage.raised("tell-us"));
    Ok(())
}
