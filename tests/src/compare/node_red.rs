//! Node-RED behind a mosquitto: the same job as it is usually built, in memory.
//!
//! **An easier job than the gateway's.** Its flow is handed the same frames, and takes each byte behind the header as a
//! sample: about as many samples as there are, and no bits to unpack. It keeps count, mean, deviation, least and most of
//! each device, not of each signal, and publishes these seven numbers, not the samples. Nothing is durable.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use firmware_sim::Broker;
use firmware_sim::bench::{self, Plan};
use serde_json::{Value, json};

use super::goal::Skipped;
use crate::Failure;
use crate::clock::Stopwatch;

const RELEASE: &str = "node-red@4";
/// Longest wait until its first message comes through.
const PATIENCE: Duration = Duration::from_secs(60);

const FUNCTION: &str = r#"
const b = msg.payload, device = msg.topic.split("/")[3];
let all = context.get("all");
if (!all) { all = {}; context.set("all", all); }
const s = all[device] || (all[device] = { n: 0, mean: 0, m2: 0, min: 255, max: 0 });
const seq = (b[6] & 127) | (b[7] & 127) << 7 | (b[8] & 127) << 14 | (b[9] & 127) << 21;
for (let i = 15; i < b.length; i++) {
    const x = b[i], d = x - s.mean;
    s.n++; s.mean += d / s.n; s.m2 += d * (x - s.mean);
    if (x < s.min) s.min = x;
    if (x > s.max) s.max = x;
}
msg.topic = "halo/v1/readings/" + device + "/" + device;
msg.payload = JSON.stringify({ device, seq, arrival: Date.now(), n: s.n, mean: s.mean,
    sd: Math.sqrt(s.m2 / s.n), min: s.min, max: s.max });
return msg;
"#;

const SETTINGS: &str = "module.exports = { flowFile: 'flow.json', disableEditor: true, httpAdminRoot: false,
  httpNodeRoot: false, logging: { console: { level: 'warn' } } };\n";

/// A running one; ends when dropped.
pub(super) struct NodeRed {
    process: Child,
    _folder: tempfile::TempDir,
}

impl NodeRed {
    /// Starts it behind the broker, and waits until a message comes through.
    pub(super) fn start(broker: SocketAddr) -> Result<Self, Failure> {
        let program = install()?;
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("settings.js"), SETTINGS)?;
        fs::write(folder.path().join("flow.json"), flow(broker).to_string())?;
        let mut command = Command::new("node");
        command.arg(program).arg("--userDir").arg(folder.path()).args(["--port", "0"]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let started = Self { process, _folder: folder };
        started.wait(broker)?;
        Ok(started)
    }

    fn wait(&self, broker: SocketAddr) -> Result<(), Failure> {
        let watch = Stopwatch::new();
        let knock = Plan {
            connections: 1,
            devices: 1,
            messages: Some(1),
            subscribers: 1,
            drain: Duration::from_millis(500),
            prefix: "knock-".to_owned(),
            ..Plan::new(Broker::from(broker))
        };
        while watch.elapsed() < PATIENCE {
            if bench::run(&knock, &mut |_| {})?.is_complete() {
                return Ok(());
            }
        }
        Err(format!("nothing came out of Node-RED within {PATIENCE:?}").into())
    }
}

impl Drop for NodeRed {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is reaped.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Of what is installed.
pub(super) fn version() -> Option<String> {
    let text = fs::read(folder().ok()?.join("node_modules/node-red/package.json")).ok()?;
    let about: Value = serde_json::from_slice(&text).ok()?;
    Some(about["version"].as_str()?.to_owned())
}

/// Beside the program, in the build's own folder.
fn folder() -> Result<PathBuf, Failure> {
    let this = std::env::current_exe()?;
    let target = this.ancestors().nth(2).ok_or("this program lies nowhere")?;
    Ok(target.join("compare/node-red"))
}

/// Its main file; fetched by npm the first time.
fn install() -> Result<PathBuf, Failure> {
    let (folder, program) = (folder()?, Path::new("node_modules/node-red/red.js"));
    if !folder.join(program).is_file() {
        for tool in ["node", "npm"] {
            let there = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            if !there.is_ok_and(|status| status.success()) {
                return Err(Skipped(format!("{tool} is not installed")).into());
            }
        }
        eprintln!("installing {RELEASE} into {}", folder.display());
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("package.json"), "{\"private\":true}\n")?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--silent", RELEASE]).current_dir(&folder);
        if !npm.stdout(Stdio::null()).status()?.success() {
            return Err(Skipped(format!("npm could not install {RELEASE}")).into());
        }
    }
    Ok(folder.join(program))
}

fn flow(broker: SocketAddr) -> Value {
    json!([
        {"id": "tab", "type": "tab", "label": "readings"},
        {"id": "broker", "type": "mqtt-broker", "name": "", "broker": broker.ip().to_string(),
         "port": broker.port().to_string(), "clientid": "node-red", "autoConnect": true, "usetls": false,
         "protocolVersion": "4", "keepalive": "60", "cleansession": true},
        {"id": "in", "type": "mqtt in", "z": "tab", "topic": "halo/v1/d/+/t", "qos": "0", "datatype": "buffer",
         "broker": "broker", "wires": [["fold"]]},
        {"id": "fold", "type": "function", "z": "tab", "func": FUNCTION, "outputs": 1, "wires": [["out"]]},
        {"id": "out", "type": "mqtt out", "z": "tab", "topic": "", "qos": "0", "retain": "false", "broker": "broker",
         "wires": []},
    ])
}
