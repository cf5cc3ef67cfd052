//! Recordings of real machines, end to end: simulator → MQTT → log → fold → a paho-mqtt subscriber. Every value arrives,
//! equal, in order and once, and the halos at the end are what the recordings say.

use std::collections::BTreeMap;
use std::time::Duration;

use firmware_sim::{FleetConfig, Protocol, Speed, Summary, read_cmapss, read_csv};
use halo_gateway::config::Config;
use halo_tests::paho::{self, Version};
use halo_tests::readings::{Message, by_device};
use halo_tests::recording::{self, Column, Exact, Row, Rows};
use halo_tests::{data, replay, skip};
use serde_json::{Value, json};

/// Rows are a second apart, so a frame has ten.
const PERIOD: Duration = Duration::from_secs(10);

const fn column(name: &'static str, unit: &'static str, num: u32, den: u32) -> Column {
    Column { name, unit, num, den }
}

/// A column of decimals.
const fn decimal(name: &'static str, unit: &'static str) -> Column {
    column(name, unit, 1, 1)
}

/// After unit and cycle: three settings and the 21 sensors of Saxena et al., "Damage propagation modeling", table 2.
const TURBOFAN: [Column; 24] = [
    decimal("setting_1", "1"),
    decimal("setting_2", "1"),
    decimal("setting_3", "1"),
    decimal("t2", "[degR]"),
    decimal("t24", "[degR]"),
    decimal("t30", "[degR]"),
    decimal("t50", "[degR]"),
    decimal("p2", "[psi]"),
    decimal("p15", "[psi]"),
    decimal("p30", "[psi]"),
    decimal("nf", "/min"),
    decimal("nc", "/min"),
    decimal("epr", "1"),
    decimal("ps30", "[psi]"),
    decimal("phi", "[lb_av]/s/[psi]"),
    decimal("nrf", "/min"),
    decimal("nrc", "/min"),
    decimal("bpr", "1"),
    decimal("far_b", "1"),
    decimal("ht_bleed", "1"),
    decimal("nf_demanded", "/min"),
    decimal("pcnfr_demanded", "%"),
    decimal("w31", "[lb_av]/s"),
    decimal("w32", "[lb_av]/s"),
];

/// After `t_ms`: the file's headers say what each integer counts, SAE J1979 says what it means.
const OBD: [Column; 21] = [
    column("rpm", "/min", 1, 4),                     // rpm_q4
    column("speed", "km/h", 1, 1),                   // speed_kmh
    column("throttle", "%", 100, 255),               // throttle_255
    column("engine_load", "%", 100, 255),            // load_255
    column("coolant_temperature", "Cel", 1, 1),      // coolant_c
    column("long_term_fuel_trim", "%", 100, 128),    // ltft_128
    column("short_term_fuel_trim", "%", 100, 128),   // stft_128
    column("intake_pressure", "kPa", 1, 1),          // map_kpa
    column("fuel_level", "%", 100, 255),             // fuel_255
    column("throttle_b", "%", 100, 255),             // absthrB_255
    column("pedal_d", "%", 100, 255),                // pedalD_255
    column("pedal_e", "%", 100, 255),                // pedalE_255
    column("throttle_commanded", "%", 100, 255),     // thr_act_255
    column("lambda_commanded", "1", 1, 10_000),      // lambda_e4
    column("barometric_pressure", "kPa", 1, 1),      // baro_kpa
    column("throttle_relative", "%", 100, 255),      // relthr_255
    column("intake_temperature", "Cel", 1, 1),       // iat_c
    column("timing_advance", "deg", 1, 2),           // timing_half
    column("catalyst_temperature_1", "Cel", 1, 10),  // cat1_10
    column("catalyst_temperature_2", "Cel", 1, 10),  // cat2_10
    column("control_module_voltage", "V", 1, 1_000), // volt_mv
];

#[tokio::test(flavor = "multi_thread")]
async fn the_fd001_test_set_reaches_a_subscriber_value_by_value() {
    let Some(path) = data::find_or_skip("turbofan/test_FD001.txt") else { return };
    if !paho::is_installed() {
        return skip("python3 with paho-mqtt is not installed");
    }
    let expected = recording::cmapss(&path, "fd001", &TURBOFAN).unwrap();
    let mut config = Config::default();
    // A hundred engines send as fast as they are acknowledged: the whole recording may wait for Python.
    (config.broker.queue_messages_max, config.broker.queue_bytes_max) = (100_000, 64 << 20);
    let series = read_cmapss(&path, None, Duration::from_secs(1)).unwrap();
    let fleet = FleetConfig { period: PERIOD, speed: Speed::Max, ..replay::recorded(series) };
    let run = replay::run(config, fleet, Version::V5).await.unwrap();

    expect_all_acknowledged(&run.fleet, 100);
    let arrived = by_device(run.messages, 1).unwrap();
    assert_eq!(expect_equal(&expected, &arrived, &TURBOFAN), 314_304);
    expect_halos(&expected, &arrived, &run.halos, &TURBOFAN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_drive_reaches_a_subscriber_with_default_limits_value_by_value() {
    let Some(path) = data::find_or_skip("wire/series/carobd_real.csv") else { return };
    if !paho::is_installed() {
        return skip("python3 with paho-mqtt is not installed");
    }
    let expected = recording::csv(&path, "car-1", &OBD).unwrap();
    let series = vec![read_csv("car-1", &[path]).unwrap()];
    // 271 frames in five and a half seconds: more bytes than a queue holds, at a pace any reader keeps up with.
    let (speed, protocol) = (Speed::Times(500.0), Protocol::V5);
    let fleet = FleetConfig { period: PERIOD, speed, protocol, ..replay::recorded(series) };
    let run = replay::run(Config::default(), fleet, Version::V311).await.unwrap();

    expect_all_acknowledged(&run.fleet, 1);
    let arrived = by_device(run.messages, 1).unwrap();
    assert_eq!(expect_equal(&expected, &arrived, &OBD), 2_709 * 21);
    expect_halos(&expected, &arrived, &run.halos, &OBD);
}

fn expect_all_acknowledged(fleet: &Summary, devices: u64) {
    let Summary { frames, connects, .. } = *fleet;
    assert!(frames > 0 && connects == devices, "{fleet}");
    assert_eq!((fleet.devices, fleet.sent, fleet.acked, fleet.resent), (devices, frames, frames, 0), "{fleet}");
}

/// Compares the rows of each device with the readings that arrived, one by one in both orders; gives their number.
fn expect_equal(expected: &Rows, arrived: &BTreeMap<String, Vec<Message>>, columns: &[Column]) -> usize {
    assert!(expected.keys().eq(arrived.keys()), "devices: {:?}", arrived.keys());
    let mut values = 0;
    for (device, rows) in expected {
        let mut rows = rows.iter();
        for message in &arrived[device] {
            assert_eq!((&message.subject, &*message.clock), (device, "synced"), "{}", message.mid);
            assert_eq!(message.signals.len(), columns.len(), "{}", message.mid);
            let len = message.signals.values().next().unwrap().t.len();
            for (at, row) in rows.by_ref().take(len).enumerate() {
                expect_row(row, message, at, columns);
                values += row.values.len();
            }
            // A reading too many would have no row to be compared with.
            assert!(message.signals.values().all(|signal| signal.t.len() == len), "{}", message.mid);
        }
        assert_eq!(rows.count(), 0, "rows of {device} that did not arrive");
    }
    let sent = |message: &Message| message.signals.values().map(|signal| signal.v.len()).sum::<usize>();
    assert_eq!(values, arrived.values().flatten().map(sent).sum::<usize>(), "readings without a row");
    values
}

fn expect_row(row: &Row, message: &Message, at: usize, columns: &[Column]) {
    for (column, value) in columns.iter().zip(&row.values) {
        let signal = &message.signals[column.name];
        let place = || format!("{} of {} at {} ms", column.name, message.device, row.at_ms);
        assert_eq!(signal.unit, column.unit, "{}", place());
        assert_eq!(signal.t[at] - message.offset_ms, row.at_ms, "{}", place());
        let reading = Exact::scaled(signal.v[at], signal.num, signal.den);
        assert!(reading.equals(*value), "{}: {reading:?}, wanted {value:?}", place());
    }
}

/// The halo of each device's subject: the last row, the statistics of all rows, and no frame that went another way.
fn expect_halos(
    expected: &Rows,
    arrived: &BTreeMap<String, Vec<Message>>,
    halos: &BTreeMap<String, Value>,
    columns: &[Column],
) {
    assert!(expected.keys().eq(halos.keys()), "subjects: {:?}", halos.keys());
    for (device, rows) in expected {
        let halo = &halos[device];
        let quality = json!({
            "accepted": arrived[device].len(), "gaps": 0, "missing": 0, "duplicates": 0, "late": 0, "conflicts": 0,
            "quarantined": 0, "suspect": 0,
        });
        assert_eq!(halo["quality"], quality, "{device}");
        assert_eq!(halo["presence"][device]["state"], "offline", "{device}");
        assert_eq!(halo["signals"].as_object().unwrap().len(), columns.len(), "{device}");
        for (index, column) in columns.iter().enumerate() {
            let values: Vec<f64> = rows.iter().map(|row| row.values[index].as_f64()).collect();
            expect_signal(&values, &halo["signals"][column.name], device, column);
        }
    }
}

fn expect_signal(values: &[f64], signal: &Value, device: &str, column: &Column) {
    let (last, day) = (*values.last().unwrap(), &signal["stats"]["24h"]);
    let said = (&signal["device"], &signal["unit"], &signal["quality"], &day["n"]);
    let wanted = (&json!(device), &json!(column.unit), &json!("good"), &json!(values.len()));
    assert_eq!(said, wanted, "{device} {}", column.name);
    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    for (field, wanted) in [(&signal["value"], last), (&day["min"], min), (&day["max"], max), (&day["mean"], mean)] {
        let got = field.as_f64().unwrap();
        // Both are rounded to doubles, the mean in another order.
        assert!(
            (got - wanted).abs() <= 1e-9 * wanted.abs().max(1.0),
            "{device} {}: {got}, wanted {wanted}",
            column.name
        );
    }
}
