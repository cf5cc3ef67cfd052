//! MQTT 5 by rumqttc-v5-next, a fork with a broker address type, request batches and publish notices of its own. Used
//! like its parent: a fresh event loop for each connection, polled until its first error and never again.

use rumqttc_next::mqttbytes::QoS;
use rumqttc_next::mqttbytes::v5::{ConnectReturnCode, Packet, PublishProperties, SubscribeReasonCode};
use rumqttc_next::{
    AsyncClient, Broker, Event, EventLoop, MqttOptions, NetworkOptions, Outgoing, PublishOptions, TlsConfiguration,
    Transport,
};

use super::transport::{self, EXTRA, Events, Link, Message, Opening, Raw, Requests, Terms};

/// Packet ids before they begin anew: so many that an answer out of order never meets its id again.
const IDS_FACTOR: u16 = 4;

pub(super) fn open(opening: Opening<'_>) -> Link {
    let Opening { address, client_id, credentials, tls, config, inflight } = opening;
    let mut options = MqttOptions::new(client_id, Broker::tcp(address.host, address.port));
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_keep_alive(u16::try_from(config.keep_alive.as_secs()).unwrap_or(u16::MAX));
    options.set_clean_start(true);
    options.set_connect_timeout(config.connect_wait());
    options.set_network_options(network);
    options.set_outgoing_inflight_upper_limit(inflight.saturating_mul(IDS_FACTOR));
    if let Some((name, password)) = credentials {
        options.set_credentials(name, password);
    }
    if let Some(tls) = tls {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
    }
    let (client, events) = AsyncClient::builder(options).capacity(usize::from(inflight) + EXTRA).build();
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
        Event::Incoming(Packet::PubAck(ack)) => {
            let (reason, said) = transport::reason(ack.reason as u8);
            Raw::Answered(ack.pkid, reason, said)
        }
        Event::Incoming(Packet::ConnAck(ack)) if ack.code == ConnectReturnCode::Success => {
            let properties = ack.properties.as_ref();
            Raw::Connected(Terms {
                receive_max: properties.and_then(|it| it.receive_max),
                packet_max: properties.and_then(|it| it.max_packet_size),
            })
        }
        Event::Incoming(Packet::SubAck(ack)) => {
            Raw::Subscribed(ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))))
        }
        Event::Incoming(Packet::Publish(publish)) => Raw::Received(publish.payload),
        Event::Incoming(Packet::Disconnect(said)) => Raw::Down(transport::disconnected(said.reason_code as u8)),
        Event::Outgoing(Outgoing::Disconnect) => Raw::Down("disconnected".to_owned()),
        _ => return None,
    })
}

impl Requests for AsyncClient {
    fn publish(&self, message: Message) -> Result<(), String> {
        let Message { topic, payload, retain, properties } = message;
        let properties = PublishProperties { user_properties: properties, ..PublishProperties::default() };
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(retain).properties(properties);
        self.try_publish(topic, payload, options).map_err(|error| error.to_string())
    }

    fn subscribe(&self, filter: &str) -> Result<(), String> {
        self.try_subscribe(filter, QoS::AtLeastOnce).map_err(|error| error.to_string())
    }

    fn disconnect(&self) {
        // A link that cannot take it is ended without.
        drop(self.try_disconnect());
    }
}
