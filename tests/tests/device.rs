//! The device side on bare metal: a Cortex-M4 image encodes frames, they go out over its serial line, through MQTT into
//! the real gateway, and end in a halo.

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::time::Duration;

use halo_tests::board::{self, Board};
use halo_tests::mqtt::{Client, Packet};
use halo_tests::process::Gateway;
use halo_tests::Failure;
use rumqttc::{Connection, Event, Incoming, MqttOptions, QoS};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
/// What a line of the image starts and ends with: see `proto/cortex-m/src/bin/frames.rs`.
const FRAME_END: u8 = 0;
const ACKNOWLEDGED: u8 = 0x06;
const FRAMES: u64 = 6;
/// Most stack that encoding a frame may take on the board, bytes, every call and saved register included: 570 to 640 when
/// this was written, 224 of them the tally that finds the cheapest codes.
const STACK_MAX: u32 = 704;

#[test]
fn frames_from_the_serial_line_of_a_cortex_m_end_in_a_halo() -> Result<(), Failure> {
    if !board::is_here() {
        return Ok(());
    }
    let image = board::image("frames", "release")?;
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

    let halo = halo_of(gateway.address(), "band-1", FRAMES)?;
    let value = |signal: &str| halo["signals"][signal]["value"].as_f64();
    assert_eq!(value("heart_rate"), Some(129.0));
    assert_eq!(value("steps"), Some(4265.0));
    assert_eq!(value("skin_temperature"), Some(33.12));
    let count = |signal: &str| halo["signals"][signal]["stats"]["15m"]["n"].as_u64();
    assert_eq!((count("heart_rate"), count("steps"), count("skin_temperature")), (Some(60), Some(6), Some(5)), "{halo}");
    assert_eq!((&halo["quality"]["missing"], &halo["quality"]["quarantined"]), (&0.into(), &0.into()));
    Ok(())
}

#[test]
fn encoding_a_frame_on_a_cortex_m_keeps_within_its_stack() -> Result<(), Failure> {
    if !board::is_here() {
        return Ok(());
    }
    for profile in ["release", "small"] {
        let said = Board::run(&board::image("figures", profile)?)?;
        println!("{profile}:\n{said}");
        let stacks: Vec<u32> = said.lines().filter_map(|line| word_after(line, "stack")?.parse().ok()).collect();
        assert_eq!(stacks.len(), 2, "{said}");
        assert!(stacks.iter().all(|stack| (64..=STACK_MAX).contains(stack)), "{profile}: {said}");
    }
    Ok(())
}

fn word_after<'a>(line: &'a str, label: &str) -> Option<&'a str> {
    line.split_whitespace().skip_while(|word| *word != label).nth(1)
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

/// The retained halo of a subject, once it has taken so many frames.
fn halo_of(gateway: SocketAddr, subject: &str, frames: u64) -> Result<Value, Failure> {
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
        if halo["quality"]["accepted"].as_u64() == Some(frames) {
            return Ok(halo);
        }
    }
}
