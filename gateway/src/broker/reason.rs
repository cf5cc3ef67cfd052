//! Reason codes of MQTT 5, section 2.4, and what this broker says to each: what is wrong, and the way out.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal: $words:literal,)*) => {
        $($(#[$doc])* pub const $name: u8 = $code;)*

        /// One sentence for whoever reads a log or a Reason String; for an unknown code a sentence that says so.
        pub fn words(code: u8) -> &'static str {
            match code {
                $($name => $words,)*
                _ => "refused without a further reason",
            }
        }
    };
}

codes! {
    /// Done.
    SUCCESS = 0x00: "done",
    /// UNSUBACK: there was no such subscription.
    NO_SUBSCRIPTION = 0x11: "there was no such subscription",
    /// The bytes are no MQTT packet.
    MALFORMED = 0x81: "malformed packet: check that the client speaks the protocol version of its CONNECT",
    /// The packet may not come there, or not so.
    PROTOCOL = 0x82: "protocol error: the client broke a rule of MQTT; update or reconfigure it",
    /// The broker itself cannot go on.
    IMPLEMENTATION = 0x83: "the gateway cannot store publishes now: what has no acknowledgement is not stored; see the gateway's log, then send it again",
    /// Neither 3.1.1 nor 5.
    VERSION = 0x84: "unsupported protocol version: connect with MQTT 3.1.1 or 5",
    /// No client id where one is needed, too long, or not to be had.
    CLIENT_ID = 0x85: "client id not taken: use one of 1 to 256 bytes that nobody else uses",
    /// Unknown user, wrong password.
    BAD_LOGIN = 0x86: "bad user name or password: check the client's credentials; a client id that is an account's needs that account's password",
    /// The policy forbids it.
    NOT_AUTHORIZED = 0x87: "not authorized: an account may do what it was granted (see `halo-gateway user list`), and a device that has one is published for only with its password; the gateway's own topics can be subscribed to but not published to; devices publish telemetry to <root>/d/<device>/t",
    /// Too many passwords are being checked.
    SERVER_BUSY = 0x89: "server busy: too many passwords are being checked at once; connect again in a few seconds",
    /// The gateway stops.
    SHUTTING_DOWN = 0x8B: "the gateway is shutting down: connect again once it is back",
    /// Enhanced authentication was asked for.
    BAD_AUTH_METHOD = 0x8C: "enhanced authentication is not offered: connect without an authentication method",
    /// The client was silent for too long.
    KEEP_ALIVE = 0x8D: "nothing heard for one and a half keep-alive times: send PINGREQ in time, or ask for a longer keep-alive",
    /// Another connection came with the same client id.
    TAKEN_OVER = 0x8E: "another connection uses this client id: give each client an id of its own",
    /// The filter breaks the standard's rules or a limit.
    TOPIC_FILTER_INVALID = 0x8F: "topic filter invalid: `+` stands for one whole level, `#` for all that follow, at most 1024 bytes and 32 levels",
    /// The topic breaks the standard's rules, a limit, or the gateway's topic grammar.
    TOPIC_NAME_INVALID = 0x90: "topic invalid: below the gateway's root there are only its own topics, of which clients publish to <root>/d/<device>/t, birth, state and answer, and retained to <root>/offers/<organisation>/<table> (an id is 1 to 64 of A-Z a-z 0-9 . _ -); anywhere: no wildcards, no leading `$`, at most 1024 bytes and 32 levels",
    /// More unacknowledged QoS 1 publishes than the CONNACK allowed.
    RECEIVE_MAXIMUM_EXCEEDED = 0x93: "too many unacknowledged publishes: keep to the Receive Maximum of the CONNACK",
    /// Topic aliases are not offered.
    TOPIC_ALIAS_INVALID = 0x94: "topic aliases are not offered: publish with the full topic",
    /// Longer than `broker.packet_bytes_max`, or than a record may be.
    PACKET_TOO_LARGE = 0x95: "packet too large: send smaller ones, or raise broker.packet_bytes_max",
    /// One of the limits in the broker's configuration.
    QUOTA_EXCEEDED = 0x97: "quota exceeded: a limit of the gateway's configuration is reached, or its disk is full (disk.max): keep publishes and send them again later; remove unused clients, subscriptions, devices or retained topics, read faster, or raise it",
    /// A payload that the gateway reads is not what belongs on its topic.
    PAYLOAD_FORMAT_INVALID = 0x99: "payload format invalid: an answer to a spark is {\"spark\": id, \"answer\": \"accepted\" or \"declined\"}; an offer table is a CSV with a header line or JSON, in UTF-8 and within its bounds, and the former table stays in force",
    /// QoS 2 is not offered.
    QOS_NOT_SUPPORTED = 0x9B: "QoS 2 is not offered: publish with QoS 1, duplicates are recognised",
    /// Shared subscriptions are not offered.
    SHARED_SUBSCRIPTIONS = 0x9E: "shared subscriptions are not offered: subscribe without $share/<name>/",
    /// Subscription Identifiers are not offered.
    SUBSCRIPTION_IDS = 0xA1: "subscription identifiers are not offered: subscribe without one",
}
