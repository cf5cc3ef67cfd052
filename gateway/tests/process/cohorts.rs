//! Cohorts as an integrator and an operator meet them.

use serde_json::Value;

use crate::admin::rows;
use crate::harness::{Client, Gateway, complaint, run, runtime};

const COHORTS: &str = "[[cohort]]\nname = 'guests'\nfigures = ['a.signals.heart_rate.value']\nevery = '1s'\n";

/// The first document of the topic that is counted.
async fn counted(client: &mut Client) -> Value {
    loop {
        let (topic, payload) = client.message().await;
        let document: Value = serde_json::from_slice(&payload).expect("JSON");
        if topic == "halo/v1/cohorts/guests" && document["state"] == "counted" {
            return document;
        }
    }
}

#[test]
fn a_cohort_is_published_from_ten_on_and_stands_after_a_crash() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (config, data) = (folder.path().join("gateway.toml"), folder.path().join("data"));
    std::fs::write(&config, COHORTS).expect("written");
    let gateway = Gateway::start_with(&config, &data);
    let guest = |number: usize| format!("guest-{number}");
    let enter = |number: usize| drop(rows(&data, &["subject", "set", &guest(number), "cohorts=yes"]));
    let told = runtime().block_on(async {
        let mut client = Client::connect(gateway.address, "by-hand").await;
        for number in 0..12 {
            let payload = format!("{{\"heart_rate\":{}}}", 60 + number);
            client.publish(&format!("halo/v1/d/{}/t", guest(number)), false, payload).await;
        }
        (0..9).for_each(enter);
        client.subscribe("halo/v1/cohorts/#").await;
        let (_, small) = client.message().await;
        let small: Value = serde_json::from_slice(&small).expect("JSON");
        assert_eq!((&small["state"], &small["n"]), (&"too_small".into(), &Value::Null));
        enter(9);
        counted(&mut client).await
    });
    assert_eq!((&told["n"], &told["figures"]["a.signals.heart_rate.value"]["n"]), (&10.into(), &10.into()));
    gateway.kill();

    let gateway = Gateway::start_with(&config, &data);
    enter(10);
    let again = runtime().block_on(async {
        let mut late = Client::connect(gateway.address, "late").await;
        late.subscribe("halo/v1/cohorts/guests").await;
        loop {
            let again = counted(&mut late).await;
            if again["pending"] == true {
                return again;
            }
        }
    });
    assert_eq!((&again["n"], &again["time"], &again["figures"]), (&told["n"], &told["time"], &told["figures"]));
    let list = rows(&data, &["cohorts", "list"]);
    assert_eq!((&list[0]["cohort"], &list[0]["n"], &list[0]["pending"]), (&"guests".into(), &10.into(), &true.into()));
    let human = run(&["cohorts", "list", "--data-dir", data.to_str().expect("UTF-8")]);
    assert!(String::from_utf8_lossy(&human.stdout).contains("guests"), "{}", complaint(&human));
    assert_eq!(gateway.stop(), Some(0));
}
