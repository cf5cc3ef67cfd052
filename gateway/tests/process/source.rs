//! A gateway that reads from another broker, killed while it reads.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::{Client, Gateway, is_installed_or_skip, run, runtime};

const KILLS: usize = 5;
const FRAMES_EACH: usize = 100;

struct Mosquitto(Child, SocketAddr);

impl Mosquitto {
    fn start(folder: &Path) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
        let config = folder.join("mosquitto.conf");
        let port = address.port();
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n");
        std::fs::write(&config, text).expect("written");
        let mut command = Command::new("mosquitto");
        command.env("PATH", path()).arg("-c").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("it starts");
        while TcpStream::connect(address).is_err() {
            std::thread::yield_now();
        }
        Self(process, address)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Debian puts daemons where a user's path may not lead.
fn path() -> String {
    format!("/usr/sbin:{}", std::env::var("PATH").unwrap_or_default())
}

#[test]
fn what_a_broker_acknowledged_is_stored_once_when_the_gateway_is_killed_while_it_reads() {
    if !is_installed_or_skip("mosquitto_pub") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mosquitto, data) = (Mosquitto::start(folder.path()), folder.path().join("data"));
    let config = folder.path().join("gateway.toml");
    let text =
        format!("[[source]]\nname = \"site\"\nurl = \"mqtt://{}\"\nversion = 4\nretry_max = \"100ms\"\n", mosquitto.1);
    std::fs::write(&config, text).expect("written");
    runtime().block_on(async {
        let mut gateway = Gateway::start_with(&config, &data);
        let mut device = Client::connect(mosquitto.1, "device").await;
        wait_for(&gateway, &mut device, 0).await;
        for round in 0..KILLS {
            for n in 0..FRAMES_EACH {
                let time = 1_700_000_000 + round * FRAMES_EACH + n;
                device.publish("halo/v1/d/w/t", false, format!("{{\"time\":{time},\"hr\":{n}}}")).await;
                if n == FRAMES_EACH / 2 {
                    gateway.kill();
                    gateway = Gateway::start_with(&config, &data);
                }
            }
        }
        wait_for(&gateway, &mut device, 1).await;
        assert_eq!(gateway.stop(), Some(0));
    });
    let dump = run(&["log", "dump", "--json", &data.display().to_string()]);
    let mut stored = Vec::new();
    for line in String::from_utf8(dump.stdout).expect("UTF-8").lines() {
        let record: Value = serde_json::from_str(line).expect("JSON");
        if record["kind"] == "frame" && record["device"] == "w" {
            stored.push(record["payload"].as_str().expect("a string").to_owned());
        }
    }
    assert_eq!(stored.len(), KILLS * FRAMES_EACH, "each once");
    assert_eq!(stored.iter().collect::<BTreeSet<_>>().len(), stored.len());
}

/// Until the gateway's own subscribers get the readings of a frame published at the other broker.
async fn wait_for(gateway: &Gateway, device: &mut Client, mark: usize) {
    let mut subscriber = Client::connect(gateway.address, "integrator").await;
    subscriber.subscribe("halo/v1/readings/mark/mark").await;
    let time = 1_700_000_000 + mark;
    // Sent before the gateway has subscribed for the first time, it would not be delivered.
    loop {
        device.publish("halo/v1/d/mark/t", false, format!("{{\"time\":{time},\"mark\":{mark}}}")).await;
        let heard = tokio::time::timeout(std::time::Duration::from_millis(300), subscriber.message()).await;
        if heard.is_ok() {
            return;
        }
    }
}
