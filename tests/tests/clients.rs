//! MQTT clients that people use, each as a device and as a subscriber, in MQTT 3.1.1 and 5, against a gateway. Programs for
//! them stand in `clients/`; `.ci/run` installs what they need.

#[path = "clients/harness.rs"]
mod harness;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use halo_tests::{Failure, skip};
use harness::{Program, READINGS, Trial, is_there, node_modules, program};
use rumqttc::{AsyncClient, Event, LastWill, MqttOptions, Packet, QoS};

const LEVELS: [u8; 2] = [4, 5];

/// A device's whole life in each version, played by a program that says `acknowledged` when everything is.
async fn device(make: impl Fn() -> Command) -> Result<(), Failure> {
    for level in LEVELS {
        let trial = Trial::start().await?;
        let mut command = make();
        command.args([trial.host(), trial.port(), level.to_string(), trial.device(), trial.birth_file()?]);
        let mut device = Program::start(command)?;
        device.line(|line| line == "acknowledged")?;
        trial.heard(READINGS).await?;
        device.kill();
        trial.will().await?;
        trial.finish(READINGS).await?;
    }
    Ok(())
}

/// A subscriber in each version, played by a program that prints what it gets.
async fn subscriber(make: impl Fn(u8, &Trial, [&str; 2]) -> Command) -> Result<(), Failure> {
    for level in LEVELS {
        let trial = Trial::start().await?;
        trial.reading(0).await?;
        let command = make(level, &trial, ["halo/v1/readings/+/+", "halo/v1/halos/#"]);
        let mut subscriber = Program::start(command)?;
        // Subscribed in this order, so that the readings' turn has come when the halo is there.
        let halo = subscriber.line(|line| line.starts_with("halo/v1/halos/thing "))?;
        assert!(halo.contains("\"schema\":\"halo/1\""), "{halo}");
        trial.reading(1).await?;
        let reading = subscriber.line(|line| line.starts_with("halo/v1/readings/thing/thing "))?;
        assert!(reading.contains("\"schema\":\"readings/1\""), "{reading}");
        drop(subscriber);
        trial.finish(2).await?;
    }
    Ok(())
}

/// Arguments that every program of ours takes as a subscriber.
fn with_filters(mut command: Command, level: u8, trial: &Trial, filters: [&str; 2]) -> Command {
    command.args([trial.host(), trial.port(), level.to_string()]).args(filters);
    command
}

fn python(module: &str, file: &'static str) -> Option<impl Fn() -> Command> {
    let there = is_there(Command::new("python3").args(["-c", &format!("import {module}")]));
    if !there {
        skip(&format!("Python with {module} is not installed"));
    }
    there.then_some(move || {
        let mut command = Command::new("python3");
        command.arg(program(file));
        command
    })
}

fn node(file: &'static str) -> Option<impl Fn() -> Command> {
    let modules = node_modules();
    let there = modules.join("mqtt").exists() && is_there(Command::new("node").arg("--version"));
    if !there {
        skip(&format!("MQTT.js is not installed in {}", modules.display()));
    }
    there.then_some(move || {
        let mut command = Command::new("node");
        command.env("NODE_PATH", node_modules()).arg(program(file));
        command
    })
}

/// Compiles the program for Paho C; `name` keeps the tests' copies apart.
fn paho_c(name: &str) -> Option<PathBuf> {
    let binary = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("paho-c-{name}"));
    let mut compiler = Command::new("cc");
    compiler.args(["-Wall", "-Werror", "-o"]).arg(&binary).arg(program("paho.c")).arg("-lpaho-mqtt3c");
    let compiled = is_there(&mut compiler);
    if !compiled {
        skip("Paho C (libpaho-mqtt-dev) and a C compiler are not installed");
    }
    compiled.then_some(binary)
}

fn mosquitto(tool: &str) -> bool {
    let there = is_there(Command::new("sh").args(["-c", &format!("command -v {tool}")]));
    if !there {
        skip(&format!("{tool} is not installed"));
    }
    there
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paho_mqtt_is_a_device() -> Result<(), Failure> {
    let Some(make) = python("paho.mqtt.client", "paho_device.py") else { return Ok(()) };
    device(make).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paho_mqtt_is_a_subscriber() -> Result<(), Failure> {
    let Some(make) = python("paho.mqtt.client", "paho_subscriber.py") else { return Ok(()) };
    subscriber(|level, trial, filters| with_filters(make(), level, trial, filters)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aiomqtt_is_a_device() -> Result<(), Failure> {
    let Some(make) = python("aiomqtt", "aiomqtt_device.py") else { return Ok(()) };
    device(make).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aiomqtt_is_a_subscriber() -> Result<(), Failure> {
    let Some(make) = python("aiomqtt", "aiomqtt_subscriber.py") else { return Ok(()) };
    subscriber(|level, trial, filters| with_filters(make(), level, trial, filters)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mqtt_js_is_a_device() -> Result<(), Failure> {
    let Some(make) = node("mqttjs_device.cjs") else { return Ok(()) };
    device(make).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mqtt_js_is_a_subscriber() -> Result<(), Failure> {
    let Some(make) = node("mqttjs_subscriber.cjs") else { return Ok(()) };
    subscriber(|level, trial, filters| with_filters(make(), level, trial, filters)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paho_c_is_a_device() -> Result<(), Failure> {
    let Some(binary) = paho_c("device") else { return Ok(()) };
    device(|| {
        let mut command = Command::new(&binary);
        command.arg("device");
        command
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paho_c_is_a_subscriber() -> Result<(), Failure> {
    let Some(binary) = paho_c("subscriber") else { return Ok(()) };
    subscriber(|level, trial, filters| {
        let mut command = Command::new(&binary);
        command.arg("subscriber");
        with_filters(command, level, trial, filters)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_pub_is_a_device() -> Result<(), Failure> {
    if !mosquitto("mosquitto_pub") {
        return Ok(());
    }
    for version in ["mqttv311", "mqttv5"] {
        let trial = Trial::start().await?;
        let publish = |topic: &str, more: &[&str]| {
            let mut command = Command::new("mosquitto_pub");
            command.args(["-h", &trial.host(), "-p", &trial.port(), "-V", version, "-i", &trial.device(), "-q", "1"]);
            command.args(["-t", &trial.topic(topic)]).args(more);
            command
        };
        // It ends with 0 once everything is acknowledged.
        assert!(publish("birth", &["-r", "-f", &trial.birth_file()?]).status()?.success());
        for n in 0..3 {
            assert!(publish("t", &["-m", &Trial::payload(n)]).status()?.success());
        }
        let (state, will) = (trial.topic("state"), ["--will-payload", "offline", "--will-qos", "1", "--will-retain"]);
        let mut living = publish("t", &["-l", "--will-topic", &state]);
        living.args(will).stdin(Stdio::piped());
        let mut living = Program::start(living)?;
        living.say(&format!("{}\n{}\n", Trial::payload(3), Trial::payload(4)))?;
        trial.heard(READINGS).await?;
        living.kill();
        trial.will().await?;
        trial.finish(READINGS).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_sub_is_a_subscriber() -> Result<(), Failure> {
    if !mosquitto("mosquitto_sub") {
        return Ok(());
    }
    subscriber(|level, trial, [first, second]| {
        let mut command = Command::new("mosquitto_sub");
        let version = if level == 4 { "mqttv311" } else { "mqttv5" };
        command.args(["-h", &trial.host(), "-p", &trial.port(), "-V", version, "-q", "1", "-v"]);
        command.args(["-t", first, "-t", second]);
        command
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rumqttc_is_a_device_and_a_subscriber_in_3_1_1() -> Result<(), Failure> {
    let trial = Trial::start().await?;
    let options = |id: &str| MqttOptions::new(id, trial.host(), trial.address.port());
    let (listener, mut heard) = AsyncClient::new(options("listener"), 16);
    listener.subscribe("halo/v1/halos/#", QoS::AtLeastOnce).await?;
    let device = |from: u32, until: u32| {
        let (mut options, topic, state) = (options("thing"), trial.topic("t"), trial.topic("state"));
        options.set_last_will(LastWill::new(state, "offline", QoS::AtLeastOnce, true));
        async move {
            let (client, mut events) = AsyncClient::new(options, 16);
            for n in from..until {
                client.publish(&topic, QoS::AtLeastOnce, false, Trial::payload(n)).await?;
            }
            let mut acknowledged = from;
            while acknowledged < until {
                let acked = matches!(events.poll().await?, Event::Incoming(Packet::PubAck(_)));
                acknowledged += u32::from(acked);
            }
            Ok::<_, Failure>(())
        }
    };
    device(0, 3).await?;
    trial.will().await?;
    device(3, 5).await?;
    trial.heard(READINGS).await?;
    loop {
        if let Event::Incoming(Packet::Publish(publish)) = heard.poll().await? {
            assert_eq!(publish.topic, "halo/v1/halos/thing");
            break;
        }
    }
    trial.finish_without_birth(READINGS).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rumqttc_is_a_device_and_a_subscriber_in_5() -> Result<(), Failure> {
    use rumqttc::v5;
    let trial = Trial::start().await?;
    let options = |id: &str| v5::MqttOptions::new(id, trial.host(), trial.address.port());
    let (listener, mut heard) = v5::AsyncClient::new(options("listener"), 16);
    listener.subscribe("halo/v1/halos/#", v5::mqttbytes::QoS::AtLeastOnce).await?;
    let device = |from: u32, until: u32| {
        let (mut options, topic, state) = (options("thing"), trial.topic("t"), trial.topic("state"));
        let will = v5::mqttbytes::v5::LastWill::new(state, "offline", v5::mqttbytes::QoS::AtLeastOnce, true, None);
        options.set_last_will(will);
        async move {
            let (client, mut events) = v5::AsyncClient::new(options, 16);
            for n in from..until {
                client.publish(&topic, v5::mqttbytes::QoS::AtLeastOnce, false, Trial::payload(n)).await?;
            }
            let mut acknowledged = from;
            while acknowledged < until {
                let acked = matches!(events.poll().await?, v5::Event::Incoming(v5::Incoming::PubAck(_)));
                acknowledged += u32::from(acked);
            }
            Ok::<_, Failure>(())
        }
    };
    device(0, 3).await?;
    trial.will().await?;
    device(3, 5).await?;
    trial.heard(READINGS).await?;
    loop {
        if let v5::Event::Incoming(v5::Incoming::Publish(publish)) = heard.poll().await? {
            assert_eq!(publish.topic, "halo/v1/halos/thing");
            break;
        }
    }
    trial.finish_without_birth(READINGS).await
}
