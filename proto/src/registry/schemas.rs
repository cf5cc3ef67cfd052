//! The schemas devices may name by number. An id is for ever: any change of columns, order, scale, bias, k0 or clock is
//! a new id (`registry/tests.rs` keeps the hash of each).
//!
//! Biases and k0 were fitted on the sample series; they cost or save bits of a chunk's first row only.

use super::signals::*;
use super::{Column, Group, Kind, Schema};
use crate::chunk::Clock;

const fn every(dt_ms: u32, columns: &'static [Column<'static>]) -> Group<'static> {
    Group { clock: Clock::Regular { dt_ms }, columns }
}

const fn about(nominal_ms: u32, columns: &'static [Column<'static>]) -> Group<'static> {
    Group { clock: Clock::Irregular { nominal_ms }, columns }
}

const fn intervals(columns: &'static [Column<'static>]) -> Group<'static> {
    Group { clock: Clock::Interval, columns }
}

const PULSE: Group<'static> = every(1000, &[HEART_RATE.column(74, 4)]);
const BEATS: Group<'static> = intervals(&[RR_INTERVAL.column(840, 7)]);
const BODY: Group<'static> = every(10_000, &[STEPS.column(0, 13), SKIN_TEMPERATURE.column(3330, 4)]);
const SLOW: Group<'static> = every(60_000, &[SPO2.column(97, 0), BATTERY.column(99, 0)]);
const MOTION: Group<'static> = every(40, &[ACC_X.column(-51, 8), ACC_Y.column(587, 9), ACC_Z.column(123, 10)]);

const CAR: &[Column<'static>] = &[
    LATITUDE.column(0, 28),
    LONGITUDE.column(0, 28),
    SPEED.column(54, 5),
    RPM.column(8120, 11),
    COOLANT_TEMPERATURE.column(89, 3),
    FUEL_LEVEL.column(155, 2),
    THROTTLE.column(61, 5),
    ENGINE_LOAD.column(94, 4),
    VEHICLE_VOLTAGE.column(1414, 2),
    ACC_PEAK_X.column(38, 6),
    ACC_PEAK_Y.column(50, 5),
    ACC_PEAK_Z.column(1045, 6),
];

const OBD_21: &[Column<'static>] = &[
    RPM.column(3759, 10),
    SPEED.column(9, 3),
    THROTTLE.column(49, 2),
    ENGINE_LOAD.column(94, 5),
    COOLANT_TEMPERATURE.column(87, 2),
    LONG_TERM_FUEL_TRIM.column(-2, 0),
    SHORT_TERM_FUEL_TRIM.column(0, 2),
    INTAKE_PRESSURE.column(37, 4),
    FUEL_LEVEL.column(146, 4),
    THROTTLE_B.column(131, 2),
    PEDAL_D.column(41, 2),
    PEDAL_E.column(81, 2),
    THROTTLE_COMMANDED.column(49, 2),
    LAMBDA_COMMANDED.column(0, 0),
    BAROMETRIC_PRESSURE.column(100, 0),
    THROTTLE_RELATIVE.column(0, 2),
    INTAKE_TEMPERATURE.column(48, 0),
    TIMING_ADVANCE.column(8, 4),
    CATALYST_TEMPERATURE_1.column(2787, 10),
    CATALYST_TEMPERATURE_2.column(794, 8),
    CONTROL_MODULE_VOLTAGE.column(13_691, 8),
];

const TURBOFAN: &[Column<'static>] = &[
    SETTING_1.column(1, 4),
    SETTING_2.column(1, 2),
    SETTING_3.column(100, 0),
    T2.column(51_867, 0),
    T24.column(64_236, 6),
    T30.column(158_657, 9),
    T50.column(140_177, 10),
    P2.column(1462, 0),
    P15.column(2161, 0),
    P30.column(55_405, 7),
    NF.column(238_806, 3),
    NC.column(905_024, 9),
    EPR.column(13, 0),
    PS30.column(4732, 5),
    PHI.column(52_196, 6),
    NRF.column(238_806, 3),
    NRC.column(813_285, 9),
    BPR.column(84_148, 9),
    FAR_B.column(3, 0),
    HT_BLEED.column(392, 1),
    NF_DEMANDED.column(2388, 0),
    PCNFR_DEMANDED.column(100, 0),
    W31.column(3894, 4),
    W32.column(233_660, 10),
];

const TURBOFAN_FLIGHT: &[Column<'static>] = &[
    ALTITUDE.column(30_628, 14),
    MACH.column(7038, 11),
    THROTTLE_ANGLE.column(720, 8),
    T2.column(48_331, 11),
    T24.column(56_450, 11),
    T30.column(133_529, 13),
    T50.column(110_974, 14),
    P2.column(698, 8),
    P15.column(1012, 9),
    P30.column(21_491, 13),
    NF.column(188_872, 15),
    NC.column(811_495, 16),
    EPR_FINE.column(123, 2),
    PS30.column(2401, 10),
    PHI.column(18_863, 13),
    NRF.column(197_049, 15),
    NRC.column(847_581, 16),
    BPR.column(85_111, 9),
    FAR_B.column(3, 0),
    HT_BLEED.column(350, 5),
    NF_DEMANDED.column(2388, 6),
    PCNFR_DEMANDED_FINE.column(10_000, 0),
    W31.column(3470, 8),
    W32.column(208_682, 14),
];

/// What a dongle asks for less often.
const CAR_SLOW: Group<'static> =
    every(10_000, &[ODOMETER.column(0, 24), FUEL_RATE.column(60, 6), HEADING.column(1800, 9), DTC_COUNT.column(0, 0)]);

/// Trackers sample often while they move and seldom while they lie still.
const FIX: Group<'static> = about(5_000, &[LATITUDE.column(0, 28), LONGITUDE.column(0, 28), SPEED.column(54, 5)]);
const CARGO: Group<'static> = about(
    30_000,
    &[SHOCK.column(200, 6), CARGO_TEMPERATURE.column(500, 5), CARGO_HUMIDITY.column(50, 3), BATTERY.column(99, 0)],
);

const GUEST: Group<'static> = every(2000, &[ZONE.column(1, 1), READER.column(101, 3), TAPS.column(0, 2)]);
const GUEST_SLOW: Group<'static> = every(60_000, &[STEPS.column(0, 13), BATTERY.column(99, 0)]);

/// Each beat with who made it: 0 the heart, 1 the device.
const PACED_BEATS: Group<'static> = intervals(&[RR_INTERVAL.column(840, 7), PACED.column(0, 0)]);
const PACING: Group<'static> = every(5000, &[HEART_RATE.column(70, 4), PACED_SHARE.column(20, 4)]);
const IMPLANT: Group<'static> = every(60_000, &[LEAD_IMPEDANCE.column(500, 4), BATTERY_VOLTAGE.column(2700, 6)]);

/// What a player has to tell are its buttons; in between it tells that it is there.
const PLAYER: Group<'static> = every(60_000, &[BATTERY.column(99, 0)]);

/// In order of their ids.
pub(super) static ALL: &[Schema] = &[
    Schema { id: 1, name: "wristband", kind: Kind::WRISTBAND, groups: &[PULSE, BEATS, BODY, SLOW] },
    Schema { id: 2, name: "wristband-acc", kind: Kind::WRISTBAND, groups: &[PULSE, BEATS, BODY, SLOW, MOTION] },
    Schema { id: 3, name: "rr-strap", kind: Kind::RR_STRAP, groups: &[intervals(&[RR_INTERVAL.column(584, 5)])] },
    Schema { id: 4, name: "car-dongle", kind: Kind::CAR_DONGLE, groups: &[every(1000, CAR)] },
    Schema { id: 5, name: "obd-21", kind: Kind::CAR_DONGLE, groups: &[every(1000, OBD_21)] },
    Schema { id: 6, name: "turbofan", kind: Kind::TURBOFAN, groups: &[every(1000, TURBOFAN)] },
    Schema { id: 7, name: "turbofan-flight", kind: Kind::TURBOFAN, groups: &[every(1000, TURBOFAN_FLIGHT)] },
    Schema { id: 8, name: "car-dongle-trip", kind: Kind::CAR_DONGLE, groups: &[every(1000, CAR), CAR_SLOW] },
    Schema { id: 9, name: "parcel-tracker", kind: Kind::PARCEL_TRACKER, groups: &[FIX, CARGO] },
    Schema { id: 10, name: "park-band", kind: Kind::PARK_BAND, groups: &[GUEST, GUEST_SLOW] },
    Schema { id: 11, name: "pacemaker", kind: Kind::PACEMAKER, groups: &[PACED_BEATS, PACING, IMPLANT] },
    Schema { id: 12, name: "player", kind: Kind::PLAYER, groups: &[PLAYER] },
];
