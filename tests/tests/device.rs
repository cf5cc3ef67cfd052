//! The device side on bare metal: a Cortex-M4 image encodes frames, they go out over its serial line, through MQTT into
//! the real gateway, and end in a halo.

#[path = "device/costs.rs"]
mod costs;
#[path = "device/host.rs"]
mod host;

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use halo_firmware::{Config, Device};
use halo_proto::frame::{FrameWriter, Header, Text};
use halo_proto::mac::{SealingKey, seal};
use halo_tests::Failure;
use halo_tests::board::{self, Board};
use halo_tests::clock::{Stopwatch, pass};
use halo_tests::mqtt::{Client, Packet};
use halo_tests::process::{Gateway, run};
use rumqttc::{Connection, Event, Incoming, MqttOptions, QoS};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
/// What a line of the image starts and ends with: see `proto/cortex-m/src/bin/frames.rs`.
const FRAME_END: u8 = 0;
const ACKNOWLEDGED: u8 = 0x06;
const FRAMES: u64 = 6;

#[test]
fn frames_from_the_serial_line_of_a_cortex_m_end_in_a_halo() -> Result<(), Failure> {
    if !board::is_here() {
        return Ok(());
    }
    let image = board::image("frames", "release", &[])?;
    let folder = tempfile::tempdir()?;
    let gateway = Gateway::start(&folder.path().join("data"), SocketAddr::from(([127, 0, 0, 1], 0)), &[])?;
    let (board, mut to, mut from) = Board::start(&image)?;
    let mut options = MqttOptions::new("serial-line", "127.0.0.1", gateway.address().port());
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut connection) = rumqttc::Client::new(options, 4);
    let mut forwarded = 0;
    loop {
        let mut line = Vec::new();
        if from.read_until(FRAME_END, &mut line)? == 0 {
            break;
        }
        line.pop();
        let len = cobs::decode_in_place(&mut line).map_err(|error| format!("not COBS: {error:?}"))?;
        line.truncate(len);
        client.publish("halo/v1/d/band-1/t", QoS::AtLeastOnce, false, line)?;
        wait_for_puback(&mut connection)?;
        to.write_all(&[ACKNOWLEDGED])?;
        forwarded += 1;
    }
    assert!(board.end()?.success());
    assert_eq!(forwarded, FRAMES);

    let halo = halo_of(gateway.address(), "band-1", (FRAMES, 0))?;
    let value = |signal: &str| halo["signals"][signal]["value"].as_f64();
    assert_eq!(value("heart_rate"), Some(129.0));
    assert_eq!(value("steps"), Some(4265.0));
    assert_eq!(value("skin_temperature"), Some(33.12));
    let count = |signal: &str| halo["signals"][signal]["stats"]["15m"]["n"].as_u64();
    assert_eq!(
        (count("heart_rate"), count("steps"), count("skin_temperature")),
        (Some(60), Some(6), Some(5)),
        "{halo}"
    );
    assert_eq!((&halo["quality"]["missing"], &halo["quality"]["quarantined"]), (&0.into(), &0.into()));
    Ok(())
}

#[test]
fn the_firmware_skeleton_delivers_every_frame_once_over_connections_that_break() -> Result<(), Failure> {
    const WANTED: u32 = 4;
    let folder = tempfile::tempdir()?;
    let keys = key_file(folder.path(), "band-2", &hex(&SECRET))?;
    let data = folder.path().join("data");
    let gateway = Gateway::start(&data, SocketAddr::from(([127, 0, 0, 1], 0)), &[&keys])?;
    // CONNECT is one write, birth and frames are two each: the second connection is cut when it has sent the first frame.
    let host = host::Host::new(gateway.address(), vec![1, 5]);
    let config = Config { id: "band-2", password: None, key: Some(SealingKey::Mac8(&SECRET)), firmware: "1.4.2" };
    let mut device = Device::<_, 8, 128>::new(host, config);
    let watch = Stopwatch::new();
    while device.frames() < WANTED || !device.outbox().is_empty() {
        let wait_ms = device.step().map_err(|fault| format!("{fault:?}"))?;
        assert!(watch.elapsed() < PATIENCE, "{} frames made, {} waiting", device.frames(), device.outbox().len());
        // Its clock is ten times as fast; it looks at its line at least that often.
        pass(Duration::from_millis((wait_ms / 10).clamp(1, 5)));
    }
    let frames = u64::from(device.frames());
    assert_eq!(device.outbox().given_up(), 0);
    assert!(device.board().dials >= 3, "two connections were cut");
    let halo = halo_of(gateway.address(), "band-2", (frames, 0))?;
    let quality = |what: &str| halo["quality"][what].as_u64();
    assert_eq!(
        (quality("missing"), quality("conflicts"), quality("quarantined")),
        (Some(0), Some(0), Some(0)),
        "{halo}"
    );
    assert_eq!(halo["signals"]["heart_rate"]["value"].as_u64(), Some(60 + 10 * frames));
    assert_eq!(halo["signals"]["steps"]["value"].as_u64(), Some(20 * frames));
    Ok(())
}

#[test]
fn a_frame_with_a_wrong_or_missing_code_is_acknowledged_and_set_aside_with_the_reason() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let keys = key_file(folder.path(), "pacer-1", &hex(&SECRET))?;
    let data = folder.path().join("data");
    let gateway = Gateway::start(&data, SocketAddr::from(([127, 0, 0, 1], 0)), &[&keys])?;
    let (mut client, _) = Client::connect(gateway.address(), "pacer-1", true, PATIENCE)?;
    let sealed = [text_frame(0, Some(&SECRET))?, text_frame(1, Some(&[9; 16]))?, text_frame(2, None)?];
    for (id, frame) in (1..).zip(&sealed) {
        client.publish("halo/v1/d/pacer-1/t", frame, false, id)?;
        assert_eq!(client.read()?, Packet::Acked(id), "nothing is lost, whatever is believed");
    }
    client.publish("halo/v1/d/pacer-1/t", br#"{"heart_rate":30}"#, false, 4)?;
    assert_eq!(client.read()?, Packet::Acked(4));
    let halo = halo_of(gateway.address(), "pacer-1", (1, 3))?;
    assert!(halo["signals"]["heart_rate"].is_null(), "{halo}");
    let listed = run(&["quarantine", "list", "--json", "--data-dir", &data.display().to_string()])?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert_eq!(listed.matches("authentication code is wrong").count(), 1, "{listed}");
    assert_eq!(listed.matches("no authentication code").count(), 2, "{listed}");
    Ok(())
}

#[test]
fn a_key_file_that_others_may_read_keeps_the_gateway_from_starting() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let keys = key_file(folder.path(), "pacer-1", &hex(&SECRET))?;
    std::fs::set_permissions(folder.path().join("keys.toml"), std::fs::Permissions::from_mode(0o644))?;
    let started = Gateway::start(&folder.path().join("data"), SocketAddr::from(([127, 0, 0, 1], 0)), &[&keys]);
    let error = started.err().ok_or("it started")?.to_string();
    assert!(error.contains("chmod 600"), "{error}");
    Ok(())
}

const SECRET: [u8; 16] = [0x5A; 16];

/// Writes a key file with one device; the setting that names it.
fn key_file(folder: &Path, device: &str, key: &str) -> Result<String, Failure> {
    let path = folder.join("keys.toml");
    std::fs::write(&path, format!("[device.{device}]\nkind = \"mac8\"\nkey = \"{key}\"\n"))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(format!("ingest.keys=\"{}\"", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A frame with a text, sealed for `pacer-1`.
fn text_frame(seq: u32, secret: Option<&[u8]>) -> Result<Vec<u8>, Failure> {
    let mut out = [0; 128];
    let mut writer = FrameWriter::new(&mut out, &Header { schema: 1, boot: 1, seq, t0_ms: 1000 })?;
    writer.text(&Text { key: 1, val: "1.4.2" })?;
    Ok(match secret {
        Some(secret) => seal(writer, "pacer-1", SealingKey::Mac8(secret))?.to_vec(),
        None => writer.finish().to_vec(),
    })
}

fn wait_for_puback(connection: &mut Connection) -> Result<(), Failure> {
    loop {
        if let Event::Incoming(Incoming::PubAck(_)) = next_event(connection)? {
            return Ok(());
        }
    }
}

fn next_event(connection: &mut Connection) -> Result<Event, Failure> {
    let event = connection.recv_timeout(PATIENCE).map_err(|error| format!("no word of the gateway: {error:?}"))?;
    Ok(event?)
}

/// The retained halo of a subject, once it has taken so many frames and set so many aside.
fn halo_of(gateway: SocketAddr, subject: &str, (accepted, quarantined): (u64, u64)) -> Result<Value, Failure> {
    let (mut client, _) = Client::connect(gateway, "looker", true, PATIENCE)?;
    let mut packets = client.subscribe(&format!("halo/v1/halos/{subject}"))?.into_iter();
    loop {
        let packet = match packets.next() {
            Some(packet) => packet,
            None => client.read()?,
        };
        let Packet::Message(_, payload, id) = packet else { continue };
        if let Some(id) = id {
            client.acknowledge(id)?;
        }
        let halo: Value = serde_json::from_slice(&payload)?;
        let count = |what: &str| halo["quality"][what].as_u64();
        if count("accepted") == Some(accepted) && count("quarantined") == Some(quarantined) {
            return Ok(halo);
        }
    }
}
