//! Administration and accounts, as an operator meets them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{ConnectReturnCode, MqttOptions, QoS, TlsConfiguration, Transport};
use serde_json::Value;

use crate::harness::{Client, Gateway, binary, complaint, run, runtime};

/// How soon a revoked client must be gone.
const REVOKED_WITHIN: Duration = Duration::from_secs(1);

/// A command on the gateway of a folder, with something on its stdin.
fn ask_with(data: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut command = binary();
    command.args(arguments).arg("--data-dir").arg(data);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    // A command that does not read has closed it already.
    drop(child.stdin.take().expect("stdin is piped").write_all(stdin.as_bytes()));
    child.wait_with_output().expect("it ends")
}

fn said(data: &Path, arguments: &[&str]) -> String {
    let output = ask_with(data, arguments, "");
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", complaint(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

pub(crate) fn rows(data: &Path, arguments: &[&str]) -> Vec<Value> {
    let said = said(data, &[arguments, &["--json"]].concat());
    said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

pub(crate) fn refused(data: &Path, arguments: &[&str], wanted: &str) {
    let output = ask_with(data, arguments, "");
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    assert!(complaint(&output).contains(wanted), "{arguments:?} said {:?}, not {wanted:?}", complaint(&output));
}

fn token(data: &Path, device: &str) -> String {
    said(data, &["device", "token", device, "--create"]).trim().to_owned()
}

/// Publishes for two devices and waits until their halos are there.
async fn speak(gateway: &Gateway) {
    let mut client = Client::connect(gateway.address, "by-hand").await;
    for device in ["w-1", "w-2"] {
        client.publish(&format!("halo/v1/d/{device}/t"), false, r#"{"heart_rate":70}"#).await;
        client.subscribe(&format!("halo/v1/halos/{device}")).await;
        client.message().await;
    }
}

#[test]
fn every_command_answers_people_and_programs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let gateway = Gateway::start(data, "127.0.0.1:0", &[]);
    runtime().block_on(speak(&gateway));

    let list = said(data, &["device", "list"]);
    assert!(list.starts_with("DEVICE  SUBJECT") && list.contains("\nw-1     w-1"), "{list}");
    let devices = rows(data, &["device", "list"]);
    assert_eq!(devices.iter().map(|row| &row["device"]).collect::<Vec<_>>(), ["w-1", "w-2"]);
    assert!(said(data, &["device", "show", "w-1"]).contains("\"last_seen\""));
    assert!(rows(data, &["device", "show", "w-1"])[0]["presence"]["state"].is_string());
    refused(data, &["device", "show", "w-9"], "device \"w-9\" was never heard of");
    refused(data, &["device", "show", "w/9"], "[A-Za-z0-9._-]");

    assert!(rows(data, &["subject", "list"]).iter().any(|row| row["subject"] == "w-1" && row["devices"][0] == "w-1"));
    assert!(
        said(data, &["device", "assign", "w-1", "anna", "--kind", "person"]).starts_with("w-1 feeds anna (record ")
    );
    assert!(rows(data, &["device", "release", "w-1"])[0]["offset"].is_u64());
    refused(data, &["device", "assign", "w-1", "a/b"], "subject \"a/b\"");
    let backwards =
        ["device", "assign", "w-1", "anna", "--from", "2026-11-21T08:00:00Z", "--until", "2026-11-21T07:00:00Z"];
    refused(data, &backwards, "ends before it begins");
    said(data, &["device", "remove", "w-2"]);
    refused(data, &["device", "remove", "w-9"], "was never heard of");

    assert!(said(data, &["subject", "list"]).starts_with("SUBJECT  KIND"));
    assert!(said(data, &["subject", "show", "w-1"]).contains("\"heart_rate\""));
    assert_eq!(rows(data, &["subject", "show", "w-1"])[0]["schema"], "halo/1");
    refused(data, &["subject", "show", "nobody"], "there is no subject \"nobody\"");

    let status = said(data, &["status"]);
    for line in [
        "gateway     gateway ",
        "state       ready",
        "\nlog         durable ",
        "\ndisk ",
        "\nupstreams",
        "\nframes      2 stored",
    ] {
        assert!(status.contains(line), "{line:?} is not in {status}");
    }
    let status = &rows(data, &["status"])[0];
    assert_eq!((&status["state"], &status["since_start"]["frames"]), (&"ready".into(), &2.into()), "{status}");
    assert_eq!(said(data, &["losses"]), "nothing was lost\n");
    assert!(rows(data, &["losses"]).is_empty());

    assert_eq!(gateway.stop(), Some(0));
    let dump = run(&["log", "dump", "--json", &data.display().to_string()]);
    let dump = String::from_utf8(dump.stdout).expect("UTF-8");
    let acts: Vec<Value> = dump
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|record: &Value| record["kind"] == "act")
        .collect();
    let deeds: Vec<String> =
        acts.iter().map(|act| act["deed"].as_object().expect("a deed").keys().cloned().collect()).collect();
    assert_eq!(deeds, ["Assign", "Release", "Forget"], "the log is the audit");
    assert!(acts.iter().all(|act| act["by"] == "local"));
}

#[test]
fn a_quarantined_frame_is_shown_read_again_in_vain_and_given_up_on_the_record() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let gateway = Gateway::start(data, "127.0.0.1:0", &[]);
    runtime().block_on(async {
        let mut client = Client::connect(gateway.address, "by-hand").await;
        client.publish("halo/v1/d/odd/t", false, "no telemetry").await;
    });
    let held = rows(data, &["quarantine", "list"]);
    assert_eq!((&held[0]["device"], &held[0]["attempts"]), (&"odd".into(), &1.into()), "{held:?}");
    let frame = held[0]["frame"].to_string();
    assert!(said(data, &["quarantine", "list"]).contains("odd"));
    assert_eq!(rows(data, &["quarantine", "show", &frame])[0]["payload"], "6e6f2074656c656d65747279");
    refused(data, &["quarantine", "show", "999"], "frame 999 is not in quarantine");
    let told = said(data, &["quarantine", "replay", "--all"]);
    assert!(told.starts_with("1 frame read again: 0 understood, 1 stays in quarantine;"), "{told}");
    let replayed = rows(data, &["quarantine", "replay", "--all"]);
    assert_eq!((&replayed[0]["read"], &replayed[0]["still_quarantined"]), (&0.into(), &1.into()), "{replayed:?}");
    assert_eq!(rows(data, &["quarantine", "list"])[0]["attempts"], 3);
    let told = said(data, &["quarantine", "discard", "--device", "odd"]);
    assert_eq!(told, "1 frame given up; the log says so\n");
    assert!(rows(data, &["quarantine", "list"]).is_empty());
    let losses = rows(data, &["losses"]);
    assert_eq!((&losses[0]["kind"], &losses[0]["device"]), (&"discarded".into(), &"odd".into()), "{losses:?}");
    let status = &rows(data, &["status"])[0];
    assert_eq!((&status["frames"]["stored"], &status["frames"]["discarded"]), (&1.into(), &1.into()), "{status}");
}

#[test]
fn an_upstream_that_is_held_stays_held_over_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let upstream = "upstream=[{name=\"far\", url=\"mqtt://127.0.0.1:9\"}]";
    let gateway = Gateway::start(data, "127.0.0.1:0", &[upstream]);
    assert_eq!(rows(data, &["upstream", "list"])[0]["upstream"], "far");
    refused(data, &["upstream", "pause", "near"], "there is no upstream \"near\"");
    assert!(said(data, &["upstream", "pause", "far"]).starts_with("far is held back (record "));
    gateway.kill();
    let gateway = Gateway::start(data, "127.0.0.1:0", &[upstream]);
    assert_eq!(rows(data, &["upstream", "list"])[0]["state"], "held");
    assert!(said(data, &["status"]).contains("far held: 0 frames forwarded"));
    said(data, &["upstream", "resume", "far"]);
    gateway.kill();
    let _gateway = Gateway::start(data, "127.0.0.1:0", &[upstream]);
    assert_ne!(rows(data, &["upstream", "list"])[0]["state"], "held");
}

#[test]
fn a_backup_made_while_the_gateway_runs_is_a_gateway_with_its_halos() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data, copy, new) = (&folder.path().join("data"), folder.path().join("copy"), &folder.path().join("new"));
    let gateway = Gateway::start(data, "127.0.0.1:0", &[]);
    runtime().block_on(speak(&gateway));
    let copy = copy.to_str().expect("UTF-8");
    assert!(said(data, &["backup", copy]).contains("every record up to offset"));
    let before = rows(data, &["subject", "show", "w-1"])[0]["signals"].clone();
    gateway.kill();
    std::fs::remove_dir_all(data).expect("the folder is lost");
    let restored = crate::harness::run(&["restore", copy, "--data-dir", new.to_str().expect("UTF-8")]);
    assert_eq!(restored.status.code(), Some(0), "{}", complaint(&restored));
    let _gateway = Gateway::start(new, "127.0.0.1:0", &[]);
    assert_eq!(rows(new, &["subject", "show", "w-1"])[0]["signals"], before);
    let confirmed = said(new, &["clock", "confirm"]);
    assert!(confirmed.contains("counts as right: frames older than disk.keep are deleted again"), "{confirmed}");
    assert_eq!(rows(new, &["clock", "confirm"])[0]["confirmed"], true);
    assert!(rows(new, &["source", "list"]).is_empty());
}

#[test]
fn where_no_gateway_runs_and_where_the_arguments_are_wrong_the_way_out_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    for arguments in [&["status"][..], &["device", "list"], &["subject", "show", "a"], &["quarantine", "list"]] {
        refused(data, arguments, "no gateway runs on");
        refused(data, arguments, "start it with `halo-gateway run --data-dir");
    }
    refused(data, &["losses"], "holds no log");
    let long = data.join("x".repeat(120));
    refused(&long, &["status"], "choose a shorter --data-dir");
    for wrong in [&["quarantine", "replay"][..], &["device", "assign", "w-1"], &["device", "fly"]] {
        assert_eq!(ask_with(data, wrong, "").status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn the_socket_is_for_its_owner_replaces_a_stale_one_and_goes_with_the_gateway() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let socket = data.join("admin.sock");
    drop(UnixListener::bind(&socket).expect("a socket nobody listens on"));
    Gateway::start(data, "127.0.0.1:0", &[]).kill();
    let gateway = Gateway::start(data, "127.0.0.1:0", &[]);
    assert_eq!(fs::metadata(&socket).expect("it is there").permissions().mode() & 0o777, 0o600);
    assert!(!data.join(".a").exists());

    let answer = |request: &[u8]| {
        let mut stream = UnixStream::connect(&socket).expect("it listens");
        stream.write_all(request).expect("it takes the request");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("it answers");
        line
    };
    assert!(answer(b"{\"v\":1,\"command\":\"fly\"}\n").contains("unknown variant `fly`, expected one of `status`"));
    assert!(answer(b"{\"v\":2,\"command\":\"status\"}\n").contains("version 2, this gateway speaks 1"));
    assert!(answer(b"hello\n").contains("not a request"));
    let long = vec![b'x'; halo_gateway::admin::LINE_BYTES_MAX + 1];
    assert!(answer(&long).contains(&format!("{} bytes at most", halo_gateway::admin::LINE_BYTES_MAX)));
    let devices = b"{\"v\":1,\"command\":\"devices\"}\n";
    assert!(answer(devices).contains("done"));
    // Where an endless line ends nobody knows: nothing behind it is taken for a request.
    let mut stream = UnixStream::connect(&socket).expect("it listens");
    stream.write_all(&[&long[..], b"\n", devices].concat()).expect("it takes the request");
    let mut told = Vec::new();
    // It ends with what was not read, which is an error to whoever wrote it.
    drop(stream.read_to_end(&mut told));
    assert_eq!(told.iter().filter(|byte| **byte == b'\n').count(), 1, "{}", String::from_utf8_lossy(&told));

    // Sixteen at a time; the next one waits until one of them has left.
    let ask = |stream: &mut UnixStream| {
        stream.write_all(devices).expect("it takes the request");
        BufReader::new(stream).read_line(&mut String::new())
    };
    let mut clients: Vec<UnixStream> = (0..16).map(|_| UnixStream::connect(&socket).expect("it listens")).collect();
    assert!(clients.iter_mut().all(|client| ask(client).is_ok()), "each of them is served");
    let mut next = UnixStream::connect(&socket).expect("it waits at the door");
    next.set_read_timeout(Some(Duration::from_millis(300))).expect("set");
    assert!(ask(&mut next).is_err(), "the seventeenth was served");
    next.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    clients.clear();
    BufReader::new(next).read_line(&mut String::new()).expect("its turn has come");
    assert_eq!(gateway.stop(), Some(0));
    assert!(!socket.exists());
}

/// A mistyped `--data-dir` made a folder with a token in it that no gateway would ever know.
#[test]
fn accounts_are_not_made_in_a_folder_that_is_none_of_a_gateway() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (empty, absent) = (folder.path(), folder.path().join("halo-dat"));
    let all = [
        &["device", "token", "w-1"][..],
        &["passwd", "anna"],
        &["role", "set", "reader"],
        &["user", "remove", "anna"],
        &["user", "list"],
        &["role", "list"],
    ];
    for arguments in all {
        refused(&absent, arguments, "halo-dat is not there: name the data folder with --data-dir");
        assert!(!absent.exists(), "{arguments:?}");
        refused(empty, arguments, "is no data folder of a gateway");
        assert_eq!(fs::read_dir(empty).expect("readable").count(), 0, "{arguments:?}");
    }
    said(&absent, &["device", "token", "w-1", "--create"]);
    assert_eq!(rows(&absent, &["user", "list"])[0]["user"], "w-1", "without --create from now on");
}

/// `anna`, who reads halos, and a token for `w-1`, before any gateway has run.
fn with_accounts(data: &Path) -> String {
    let token = token(data, "w-1");
    said(data, &["role", "set", "reader", "--subscribe", "halo/v1/halos/+"]);
    let set = ask_with(data, &["passwd", "anna", "--role", "reader"], "correct horse\n");
    assert_eq!(set.status.code(), Some(0), "{}", complaint(&set));
    token
}

#[test]
fn a_token_lets_a_device_publish_its_own_topics_and_no_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let token = with_accounts(folder.path());
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0", &["auth.required=true"]);
    runtime().block_on(async {
        let mut device = Client::login(gateway.address, "w-1", &token).await.expect("its token");
        device.publish("halo/v1/d/w-1/t", false, r#"{"heart_rate":70}"#).await;
        device.handle.publish("halo/v1/d/w-2/t", QoS::AtLeastOnce, false, "{}").await.expect("queued");
        assert!(device.is_cut_off().await, "3.1.1 has no other way to say no");
        let nobody = Client::login(gateway.address, "w-1", "not-the-token").await;
        assert_eq!(nobody.err(), Some(ConnectReturnCode::BadUserNamePassword));
        let anonymous = Client::try_connect(MqttOptions::new("x", "127.0.0.1", gateway.address.port())).await;
        assert_eq!(anonymous.err(), Some(ConnectReturnCode::NotAuthorized), "accounts are required");
    });
}

#[test]
fn who_is_revoked_is_disconnected_within_a_second_and_stays_out() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let token_of_device = with_accounts(data);
    let gateway = Gateway::start(data, "127.0.0.1:0", &[]);
    runtime().block_on(async {
        let address = gateway.address;
        let wrong = Client::login(address, "anna", "wrong horse").await;
        assert_eq!(wrong.err(), Some(ConnectReturnCode::BadUserNamePassword));
        let mut anna = Client::login(address, "anna", "correct horse").await.expect("her password");
        anna.subscribe("halo/v1/halos/+").await;
        let mut device = Client::login(address, "w-1", &token_of_device).await.expect("its token");
        device.publish("halo/v1/d/w-1/t", false, r#"{"heart_rate":70}"#).await;
        assert_eq!(anna.message().await.0, "halo/v1/halos/w-1");
        let mut bystander = Client::connect(address, "bystander").await;

        let users = said(data, &["user", "list"]);
        assert!(users.contains("anna  user    reader") && users.contains("w-1   device"), "{users}");
        assert!(!users.contains("argon2") && !users.contains(&token_of_device));
        said(data, &["user", "remove", "anna"]);
        let cut = tokio::time::timeout(REVOKED_WITHIN, anna.is_cut_off()).await;
        assert_eq!(cut, Ok(true), "still connected a second after the account is gone");
        let back = Client::login(address, "anna", "correct horse").await;
        assert_eq!(back.err(), Some(ConnectReturnCode::BadUserNamePassword));

        let renewed = token(data, "w-1");
        assert_eq!(tokio::time::timeout(REVOKED_WITHIN, device.is_cut_off()).await, Ok(true), "its token was replaced");
        assert!(Client::login(address, "w-1", &token_of_device).await.is_err());
        let mut device = Client::login(address, "w-1", &renewed).await.expect("the new token");
        device.publish("halo/v1/d/w-1/t", false, r#"{"heart_rate":71}"#).await;
        said(data, &["device", "token", "w-1", "--remove"]);
        assert_eq!(tokio::time::timeout(REVOKED_WITHIN, device.is_cut_off()).await, Ok(true));
        bystander.publish("home/lamp", false, "on").await;
        let status = &rows(data, &["status"])[0]["since_start"];
        assert_eq!((&status["logins"], &status["failed_logins"]), (&3.into(), &3.into()), "{status}");
    });
    let logged = said(data, &["role", "list", "--json"]);
    assert!(logged.contains("halo/v1/halos/+"));
    refused(data, &["role", "remove", "nothing"], "there is no role");
    refused(data, &["user", "grant", "ben", "--role", "reader"], "there is no user \"ben\"");
    assert_eq!(gateway.stop(), Some(0));
    assert_eq!(rows(data, &["user", "list"]).len(), 0, "the file says the same while no gateway runs");
    let dumped = run(&["log", "dump", "--json", &data.display().to_string()]).stdout;
    let dumped = String::from_utf8(dumped).expect("UTF-8");
    let acts: Vec<Value> = dumped.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let acts: Vec<_> = acts.iter().filter(|row| row["kind"] == "act").map(|row| (&row["by"], &row["deed"])).collect();
    let deeds = ["UserRemoved", "Token", "TokenRemoved"].map(|change| {
        let name = if change == "UserRemoved" { "anna" } else { "w-1" };
        serde_json::json!({"Account": {"name": name, "change": change}})
    });
    let by = Value::from("local");
    assert_eq!(acts, deeds.iter().map(|deed| (&by, deed)).collect::<Vec<_>>(), "who did what is in the log");
}

#[test]
fn listening_beyond_loopback_is_allowed_once_there_are_accounts_and_nobody_is_anonymous_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let arguments = ["check", "--mqtt", "0.0.0.0:0"];
    refused(data, &arguments, "needs authentication");
    refused(data, &["run", "--mqtt", "0.0.0.0:0"], &format!("passwd USER --data-dir {} --create`", data.display()));
    let token = with_accounts(data);
    let checked = said(data, &arguments);
    assert!(checked.contains("warning: gateway.mqtt = 0.0.0.0:0: passwords and tokens travel in clear"), "{checked}");
    let gateway = Gateway::start(data, "0.0.0.0:0", &[]);
    runtime().block_on(async {
        let anonymous = Client::try_connect(MqttOptions::new("x", "127.0.0.1", gateway.address.port())).await;
        assert_eq!(anonymous.err(), Some(ConnectReturnCode::NotAuthorized));
        let mut device = Client::login(gateway.address, "w-1", &token).await.expect("its token");
        device.publish("halo/v1/d/w-1/t", false, r#"{"heart_rate":70}"#).await;
    });
}

#[test]
fn a_file_of_accounts_that_is_not_right_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let file = data.join("accounts.toml");
    let owner_only = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("changed");
    fs::write(&file, "[user.anna]\npassword = \"\"\n").expect("written");
    owner_only(0o600);
    for command in ["check", "run"] {
        refused(data, &[command, "--mqtt", "127.0.0.1:0"], "line 2, column 12: password is not an argon2id hash");
    }
    owner_only(0o640);
    refused(data, &["check"], "others may read or write it (mode 0640): chmod 600");
    refused(data, &["user", "list"], "chmod 600");
    assert!(!data.join("log").exists(), "nothing has been touched");
}

#[test]
fn the_configuration_in_force_is_shown_with_its_origins() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("gateway.toml");
    fs::write(&file, "[gateway]\nid = \"gw-7\"\n\n[halo]\nsilent_after = \"90s\"\n").expect("written");
    let file = file.display().to_string();
    let mut command = binary();
    command.args(["config", "show", "--origin", "--config", &file, "--set", "broker.receive_maximum=9"]);
    let output = command.args(["--mqtt", "127.0.0.1:7"]).env("HALO_GATEWAY__AUTH__REQUIRED", "true").output();
    let shown = String::from_utf8(output.expect("it runs").stdout).expect("UTF-8");
    for (key, origin) in [
        ("gateway.id = \"gw-7\"", format!("# {file}:2")),
        ("halo.silent_after = \"90s\"", format!("# {file}:5")),
        ("gateway.mqtt = \"127.0.0.1:7\"", "# --mqtt".to_owned()),
        ("broker.receive_maximum = 9", "# --set broker.receive_maximum".to_owned()),
        ("auth.required = true", "# variable HALO_GATEWAY__AUTH__REQUIRED".to_owned()),
        ("broker.shutdown_s = 5", "# default".to_owned()),
    ] {
        let found = shown.lines().any(|line| line.starts_with(key) && line.ends_with(&origin));
        assert!(found, "{key} {origin} is not in {shown}");
    }
    let shown = |arguments: &[&str]| serde_json::from_slice::<Value>(&run(arguments).stdout).expect("one document");
    let tree = shown(&["config", "show", "--json"]);
    assert_eq!((&tree["disk"]["max"], &tree["halo"]["silent_after"]), (&10_000_000_000_u64.into(), &"300s".into()));
    assert_eq!((&tree["gateway"]["id"], &tree["gateway"]["tls"]), (&"gateway".into(), &Value::Null));
    let tree = shown(&["config", "show", "--json", "--origin", "--set", "disk.max=20GB"]);
    let told = serde_json::json!({"value": 20_000_000_000_u64, "origin": "--set disk.max"});
    assert_eq!((&tree["disk"]["max"], &tree["gateway"]["id"]["origin"]), (&told, &"default".into()));
}

fn tls_client(port: u16, id: &str, root: rustls::pki_types::CertificateDer<'static>) -> MqttOptions {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut options = MqttOptions::new(id, "localhost", port);
    options.set_max_packet_size(1 << 20, 1 << 20);
    options.set_transport(Transport::Tls(TlsConfiguration::Rustls(Arc::new(config))));
    options
}

#[test]
fn under_tls_everything_is_as_without() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let (cert, key) = (data.join("cert.pem"), data.join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    fs::write(&cert, made.cert.pem()).expect("written");
    let config = data.join("gateway.toml");
    let text = format!(
        "[gateway.tls]\naddress = \"127.0.0.1:0\"\ncert = {:?}\nkey = {:?}\n",
        cert.display().to_string(),
        key.display().to_string()
    );
    fs::write(&config, text).expect("written");
    refused(data, &["check", "--config", &config.display().to_string()], "key.pem: No such file");
    fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let token = with_accounts(data);
    let gateway = Gateway::start_with(&config, data);
    let listens = rows(data, &["status"])[0]["listens"].clone();
    let port = listens[1].as_str().and_then(|url| url.strip_prefix("mqtts://127.0.0.1:")?.parse().ok());
    let port: u16 = port.unwrap_or_else(|| panic!("{listens}"));
    runtime().block_on(async {
        let mut options = tls_client(port, "over-tls", made.cert.der().clone());
        options.set_credentials("w-1", &token);
        let mut device = Client::try_connect(options).await.expect("its token");
        let mut reader =
            Client::try_connect(tls_client(port, "reader", made.cert.der().clone())).await.expect("loopback");
        reader.subscribe("halo/v1/halos/w-1").await;
        // More than one TLS record, and then many small ones.
        let long = format!(r#"{{"heart_rate":70,"note":"{}"}}"#, "x".repeat(40_000));
        device.publish("halo/v1/d/w-1/t", false, long).await;
        for beat in 0..100 {
            device.publish("halo/v1/d/w-1/t", false, format!(r#"{{"heart_rate":{beat}}}"#)).await;
        }
        reader.message().await;
        reader.subscribe("loop/#").await;
        let large = vec![b'y'; 60_000];
        reader.handle.publish("loop/large", QoS::AtLeastOnce, false, large.clone()).await.expect("queued");
        loop {
            let (topic, payload) = reader.message().await;
            if topic == "loop/large" {
                assert_eq!(payload, large);
                break;
            }
        }
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let mut plain = MqttOptions::new("plain", "localhost", port);
        plain.set_keep_alive(Duration::from_secs(5));
        for mistaken in [tls_client(port, "mistrusts", other.cert.der().clone()), plain] {
            let (_handle, mut events) = rumqttc::AsyncClient::new(mistaken, 8);
            assert!(events.poll().await.is_err());
        }
        device.publish("halo/v1/d/w-1/t", false, r#"{"heart_rate":71}"#).await;
    });
    assert_eq!(gateway.stop(), Some(0), "TLS connections end with the gateway");
}
