//! The program as a user meets it: arguments, output, exit codes.

mod stub;

use std::process::{Command, Output};

use stub::{Conduct, Seen, Stub};

async fn firmware_sim(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firmware-sim"));
    command.args(arguments).env_remove("RUST_LOG").env_remove("HALO_BROKER");
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_fleet_reports_in_json_and_exits_with_0_when_everything_was_acknowledged() {
    let stub = Stub::start(|_| Conduct::WILLING).await.unwrap();
    let broker = stub.address.to_string();
    let output =
        firmware_sim(&["fleet", "--broker", &broker, "--devices", "3", "--frames", "20", "--speed", "max", "--json"])
            .await;
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
    let summary: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!((&summary["devices"], &summary["frames"], &summary["acked"]), (&3.into(), &60.into(), &60.into()));
}

#[tokio::test]
async fn frames_without_acknowledgement_exit_with_1_and_the_reason() {
    // Nobody listens on this port: it was free a moment ago and is asked for by no one else.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output =
        firmware_sim(&["fleet", "--broker", &free, "--devices", "1", "--for", "1500ms", "--drain", "50ms"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("not acknowledged; last trouble: ") && err(&output).contains("refused"),
        "{}",
        err(&output)
    );
    assert!(out(&output).contains("1 devices, "), "{}", out(&output));
}

#[tokio::test]
async fn a_wrong_command_line_exits_with_2_and_a_bad_file_with_1() {
    for arguments in [["fleet", "--devices", "0"], ["fleet", "--period", "10"], ["replay", "--unit", "1"]] {
        assert_eq!(firmware_sim(&arguments).await.status.code(), Some(2), "{arguments:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.csv");
    std::fs::write(&path, "t_ms,hr_bpm\n0,seventy\n").unwrap();
    let output = firmware_sim(&["replay", "--series", path.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("bad.csv:2: value is \"seventy\", wanted a whole number"), "{}", err(&output));
}

#[tokio::test]
async fn a_replayed_file_gives_its_device_its_name() {
    let mut stub = Stub::start(|_| Conduct::WILLING).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my-strap.csv");
    std::fs::write(&path, "t_ms,rr_interval\n800,800\n1600,800\n").unwrap();
    let output =
        firmware_sim(&["replay", "--broker", &stub.address.to_string(), "--series", path.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("1 frames, 1 sent"), "{}", out(&output));
    let Seen::Connect { client_id, .. } = stub.next().await else { panic!("a connection comes first") };
    assert_eq!(client_id, "my-strap");
    let birth =
        |seen: &Seen| matches!(seen, Seen::Publish { publish, .. } if publish.topic == "halo/v1/d/my-strap/birth");
    assert!(stub.rest().iter().any(birth));
}

#[tokio::test]
async fn the_list_and_the_help_answer_without_a_broker() {
    let list = firmware_sim(&["list"]).await;
    assert!(list.status.success() && out(&list).contains("wristband") && out(&list).contains("bytes a sample"));
    let help = firmware_sim(&["replay", "--help"]).await;
    assert!(help.status.success() && out(&help).contains("Examples:"));
}

#[tokio::test]
async fn a_scenario_runs_by_its_name_and_leaves_ledger_and_truth_behind() {
    let stub = Stub::start(|_| Conduct::WILLING).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (ledger, truth) = (folder.path().join("sent.jsonl"), folder.path().join("truth.jsonl"));
    let broker = stub.address.to_string();
    let output = firmware_sim(&[
        "scenario",
        "commute",
        "--broker",
        &broker,
        "--devices",
        "2",
        "--compress",
        "5000",
        "--fault",
        "duplicates=0.5",
        "--json",
        "--ledger",
        ledger.to_str().unwrap(),
        "--truth",
        truth.to_str().unwrap(),
    ])
    .await;
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
    let summary: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert!(summary["acked"].as_u64().unwrap() > 100 && summary["resent"].as_u64().unwrap() > 20, "{summary}");
    let lines = |path| -> Vec<serde_json::Value> {
        let text: String = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let acked = lines(&ledger).iter().filter(|line| line["e"] == "acked").count() as u64;
    assert_eq!(summary["acked"], acked);
    let trips: Vec<serde_json::Value> = lines(&truth).into_iter().filter(|line| line["truth"] == "trip").collect();
    assert!(trips.len() > 2, "two hours of two cars have {} trips", trips.len());
    for trip in &trips {
        let (from, to) = (trip["from_ms"].as_i64().unwrap(), trip["to_ms"].as_i64().unwrap());
        assert!(from > 1_600_000_000_000 && to > from, "{trip}");
    }
}

/// Lines were once written every 100 ms, and the last of them died with the program.
#[tokio::test]
async fn the_ledger_survives_the_simulators_own_kill() {
    let mut stub = Stub::start(|_| Conduct::WILLING).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("sent.jsonl");
    let mut child = Command::new(env!("CARGO_BIN_EXE_firmware-sim"))
        .args(["fleet", "--devices", "3", "--broker", &stub.address.to_string(), "--frames", "1000000"])
        .args(["--speed", "max", "--json", "--ledger", ledger.to_str().unwrap()])
        .spawn()
        .unwrap();
    let mut seen = Vec::new();
    while seen.len() < 500 {
        seen.push(stub.next().await);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let text = std::fs::read_to_string(&ledger).unwrap();
    let whole: Vec<serde_json::Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(whole.len() + 1 >= text.lines().count(), "only the last line may be cut short");
    let sent: std::collections::BTreeSet<(String, u64)> = (whole.iter().filter(|line| line["e"] == "sent"))
        .map(|line| (line["device"].as_str().unwrap().to_owned(), line["seq"].as_u64().unwrap()))
        .collect();
    for seen in &seen {
        let Seen::Publish { publish, .. } = seen else { continue };
        if publish.topic.ends_with("/t") {
            let device = publish.topic.split('/').nth(3).unwrap().to_owned();
            let seq = u64::from(halo_proto::frame::peek_header(&publish.payload).unwrap().seq);
            assert!(sent.contains(&(device, seq)), "the broker has a frame of which the ledger knows nothing");
        }
    }
}

#[tokio::test]
async fn scenarios_and_faults_are_listed_and_wrong_names_say_which_are_known() {
    let list = out(&firmware_sim(&["list"]).await);
    for name in ["mixed", "commute", "park-day", "fleet-flight", "parcel-week", "cardiac", "bad-firmware", "dead-zone"]
    {
        assert!(list.contains(name), "{list}");
    }
    let json: serde_json::Value = serde_json::from_str(&out(&firmware_sim(&["list", "--json"]).await)).unwrap();
    let told = |list: &str| -> Vec<String> {
        json[list].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    let (scenarios, kinds) = (told("scenarios"), told("kinds"));
    assert!(scenarios.len() >= 12 && kinds.len() >= 6, "{json}");
    assert!(scenarios.iter().chain(&kinds).all(|name| list.contains(name)), "{list}\n{json}");
    let wrong = firmware_sim(&["scenario", "picnic"]).await;
    assert!(wrong.status.code() == Some(2) && err(&wrong).contains("wanted one of: mixed, commute"), "{}", err(&wrong));
    let wrong = firmware_sim(&["fleet", "--fault", "lightning=1"]).await;
    assert!(wrong.status.code() == Some(2) && err(&wrong).contains("wanted one of: noise"), "{}", err(&wrong));
}
