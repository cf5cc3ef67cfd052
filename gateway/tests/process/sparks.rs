//! Rules, sparks and answers as an operator, an integrator and a device meet them.

use std::path::Path;

use serde_json::Value;

use crate::admin::{refused, rows};
use crate::harness::{Client, Gateway, complaint, run, runtime};

const RULES: &str = r#"
[[assignment]]
device = "band"
subject = "anna"
kind = "person"
[[assignment]]
device = "phone"
subject = "anna"
kind = "person"
[[rule]]
name = "high-pulse"
when = "a.signals.heart_rate.value > 120"
clear = "a.signals.heart_rate.value < 100"
severity = "warning"
message = "{a.subject}: {a.signals.heart_rate.value}/min"
cmd = true
answer_within = "1h"
[[rule]]
name = "gone-by"
when = "a.signals.heart_rate.value > 120"
cmd = true
expires = "1ms"
[[rule]]
name = "prescription"
owner = "pharmacy"
offer = { table = "pharmacy/ready", is = "a.subject" }
when = "offer.ready"
message = "{offer.drug} is ready"
"#;

fn ask(data: &Path, line: &str) -> Vec<Value> {
    rows(data, &line.split(' ').collect::<Vec<_>>())
}

async fn next(client: &mut Client, topic: &str) -> Value {
    loop {
        let (at, payload) = client.message().await;
        if at == topic {
            return serde_json::from_slice(&payload).expect("JSON");
        }
    }
}

#[test]
fn a_spark_reaches_integrators_and_devices_is_answered_and_outlives_a_crash() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (config, data) = (folder.path().join("gateway.toml"), folder.path().join("data"));
    std::fs::write(&config, RULES).expect("written");
    let gateway = Gateway::start_with(&config, &data);
    let id = runtime().block_on(async {
        let mut integrator = Client::connect(gateway.address, "integrator").await;
        integrator.subscribe("halo/v1/sparks/#").await;
        let mut phone = Client::connect(gateway.address, "phone").await;
        phone.subscribe("halo/v1/d/phone/cmd").await;
        phone.publish("halo/v1/d/phone/t", false, r#"{"steps":3}"#).await;
        let mut band = Client::connect(gateway.address, "band").await;
        band.publish("halo/v1/d/band/t", false, r#"{"heart_rate":130}"#).await;
        let raised = next(&mut integrator, "halo/v1/sparks/anna/high-pulse").await;
        assert_eq!((&raised["state"], &raised["message"]), (&"raised".into(), &"anna: 130/min".into()));
        assert_eq!(raised["facts"]["a.signals.heart_rate.value"]["device"], "band");
        assert_eq!(raised["cause"], raised["facts"]["a.signals.heart_rate.value"]["offset"]);
        loop {
            let told = next(&mut phone, "halo/v1/d/phone/cmd").await;
            if told["rule"] == "high-pulse" {
                assert_eq!((&told["state"], &told["spark"]), (&"offered".into(), &raised["id"]));
                break;
            }
        }
        raised["id"].as_str().expect("an id").to_owned()
    });
    gateway.kill();

    let gateway = Gateway::start_with(&config, &data);
    runtime().block_on(async {
        let mut integrator = Client::connect(gateway.address, "integrator").await;
        integrator.subscribe("halo/v1/sparks/#").await;
        // Away when it was raised: told when it comes, of what stands and has not expired.
        let mut band = Client::connect(gateway.address, "band").await;
        band.subscribe("halo/v1/d/band/cmd").await;
        let told = next(&mut band, "halo/v1/d/band/cmd").await;
        assert_eq!((&told["rule"], &told["spark"]), (&"high-pulse".into(), &id.as_str().into()));
        let answer = format!(r#"{{"spark":"{id}","answer":"accepted","rating":4,"text":"I lie down"}}"#);
        band.publish("halo/v1/d/band/answer", false, answer).await;
        let answered = next(&mut integrator, "halo/v1/sparks/anna/high-pulse").await;
        assert_eq!(
            (&answered["state"], &answered["id"]),
            (&"answered".into(), &id.as_str().into()),
            "not raised again"
        );
        assert_eq!((&answered["answer"]["device"], &answered["answer"]["rating"]), (&"band".into(), &4.into()));
        let told = next(&mut band, "halo/v1/d/band/cmd").await;
        assert_eq!((&told["state"], &told["answer"]), (&"answered".into(), &"accepted".into()));
        let mut late = Client::connect(gateway.address, "late").await;
        late.subscribe("halo/v1/d/band/cmd").await;
        late.subscribe("halo/v1/halos/anna").await;
        let halo = next(&mut late, "halo/v1/halos/anna").await;
        assert_eq!(halo["sparks"][0]["answer"], "accepted", "{halo}");
        band.publish("halo/v1/d/band/t", false, r#"{"heart_rate":95}"#).await;
        let mut cleared = next(&mut integrator, "halo/v1/sparks/anna/high-pulse").await;
        assert_eq!((&cleared["state"], &cleared["why"]), (&"cleared".into(), &"over".into()));
        let csv = folder.path().join("ready.csv");
        std::fs::write(&csv, "key,drug,ready\nanna,aspirin,true\n").expect("written");
        ask(&data, &format!("offers load pharmacy ready {}", csv.display()));
        cleared = next(&mut integrator, "halo/v1/sparks/pharmacy/prescription").await;
        assert_eq!((&cleared["message"], &cleared["subject"]), (&"aspirin is ready".into(), &"anna".into()));
    });
    let list = ask(&data, "rules list");
    let high = list.iter().find(|row| row["rule"] == "high-pulse").expect("the rule");
    assert_eq!((&high["raised"], &high["accepted"], &high["rating"]), (&1.into(), &1.into(), &4.0.into()));
    assert_eq!(high["feedback"][0]["text"], "I lie down");
    assert_eq!(gateway.stop(), Some(0));
}

#[test]
fn rules_are_checked_added_tried_on_paper_and_on_history_and_taken_away() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data, file) = (folder.path().join("data"), folder.path().join("rules.toml"));
    std::fs::create_dir(&data).expect("made");
    let gateway = Gateway::start(&data, "127.0.0.1:0", &[]);
    let path = file.to_str().expect("UTF-8").to_owned();
    std::fs::write(&file, "[[rule]]\nname = 'low'\nwhen = 'a.signals.heart_rat.value < 50'\n").expect("written");
    refused(&data, &["rules", "add", &path], "did you mean \"heart_rate\"");
    let checked = run(&["rules", "check", &path]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(complaint(&checked).contains("line 1, column 11"), "{}", complaint(&checked));
    std::fs::write(&file, "[[rule]]\nname = 'low'\nwhen = 'a.signals.heart_rate.value < 50'\nmessage = 'low'\n")
        .expect("written");
    assert_eq!(run(&["rules", "check", &path]).status.code(), Some(0));
    let rule = std::fs::read_to_string(&file).expect("read");
    for (more, wanted) in [
        ("[[cohort]]\nname = 'c'\nwhere = 'a.signals.pulse.value > 1'\n", "signal \"pulse\" is not known"),
        ("[gateway]\nmqttt = '127.0.0.1:1'\n", "unknown field `mqttt`"),
    ] {
        std::fs::write(&file, format!("{rule}{more}")).expect("written");
        let checked = run(&["rules", "check", &path]);
        assert_eq!(checked.status.code(), Some(1), "{more}");
        assert!(complaint(&checked).contains(wanted), "{}", complaint(&checked));
    }
    std::fs::write(&file, rule).expect("written");
    ask(&data, &format!("rules add {path}"));
    let spark = runtime().block_on(async {
        let mut client = Client::connect(gateway.address, "by-hand").await;
        client.subscribe("halo/v1/sparks/#").await;
        client.publish("halo/v1/d/ben/t", false, r#"{"heart_rate":44}"#).await;
        next(&mut client, "halo/v1/sparks/ben/low").await
    });
    let id = spark["id"].as_str().expect("an id").to_owned();
    assert_eq!(ask(&data, "sparks list")[0]["spark"], id.as_str());
    refused(&data, &["sparks", "answer", "ben", "low:nobody-1", "accepted"], "has no spark");
    ask(&data, &format!("sparks answer ben {id} declined"));
    refused(&data, &["sparks", "answer", "ben", &id, "accepted"], "is answered already");

    let halo = ask(&data, "halo ben").remove(0);
    let paper = folder.path().join("ben.json");
    std::fs::write(&paper, halo.to_string()).expect("written");
    let tried = run(&["rules", "test", &path, "--halo", paper.to_str().expect("UTF-8"), "--json"]);
    let verdict: Value = serde_json::from_slice(&tried.stdout).expect("JSON");
    assert_eq!((&verdict["verdict"], &verdict["message"]), (&"holds".into(), &"low".into()), "{verdict}");
    let (deals, menu) = (folder.path().join("deals.toml"), folder.path().join("menu.csv"));
    let deal = "[[rule]]\nname = 'deal'\noffer = { table = 'cafe/menu', column = 'who', is = 'a.subject' }\n\
                when = 'offer.price < 3'\nmessage = '{offer.what}'\n\
                [[rule]]\nname = 'machines'\nabout = { kind = 'machine' }\nwhen = 'true'\n";
    std::fs::write(&deals, deal).expect("written");
    std::fs::write(&menu, "key,who,what,price\n1,ben,tea,2\n2,ben,cake,4\n3,anna,soup,1\n").expect("written");
    let [deals, paper] = [&deals, &paper].map(|path| path.to_str().expect("UTF-8"));
    let offers = format!("cafe/menu={}", menu.display());
    let tried = run(&["rules", "test", deals, "--halo", paper, "--offers", &offers, "--json"]);
    let verdicts: Vec<Value> =
        tried.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let seen: Vec<_> = verdicts.iter().map(|it| (&it["offer"], &it["verdict"], &it["facts"]["offer.price"])).collect();
    assert_eq!(
        seen,
        [(&"1".into(), &"holds".into(), &2.0.into()), (&"2".into(), &"does not hold".into(), &4.0.into())],
        "{verdicts:?}"
    );
    let unknown = run(&["rules", "test", deals, "--halo", paper]);
    assert!(String::from_utf8_lossy(&unknown.stdout).contains("deal: is not known"), "{unknown:?}");
    let replayed = rows(&data, &["rules", "replay", &path, "--from", "now-1h"]);
    assert_eq!((replayed.len(), &replayed[0]["subject"]), (1, &"ben".into()), "the real one is left out: {replayed:?}");

    refused(&data, &["rules", "remove", "high"], "there is no rule");
    ask(&data, "rules remove low");
    assert!(ask(&data, "rules list").is_empty());
    assert_eq!(gateway.stop(), Some(0));
    assert_eq!(rows(&data, &["rules", "replay", &path]).len(), 1, "also while no gateway runs");
}

const ASKED: &str = r#"
[[rule]]
name = "tell-us"
owner = "park"
when = "a.signals.heart_rate.value > 120"
cmd = true
answer_within = "1h"
floor = 0.5
"#;

#[test]
fn whoever_offers_a_rule_hears_that_it_goes_quiet_because_hardly_anybody_accepts_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (config, data) = (folder.path().join("gateway.toml"), folder.path().join("data"));
    std::fs::write(&config, ASKED).expect("written");
    let gateway = Gateway::start_with(&config, &data);
    runtime().block_on(async {
        let mut owner = Client::connect(gateway.address, "park").await;
        owner.subscribe("halo/v1/sparks/park/#").await;
        let mut band = Client::connect(gateway.address, "band").await;
        for _ in 0..20 {
            band.publish("halo/v1/d/band/t", false, r#"{"heart_rate":130}"#).await;
            let raised = next(&mut owner, "halo/v1/sparks/park/tell-us").await;
            assert_eq!((&raised["schema"], &raised["state"]), (&"spark/1".into(), &"raised".into()));
            let answer = format!(r#"{{"spark":{},"answer":"declined"}}"#, raised["id"]);
            band.publish("halo/v1/d/band/answer", false, answer).await;
            assert_eq!(next(&mut owner, "halo/v1/sparks/park/tell-us").await["state"], "answered");
            band.publish("halo/v1/d/band/t", false, r#"{"heart_rate":90}"#).await;
            // What the twentieth answer decides is told before the end of its spark.
            let mut told = next(&mut owner, "halo/v1/sparks/park/tell-us").await;
            if told["schema"] == "rule/1" {
                assert_eq!(
                    (&told["state"], &told["answers"], &told["acceptance"]),
                    (&"quiet".into(), &20.into(), &0.into())
                );
                told = next(&mut owner, "halo/v1/sparks/park/tell-us").await;
                assert_eq!(told["state"], "cleared");
                return;
            }
            assert_eq!(told["state"], "cleared");
        }
        panic!("twenty times no, and the owner hears nothing of it");
    });
    let list = ask(&data, "rules list");
    assert_eq!((&list[0]["rule"], &list[0]["state"]), (&"tell-us".into(), &"quiet".into()));
    assert_eq!(gateway.stop(), Some(0));
}
