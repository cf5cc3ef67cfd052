//! What the codes of events and the keys of texts mean, per kind of device. Numbers are for ever; only append.

use super::Kind;

/// What an event of one kind of device is called, and how its value is scaled: `value * num / den`, in `unit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCode {
    /// Whose event.
    pub kind: Kind,
    /// Its number on the wire.
    pub code: u16,
    /// Its name everywhere: `tap`.
    pub name: &'static str,
    /// UCUM unit of the value.
    pub unit: &'static str,
    /// Numerator of the value's scale.
    pub num: u32,
    /// Denominator of the value's scale.
    pub den: u32,
}

/// What a text of one kind of device is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextKey {
    /// Whose text.
    pub kind: Kind,
    /// Its number on the wire.
    pub key: u16,
    /// Its name everywhere: `vin`.
    pub name: &'static str,
}

const fn code(kind: Kind, code: u16, name: &'static str, unit: &'static str, num: u32, den: u32) -> EventCode {
    EventCode { kind, code, name, unit, num, den }
}

const fn key(kind: Kind, key: u16, name: &'static str) -> TextKey {
    TextKey { kind, key, name }
}

static EVENTS: &[EventCode] = &[
    code(Kind::CAR_DONGLE, 1, "ignition_on", "1", 1, 1),
    // The distance since the ignition went on.
    code(Kind::CAR_DONGLE, 2, "ignition_off", "km", 1, 1000),
    // The diagnostic trouble code stands in the event's data, as text.
    code(Kind::CAR_DONGLE, 3, "dtc_set", "1", 1, 1),
    code(Kind::CAR_DONGLE, 4, "dtc_cleared", "1", 1, 1),
    code(Kind::CAR_DONGLE, 5, "harsh_brake", "[g]", 1, 1000),
    code(Kind::CAR_DONGLE, 6, "harsh_acceleration", "[g]", 1, 1000),
    code(Kind::TURBOFAN, 1, "failure", "{cycles}", 1, 1),
    code(Kind::TURBOFAN, 2, "overhaul", "1", 1, 1),
    code(Kind::PARCEL_TRACKER, 1, "shock", "[g]", 1, 1000),
    code(Kind::PARCEL_TRACKER, 2, "temperature_high", "Cel", 1, 100),
    code(Kind::PARCEL_TRACKER, 3, "temperature_normal", "Cel", 1, 100),
    code(Kind::PARCEL_TRACKER, 4, "delivered", "1", 1, 1),
    // The value is the reader's number, the data the party's name.
    code(Kind::PARK_BAND, 1, "tap", "1", 1, 1),
    code(Kind::PACEMAKER, 1, "bradycardia", "/min", 1, 1),
    code(Kind::PACEMAKER, 2, "tachycardia", "/min", 1, 1),
    code(Kind::PACEMAKER, 3, "pause", "ms", 1, 1),
    code(Kind::PACEMAKER, 4, "irregular_rhythm", "/min", 1, 1),
    code(Kind::PACEMAKER, 5, "rhythm_normal", "/min", 1, 1),
    code(Kind::PACEMAKER, 6, "battery_low", "V", 1, 1000),
    // What is liked or skipped, a genre or another topic, stands in the event's data, as text.
    code(Kind::PLAYER, 1, "like", "1", 1, 1),
    code(Kind::PLAYER, 2, "skip", "1", 1, 1),
    // The same, by a button on the wrist.
    code(Kind::WRISTBAND, 1, "like", "1", 1, 1),
    code(Kind::WRISTBAND, 2, "skip", "1", 1, 1),
];

static TEXTS: &[TextKey] = &[
    key(Kind::CAR_DONGLE, 1, "vin"),
    key(Kind::TURBOFAN, 1, "serial"),
    key(Kind::PARCEL_TRACKER, 1, "shipment"),
    key(Kind::PARK_BAND, 1, "party"),
    key(Kind::PACEMAKER, 1, "model"),
];

/// All event codes.
pub fn events() -> &'static [EventCode] {
    EVENTS
}

/// What this code of this kind of device means.
pub fn event(kind: Kind, code: u16) -> Option<&'static EventCode> {
    EVENTS.iter().find(|known| known.kind == kind && known.code == code)
}

/// The event of this kind of device with this name.
pub fn event_named(kind: Kind, name: &str) -> Option<&'static EventCode> {
    EVENTS.iter().find(|known| known.kind == kind && known.name == name)
}

/// All keys of texts.
pub fn texts() -> &'static [TextKey] {
    TEXTS
}

/// What this key of this kind of device means.
pub fn text(kind: Kind, key: u16) -> Option<&'static TextKey> {
    TEXTS.iter().find(|known| known.kind == kind && known.key == key)
}

/// The text of this kind of device with this name.
pub fn text_named(kind: Kind, name: &str) -> Option<&'static TextKey> {
    TEXTS.iter().find(|known| known.kind == kind && known.name == name)
}
