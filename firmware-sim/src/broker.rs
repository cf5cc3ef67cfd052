//! Where a fleet connects.

use std::fmt;
use std::str::FromStr;

/// Port of plain MQTT, registered with IANA.
const PORT_DEFAULT: u16 = 1883;

/// Host and port of an MQTT broker: `host`, `host:port`, `[v6]:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    host: String,
    port: u16,
}

impl Broker {
    /// A broker at this address.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Name or address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl From<std::net::SocketAddr> for Broker {
    fn from(address: std::net::SocketAddr) -> Self {
        Self::new(address.ip().to_string(), address.port())
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl FromStr for Broker {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("broker is {text:?}, wanted host, host:port or [v6-address]:port");
        if let Some((_scheme, _rest)) = text.split_once("://") {
            return Err(wanted());
        }
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(wanted)?)),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(PORT_DEFAULT), |port| port.parse().map_err(|_not_a_port| wanted()))?;
        if host.is_empty() || port == 0 { Err(wanted()) } else { Ok(Self::new(host, port)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_it_prints() {
        for (text, host, port) in
            [("localhost:1884", "localhost", 1884), ("127.0.0.1:1", "127.0.0.1", 1), ("[::1]:1883", "::1", 1883)]
        {
            let broker: Broker = text.parse().unwrap();
            assert_eq!(broker, Broker::new(host, port));
            assert_eq!(broker.to_string(), text);
        }
        assert_eq!("[::1]".parse::<Broker>().unwrap(), Broker::new("::1", 1883));
        assert_eq!("gateway.local".parse::<Broker>().unwrap(), Broker::new("gateway.local", 1883));
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_wanted_form() {
        for text in ["", ":1883", "host:", "host:0", "host:65536", "host:1883:1", "[::1]x", "mqtt://host:1883"] {
            let error = text.parse::<Broker>().unwrap_err();
            assert!(error.contains("wanted host"), "{text}: {error}");
        }
    }
}
