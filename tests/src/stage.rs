//! A situation on stage: the real gateway with its configuration, made ready by its own commands; simulated devices that
//! publish to it as fast as they are acknowledged; and an integrator who listens.

mod script;

use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use firmware_sim::{Delivery, Step};
use halo_gateway::situations::{Situation, named};
use serde_json::Value;
use tempfile::TempDir;

use crate::Failure;
use crate::clock::unix_ms;
use crate::mqtt::{Client, Packet};
use crate::process::{self, Gateway};
use crate::sparks::Spark;
pub use script::Script;

const PATIENCE: Duration = Duration::from_secs(30);
/// Frames on their way at a time.
const WINDOW: usize = 20;
/// Rules of the stage's own, about a subject no situation has: what they tell comes behind all that was said before, and
/// of the second also behind what the gateway does at most once a second (ranks), or a cohort every two.
const CURTAINS: &str = "
[[rule]]
name = 'curtain'
about = { subject = 'curtain' }
when = 'a.signals.battery.value > 50'
cmd = true

[[rule]]
name = 'late-curtain'
about = { subject = 'late-curtain' }
when = 'a.signals.battery.value > 50'
hold = '3s'
cmd = true
";

/// See the module's text.
pub struct Stage {
    folder: TempDir,
    situation: &'static Situation,
    gateway: Gateway,
    ears: Client,
    mouth: Client,
    packet: u16,
    /// Publishes that are not acknowledged.
    pending: usize,
    /// Messages that came and were not asked for.
    heard: Vec<Heard>,
}

/// A message an integrator, or a device, has got.
#[derive(Clone, Debug)]
pub enum Heard {
    /// On a topic of sparks: of the subject, or of who offers it.
    Spark(String, Box<Spark>),
    /// On a device's topic: which, and what.
    Cmd(String, Value),
    /// On any other topic.
    Document(String, Value),
}

impl Stage {
    /// Sets the stage; `sets` go before what the situation's configuration says.
    ///
    /// # Errors
    /// The gateway does not start, or does not take configuration or commands.
    pub fn set(name: &str, sets: &[&str]) -> Result<Self, Failure> {
        let situation = named(name).ok_or("no such situation")?;
        let folder = tempfile::tempdir()?;
        situation.load(folder.path())?;
        let zones = folder.path().join("zones.geojson");
        let map = format!("halo.zones.file={}", zones.display());
        let sets: Vec<&str> = sets.iter().copied().chain(zones.exists().then_some(map.as_str())).collect();
        let config = folder.path().join("situation.toml");
        hang_curtains(&config)?;
        let (data, address) = (folder.path().join("data"), SocketAddr::from(([127, 0, 0, 1], 0)));
        let gateway = Gateway::start_with(Some(&config), &data, address, &sets)?;
        let (mut ears, _) = Client::connect(gateway.address(), "integrator", true, PATIENCE)?;
        ears.subscribe("halo/v1/sparks/#")?;
        ears.subscribe("halo/v1/d/+/cmd")?;
        let (mouth, _) = Client::connect(gateway.address(), "devices", true, PATIENCE)?;
        let stage = Self { folder, situation, gateway, ears, mouth, packet: 0, pending: 0, heard: Vec::new() };
        for line in situation.setup.lines() {
            stage.run(line)?;
        }
        Ok(stage)
    }

    /// Runs a command of `halo-gateway` against the gateway; files are looked for among the situation's.
    ///
    /// # Errors
    /// It fails.
    pub fn run(&self, line: &str) -> Result<Vec<u8>, Failure> {
        let file = |word: &str| match self.situation.files.iter().any(|(name, _)| *name == word) {
            true => self.folder.path().join(word).display().to_string(),
            false => word.to_owned(),
        };
        let mut words: Vec<String> = line.split_whitespace().map(file).collect();
        words.extend(["--data-dir".to_owned(), self.folder.path().join("data").display().to_string()]);
        let output = process::run(&words.iter().map(String::as_str).collect::<Vec<_>>())?;
        if !output.status.success() {
            return Err(format!("{line}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(output.stdout)
    }

    /// The halo of a subject, once all that was said by now is in it.
    ///
    /// # Errors
    /// There is none; and as [`Self::settled`].
    pub fn halo(&mut self, subject: &str) -> Result<Value, Failure> {
        self.settled()?;
        Ok(serde_json::from_slice(&self.run(&format!("subject show {subject} --json"))?)?)
    }

    /// What the devices of a scenario will do, in order of time: a recording that ends now.
    ///
    /// # Errors
    /// The simulator does not know the scenario.
    pub fn script(&self, name: &str, devices: u32, lasting: Duration, seed: u64) -> Result<Script, Failure> {
        Script::of(name, devices, lasting, seed, unix_ms())
    }

    /// The same of devices that know the time: a recording that ended at Unix time `end_ms`, at whatever hour it is played.
    ///
    /// # Errors
    /// As [`Self::script`].
    pub fn recording(
        &self,
        name: &str,
        devices: u32,
        lasting: Duration,
        seed: u64,
        end_ms: i64,
    ) -> Result<Script, Failure> {
        Script::of(name, devices, lasting, seed, end_ms)
    }

    /// Publishes with QoS 1 and waits for the acknowledgement.
    ///
    /// # Errors
    /// It is not acknowledged.
    pub fn publish(&mut self, topic: &str, retain: bool, payload: &[u8]) -> Result<(), Failure> {
        self.send(topic, retain, payload)?;
        self.settle(0)
    }

    /// Publishes, with at most a window of what is not acknowledged yet.
    fn send(&mut self, topic: &str, retain: bool, payload: &[u8]) -> Result<(), Failure> {
        self.packet = self.packet.checked_add(1).unwrap_or(1);
        self.mouth.publish(topic, payload, retain, self.packet)?;
        self.pending += 1;
        self.settle(WINDOW)
    }

    /// Waits until no more than `left` are not acknowledged.
    fn settle(&mut self, left: usize) -> Result<(), Failure> {
        while self.pending > left {
            match self.mouth.read()? {
                Packet::Acked(_) => self.pending -= 1,
                other => return Err(format!("instead of a PUBACK: {other:?}").into()),
            }
        }
        Ok(())
    }

    /// Plays on until a step has been played of which `is_enough` is true, or to the end; the last step played.
    ///
    /// # Errors
    /// The gateway does not take a frame.
    pub fn play(
        &mut self,
        script: &mut Script,
        mut is_enough: impl FnMut(&str, &Step) -> bool,
    ) -> Result<Option<(String, Step)>, Failure> {
        while let Some((id, step)) = script.steps.pop_front() {
            for delivery in &step.delivered {
                match delivery {
                    Delivery::Birth(payload) => self.send(&format!("halo/v1/d/{id}/birth"), true, payload)?,
                    Delivery::Frame(payload) => self.send(&format!("halo/v1/d/{id}/t"), false, payload)?,
                }
            }
            if is_enough(&id, &step) {
                self.settle(0)?;
                return Ok(Some((id, step)));
            }
        }
        self.settle(0)?;
        Ok(None)
    }

    /// Waits for a message; what comes before it is kept for whoever asks for it later.
    ///
    /// # Errors
    /// It does not come; with what did.
    pub fn hear(&mut self, what: &str, wanted: impl Fn(&Heard) -> bool) -> Result<Heard, Failure> {
        if let Some(at) = self.heard.iter().position(&wanted) {
            return Ok(self.heard.remove(at));
        }
        loop {
            let packet = self.ears.read().map_err(|error| {
                format!("{what} did not come ({error}), but {:#?}; {:?}", self.heard, self.gateway.log_lines())
            })?;
            let Packet::Message(topic, payload, id) = packet else { continue };
            id.map(|id| self.ears.acknowledge(id)).transpose()?;
            let heard = Heard::read(topic, &payload)?;
            if wanted(&heard) {
                return Ok(heard);
            }
            self.heard.push(heard);
        }
    }

    /// Waits for a turn of a spark on the subject's own topic.
    ///
    /// # Errors
    /// As [`Self::hear`].
    pub fn spark(&mut self, state: &str, rule: &str, subject: &str) -> Result<Spark, Failure> {
        let topic = format!("halo/v1/sparks/{subject}/{rule}");
        let is_it =
            |heard: &Heard| matches!(heard, Heard::Spark(on, spark) if *on == topic && spark.is(state, rule, subject));
        match self.hear(&format!("{rule} of {subject}, {state},"), is_it)? {
            Heard::Spark(_, spark) => Ok(*spark),
            Heard::Cmd(..) | Heard::Document(..) => Err("no spark".into()),
        }
    }

    /// Waits for a message to a device about a rule.
    ///
    /// # Errors
    /// As [`Self::hear`].
    pub fn cmd(&mut self, device: &str, state: &str, rule: &str) -> Result<Value, Failure> {
        let is_it = |heard: &Heard| match heard {
            Heard::Cmd(to, cmd) => {
                *to == device && cmd["schema"] == "cmd/1" && cmd["state"] == state && cmd["rule"] == rule
            }
            Heard::Spark(..) | Heard::Document(..) => false,
        };
        match self.hear(&format!("cmd to {device}, {rule} {state},"), is_it)? {
            Heard::Cmd(_, cmd) => Ok(cmd),
            Heard::Spark(..) | Heard::Document(..) => Err("no cmd".into()),
        }
    }

    /// A device answers a spark.
    ///
    /// # Errors
    /// The gateway does not take it.
    pub fn answer(&mut self, device: &str, spark: &str, answer: &str) -> Result<(), Failure> {
        let payload = serde_json::json!({"spark": spark, "answer": answer}).to_string();
        self.publish(&format!("halo/v1/d/{device}/answer"), false, payload.as_bytes())
    }

    /// The integrator listens to more topics than those of sparks and devices.
    ///
    /// # Errors
    /// The gateway does not let it.
    pub fn listen(&mut self, filter: &str) -> Result<(), Failure> {
        for packet in self.ears.subscribe(filter)? {
            let Packet::Message(topic, payload, id) = packet else { continue };
            id.map(|id| self.ears.acknowledge(id)).transpose()?;
            self.heard.push(Heard::read(topic, &payload)?);
        }
        Ok(())
    }

    /// Waits until all that was published and said by now is folded, what follows from it is decided, and what follows
    /// from that: what has not been heard by then is not told. Sparks and messages to devices leave in order of the log.
    ///
    /// # Errors
    /// The gateway does not get that far.
    pub fn settled(&mut self) -> Result<(), Failure> {
        // Each turn stands in the log behind what was decided before the last one was told.
        self.curtain("curtain", 100, "raised")?;
        self.curtain("curtain", 0, "cleared")
    }

    /// As [`Self::settled`], and all that the gateway does from time to time alone (ranks, cohorts) is done with it.
    ///
    /// # Errors
    /// As [`Self::settled`].
    pub fn settled_for_long(&mut self) -> Result<(), Failure> {
        self.curtain("late-curtain", 100, "raised")?;
        self.curtain("late-curtain", 0, "cleared")?;
        self.settled()
    }

    fn curtain(&mut self, name: &str, battery: u8, state: &str) -> Result<(), Failure> {
        let payload = serde_json::json!({ "battery": battery }).to_string();
        self.publish(&format!("halo/v1/d/{name}/t"), false, payload.as_bytes())?;
        self.spark(state, name, name)?;
        self.cmd(name, if state == "raised" { "offered" } else { state }, name).map(drop)
    }

    /// What came for a device about sparks and was not asked for.
    pub fn told(&self, device: &str) -> Vec<Value> {
        let cmds = self.heard.iter().filter_map(|heard| match heard {
            Heard::Cmd(to, cmd) if to == device && cmd["schema"] == "cmd/1" => Some(cmd.clone()),
            _ => None,
        });
        cmds.collect()
    }

    /// What was raised by a rule, told on the subject's own topic, and not asked for.
    pub fn raised(&self, rule: &str) -> Vec<Spark> {
        let is_own = |topic: &str, spark: &Spark| topic == format!("halo/v1/sparks/{}/{rule}", spark.subject);
        let sparks = self.heard.iter().filter_map(|heard| match heard {
            Heard::Spark(topic, spark) if is_own(topic, spark) && spark.state == "raised" => Some((**spark).clone()),
            _ => None,
        });
        sparks.collect()
    }

    /// What came and was not asked for, of one rule.
    pub fn left(&self, rule: &str) -> Vec<Spark> {
        let sparks = self.heard.iter().filter_map(|heard| match heard {
            Heard::Spark(_, spark) if spark.rule == rule => Some((**spark).clone()),
            _ => None,
        });
        sparks.collect()
    }
}

fn hang_curtains(config: &Path) -> Result<(), Failure> {
    Ok(OpenOptions::new().append(true).open(config)?.write_all(CURTAINS.as_bytes())?)
}

impl Heard {
    fn read(topic: String, payload: &[u8]) -> Result<Self, Failure> {
        if topic.starts_with("halo/v1/sparks/") {
            let spark = Spark::read(&topic, payload)?;
            return Ok(Self::Spark(topic, Box::new(spark)));
        }
        let document = serde_json::from_slice(payload)?;
        let device = topic.strip_prefix("halo/v1/d/").and_then(|rest| rest.strip_suffix("/cmd")).map(str::to_owned);
        Ok(match device {
            Some(device) => Self::Cmd(device, document),
            None => Self::Document(topic, document),
        })
    }
}
