//! MQTT 3.1.1 by rumqttc: a fresh event loop for each connection, polled until its first error and never again.

use rumqttc::{
    AsyncClient, ConnectReturnCode, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS, SubscribeReasonCode,
    TlsConfiguration, Transport,
};

use super::machine::Reason;
use super::transport::{EXTRA, Events, Link, Message, Opening, Raw, Requests, Terms};

/// Largest packet either way, bytes: a reading of the largest frame is below it.
const PACKET_MAX: usize = 8 << 20;
/// Packet ids before they begin anew: so many that an answer out of order never meets its id again.
const IDS_FACTOR: u16 = 4;

pub(super) fn open(opening: Opening<'_>) -> Link {
    let Opening { address, client_id, credentials, tls, config, inflight } = opening;
    let mut options = MqttOptions::new(client_id, address.host, address.port);
    options
        .set_keep_alive(config.keep_alive)
        .set_clean_session(true)
        .set_max_packet_size(PACKET_MAX, PACKET_MAX)
        .set_inflight(inflight.saturating_mul(IDS_FACTOR));
    if let Some((name, password)) = credentials {
        options.set_credentials(name, password);
    }
    if let Some(tls) = tls {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
    }
    let (client, mut events) = AsyncClient::new(options, usize::from(inflight) + EXTRA);
    events.network_options.set_tcp_nodelay(true);
    events.network_options.set_connection_timeout(config.connect_wait().as_secs());
    Link::driven(client, |sender| drive(events, sender))
}

async fn drive(mut events: EventLoop, sender: Events) {
    loop {
        let raw = match events.poll().await {
            Ok(event) => translate(event),
            Err(error) => Some(Raw::Down(error.to_string())),
        };
        let Some(raw) = raw else { continue };
        let ended = matches!(raw, Raw::Down(_));
        if sender.send(raw).await.is_err() || ended {
            return;
        }
    }
}

fn translate(event: Event) -> Option<Raw> {
    Some(match event {
        Event::Outgoing(Outgoing::Publish(id)) => Raw::Sent(id),
        Event::Incoming(Packet::PubAck(ack)) => Raw::Answered(ack.pkid, Reason::Success, ""),
        Event::Incoming(Packet::ConnAck(ack)) if ack.code == ConnectReturnCode::Success => {
            Raw::Connected(Terms::default())
        }
        Event::Incoming(Packet::SubAck(ack)) => {
            Raw::Subscribed(ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))))
        }
        Event::Incoming(Packet::Publish(publish)) => Raw::Received(publish.payload),
        Event::Incoming(Packet::Disconnect) => Raw::Down("the broker said goodbye".to_owned()),
        Event::Outgoing(Outgoing::Disconnect) => Raw::Down("disconnected".to_owned()),
        _ => return None,
    })
}

impl Requests for AsyncClient {
    fn publish(&self, message: Message) -> Result<(), String> {
        let Message { topic, payload, retain, .. } = message;
        self.try_publish(topic, QoS::AtLeastOnce, retain, payload).map_err(|error| error.to_string())
    }

    fn subscribe(&self, filter: &str) -> Result<(), String> {
        self.try_subscribe(filter, QoS::AtLeastOnce).map_err(|error| error.to_string())
    }

    fn disconnect(&self) {
        // A link that cannot take it is ended without.
        drop(self.try_disconnect());
    }
}
