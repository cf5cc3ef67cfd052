//! The broker's part of the configuration.

use serde::{Deserialize, Serialize};

/// Longest time that may be configured, seconds: a day.
const TIME_S_MAX: u64 = 86_400;

/// Limits and times of the MQTT front. The defaults suit a machine of 2 cores and 4 GB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Connections served at once; the next one is answered "quota exceeded". Default 10,000; 0 = nobody may connect.
    pub connections_max: usize,
    /// Longest packet taken from a client, header included, bytes; MQTT 5 clients are told. A longer one ends the
    /// connection. Default 65,536 (the largest telemetry frame is 61,440); at least 1,024, at most 268,435,455.
    pub packet_bytes_max: u32,
    /// QoS 1 publishes an MQTT 5 client may have unacknowledged; one more ends the connection. Default 1,024; at least 1.
    pub receive_maximum: u16,
    /// Publishes of one connection that wait for the log; when reached, its socket is not read. Default 1,024; at least 1.
    pub uncommitted_frames_max: usize,
    /// Bytes of such publishes, topics included; when reached, the socket is not read. Default 1,048,576; one packet always fits.
    pub uncommitted_bytes_max: usize,
    /// Messages that wait for one subscriber. Above it QoS 0 is dropped and counted, QoS 1 ends the subscriber. Default 1,024; at least 1.
    pub queue_messages_max: usize,
    /// Bytes that wait for one subscriber, same consequence. Default 1,048,576.
    pub queue_bytes_max: usize,
    /// QoS 1 deliveries in flight to one client, if it does not ask for fewer. Default 256; at least 1.
    pub in_flight_max: u16,
    /// Subscriptions of one client; the next is refused with "quota exceeded". Default 1,024.
    pub subscriptions_max: usize,
    /// Retained topics of clients; a publish that would add one more is refused with "quota exceeded". Default 100,000.
    pub retained_topics_max: usize,
    /// Bytes of retained topics and payloads of clients, same consequence. Default 67,108,864.
    pub retained_bytes_max: usize,
    /// A new connection must send its CONNECT within this time, seconds. Default 10; 1 to 86,400.
    pub connect_timeout_s: u64,
    /// Longest keep-alive granted, seconds; MQTT 5 clients are told, others are measured by their own. Default 0 = no limit.
    pub keep_alive_max_s: u16,
    /// How long a connection may take to settle what is in flight once the gateway stops, seconds. Default 5; 0 = none; at most 86,400.
    pub shutdown_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            packet_bytes_max: 64 << 10,
            receive_maximum: 1_024,
            uncommitted_frames_max: 1_024,
            uncommitted_bytes_max: 1 << 20,
            queue_messages_max: 1_024,
            queue_bytes_max: 1 << 20,
            in_flight_max: 256,
            subscriptions_max: 1_024,
            retained_topics_max: 100_000,
            retained_bytes_max: 64 << 20,
            connect_timeout_s: 10,
            keep_alive_max_s: 0,
            shutdown_s: 5,
        }
    }
}

/// A limit outside the range its documentation gives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("broker.{field} is {got}, wanted {wanted}")]
pub struct OutOfRange {
    /// The field.
    pub field: &'static str,
    /// Its value.
    pub got: u64,
    /// What would do.
    pub wanted: &'static str,
}

impl Config {
    /// Checks every field against its documented range.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn validate(&self) -> Result<(), OutOfRange> {
        let at_least_one = [
            ("receive_maximum", u64::from(self.receive_maximum)),
            ("uncommitted_frames_max", self.uncommitted_frames_max as u64),
            ("queue_messages_max", self.queue_messages_max as u64),
            ("in_flight_max", u64::from(self.in_flight_max)),
            ("connect_timeout_s", self.connect_timeout_s),
        ];
        if let Some((field, got)) = at_least_one.into_iter().find(|&(_, got)| got == 0) {
            return Err(OutOfRange { field, got, wanted: "at least 1" });
        }
        let times = [("connect_timeout_s", self.connect_timeout_s), ("shutdown_s", self.shutdown_s)];
        if let Some((field, got)) = times.into_iter().find(|&(_, got)| got > TIME_S_MAX) {
            return Err(OutOfRange { field, got, wanted: "at most 86400, a day" });
        }
        if !(1_024..=268_435_455).contains(&self.packet_bytes_max) {
            let got = u64::from(self.packet_bytes_max);
            return Err(OutOfRange { field: "packet_bytes_max", got, wanted: "1024 to 268435455" });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range_and_an_unknown_key_is_an_error() {
        Config::default().validate().unwrap();
        assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
        let error = toml::from_str::<Config>("receive_max = 5").unwrap_err().to_string();
        assert!(error.contains("unknown field `receive_max`"), "{error}");
    }

    #[test]
    fn a_field_out_of_range_is_named() {
        let error = Config { receive_maximum: 0, ..Config::default() }.validate().unwrap_err();
        assert_eq!(error.to_string(), "broker.receive_maximum is 0, wanted at least 1");
        let error = Config { shutdown_s: u64::MAX, ..Config::default() }.validate().unwrap_err();
        assert_eq!(error.field, "shutdown_s");
        assert!(Config { connect_timeout_s: 86_401, ..Config::default() }.validate().is_err());
        assert!(Config { packet_bytes_max: 100, ..Config::default() }.validate().is_err());
    }
}
