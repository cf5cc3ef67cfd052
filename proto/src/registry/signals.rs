//! Every signal the registry knows. Numbers are for ever; ranges and step limits are raw values at the signal's scale.

use super::{Limits, Nature, Signal};

const ANY: Limits = Limits { min: None, max: None, step_max: None };

const fn from(min: i64) -> Limits {
    Limits { min: Some(min), ..ANY }
}

const fn within(min: i64, max: i64) -> Limits {
    Limits { min: Some(min), max: Some(max), step_max: None }
}

const fn steady(min: i64, max: i64, step_max: i64) -> Limits {
    Limits { min: Some(min), max: Some(max), step_max: Some(step_max) }
}

pub(super) const HEART_RATE: Signal = Signal::new(1, "heart_rate", "/min", 1, 1, steady(20, 300, 60)).loinc("8867-4");
pub(super) const RR_INTERVAL: Signal =
    Signal::new(2, "rr_interval", "ms", 1, 1, within(200, 5000)).nature(Nature::Event).loinc("80404-7");
pub(super) const STEPS: Signal =
    Signal::new(3, "steps", "{steps}", 1, 1, from(0)).nature(Nature::Counter).loinc("55423-8");
pub(super) const SKIN_TEMPERATURE: Signal = Signal::new(4, "skin_temperature", "Cel", 1, 100, steady(0, 5000, 1000));
pub(super) const SPO2: Signal = Signal::new(5, "spo2", "%", 1, 1, steady(0, 100, 50)).loinc("59408-5");
pub(super) const BATTERY: Signal = Signal::new(6, "battery", "%", 1, 1, within(0, 100));
pub(super) const ACC_X: Signal =
    Signal::new(7, "acc_x", "[g]", 1, 1000, within(-16_000, 16_000)).nature(Nature::Component);
pub(super) const ACC_Y: Signal =
    Signal::new(8, "acc_y", "[g]", 1, 1000, within(-16_000, 16_000)).nature(Nature::Component);
pub(super) const ACC_Z: Signal =
    Signal::new(9, "acc_z", "[g]", 1, 1000, within(-16_000, 16_000)).nature(Nature::Component);
pub(super) const LATITUDE: Signal =
    Signal::new(32, "latitude", "deg", 1, 10_000_000, within(-900_000_000, 900_000_000))
        .nature(Nature::Component)
        .vss("Vehicle.CurrentLocation.Latitude");
pub(super) const LONGITUDE: Signal =
    Signal::new(33, "longitude", "deg", 1, 10_000_000, within(-1_800_000_000, 1_800_000_000))
        .nature(Nature::Component)
        .vss("Vehicle.CurrentLocation.Longitude");
pub(super) const SPEED: Signal =
    Signal::new(34, "speed", "km/h", 1, 1, within(0, 255)).nature(Nature::Momentary).vss("Vehicle.Speed");
pub(super) const RPM: Signal =
    Signal::new(35, "rpm", "/min", 1, 4, within(0, 65_535)).nature(Nature::Momentary).vss("Vehicle.OBD.EngineSpeed");
pub(super) const COOLANT_TEMPERATURE: Signal =
    Signal::new(36, "coolant_temperature", "Cel", 1, 1, within(-40, 215)).vss("Vehicle.OBD.CoolantTemperature");
pub(super) const FUEL_LEVEL: Signal =
    Signal::new(37, "fuel_level", "%", 100, 255, within(0, 255)).vss("Vehicle.OBD.FuelLevel");
pub(super) const THROTTLE: Signal = Signal::new(38, "throttle", "%", 100, 255, within(0, 255))
    .nature(Nature::Momentary)
    .vss("Vehicle.OBD.ThrottlePosition");
pub(super) const ENGINE_LOAD: Signal = Signal::new(39, "engine_load", "%", 100, 255, within(0, 255))
    .nature(Nature::Momentary)
    .vss("Vehicle.OBD.EngineLoad");
pub(super) const VEHICLE_VOLTAGE: Signal = Signal::new(40, "vehicle_voltage", "V", 1, 100, within(0, 6553));
pub(super) const ACC_PEAK_X: Signal =
    Signal::new(41, "acc_peak_x", "[g]", 1, 1000, within(-16_000, 16_000)).nature(Nature::Component);
pub(super) const ACC_PEAK_Y: Signal =
    Signal::new(42, "acc_peak_y", "[g]", 1, 1000, within(-16_000, 16_000)).nature(Nature::Component);
pub(super) const ACC_PEAK_Z: Signal =
    Signal::new(43, "acc_peak_z", "[g]", 1, 1000, within(-16_000, 16_000)).nature(Nature::Component);
pub(super) const LONG_TERM_FUEL_TRIM: Signal =
    Signal::new(44, "long_term_fuel_trim", "%", 100, 128, within(-128, 127)).vss("Vehicle.OBD.LongTermFuelTrim1");
pub(super) const SHORT_TERM_FUEL_TRIM: Signal =
    Signal::new(45, "short_term_fuel_trim", "%", 100, 128, within(-128, 127))
        .nature(Nature::Momentary)
        .vss("Vehicle.OBD.ShortTermFuelTrim1");
pub(super) const INTAKE_PRESSURE: Signal =
    Signal::new(46, "intake_pressure", "kPa", 1, 1, within(0, 255)).nature(Nature::Momentary).vss("Vehicle.OBD.MAP");
pub(super) const THROTTLE_B: Signal = Signal::new(47, "throttle_b", "%", 100, 255, within(0, 255))
    .nature(Nature::Momentary)
    .vss("Vehicle.OBD.ThrottlePositionB");
pub(super) const PEDAL_D: Signal = Signal::new(48, "pedal_d", "%", 100, 255, within(0, 255))
    .nature(Nature::Momentary)
    .vss("Vehicle.OBD.AcceleratorPositionD");
pub(super) const PEDAL_E: Signal = Signal::new(49, "pedal_e", "%", 100, 255, within(0, 255))
    .nature(Nature::Momentary)
    .vss("Vehicle.OBD.AcceleratorPositionE");
pub(super) const THROTTLE_COMMANDED: Signal = Signal::new(50, "throttle_commanded", "%", 100, 255, within(0, 255))
    .nature(Nature::Momentary)
    .vss("Vehicle.OBD.ThrottleActuator");
pub(super) const LAMBDA_COMMANDED: Signal = Signal::new(51, "lambda_commanded", "1", 1, 10_000, within(0, 20_000))
    .nature(Nature::Momentary)
    .vss("Vehicle.OBD.CommandedEquivalenceRatio");
pub(super) const BAROMETRIC_PRESSURE: Signal =
    Signal::new(52, "barometric_pressure", "kPa", 1, 1, within(0, 255)).vss("Vehicle.OBD.BarometricPressure");
pub(super) const THROTTLE_RELATIVE: Signal = Signal::new(53, "throttle_relative", "%", 100, 255, within(0, 255))
    .nature(Nature::Momentary)
    .vss("Vehicle.OBD.RelativeThrottlePosition");
pub(super) const INTAKE_TEMPERATURE: Signal =
    Signal::new(54, "intake_temperature", "Cel", 1, 1, within(-40, 215)).vss("Vehicle.OBD.IntakeTemp");
pub(super) const TIMING_ADVANCE: Signal = Signal::new(55, "timing_advance", "deg", 1, 2, within(-128, 127))
    .nature(Nature::Momentary)
    .vss("Vehicle.OBD.TimingAdvance");
pub(super) const CATALYST_TEMPERATURE_1: Signal =
    Signal::new(56, "catalyst_temperature_1", "Cel", 1, 10, within(-400, 65_135))
        .vss("Vehicle.OBD.Catalyst.Bank1.Temperature1");
pub(super) const CATALYST_TEMPERATURE_2: Signal =
    Signal::new(57, "catalyst_temperature_2", "Cel", 1, 10, within(-400, 65_135))
        .vss("Vehicle.OBD.Catalyst.Bank1.Temperature2");
pub(super) const CONTROL_MODULE_VOLTAGE: Signal =
    Signal::new(58, "control_module_voltage", "V", 1, 1000, within(0, 65_535)).vss("Vehicle.OBD.ControlModuleVoltage");
pub(super) const ODOMETER: Signal =
    Signal::new(59, "odometer", "km", 1, 1000, from(0)).nature(Nature::Counter).vss("Vehicle.TraveledDistance");
pub(super) const FUEL_RATE: Signal =
    Signal::new(60, "fuel_rate", "L/h", 1, 20, within(0, 65_535)).nature(Nature::Momentary).vss("Vehicle.OBD.FuelRate");
pub(super) const HEADING: Signal = Signal::new(61, "heading", "deg", 1, 10, within(0, 3600))
    .nature(Nature::Component)
    .vss("Vehicle.CurrentLocation.Heading");
pub(super) const DTC_COUNT: Signal = Signal::new(62, "dtc_count", "{codes}", 1, 1, within(0, 127))
    .nature(Nature::Counter)
    .vss("Vehicle.OBD.Status.DTCCount");
pub(super) const SETTING_1: Signal = Signal::new(64, "setting_1", "1", 1, 10_000, ANY).nature(Nature::Momentary);
pub(super) const SETTING_2: Signal = Signal::new(65, "setting_2", "1", 1, 10_000, ANY).nature(Nature::Momentary);
pub(super) const SETTING_3: Signal = Signal::new(66, "setting_3", "1", 1, 1, ANY).nature(Nature::Momentary);
pub(super) const T2: Signal = Signal::new(67, "t2", "[degR]", 1, 100, from(0));
pub(super) const T24: Signal = Signal::new(68, "t24", "[degR]", 1, 100, from(0));
pub(super) const T30: Signal = Signal::new(69, "t30", "[degR]", 1, 100, from(0));
pub(super) const T50: Signal = Signal::new(70, "t50", "[degR]", 1, 100, from(0));
pub(super) const P2: Signal = Signal::new(71, "p2", "[psi]", 1, 100, from(0));
pub(super) const P15: Signal = Signal::new(72, "p15", "[psi]", 1, 100, from(0));
pub(super) const P30: Signal = Signal::new(73, "p30", "[psi]", 1, 100, from(0));
pub(super) const NF: Signal = Signal::new(74, "nf", "/min", 1, 100, from(0));
pub(super) const NC: Signal = Signal::new(75, "nc", "/min", 1, 100, from(0));
pub(super) const EPR: Signal = Signal::new(76, "epr", "1", 1, 10, from(0));
pub(super) const PS30: Signal = Signal::new(77, "ps30", "[psi]", 1, 100, from(0));
pub(super) const PHI: Signal = Signal::new(78, "phi", "[lb_av]/s/[psi]", 1, 100, from(0));
pub(super) const NRF: Signal = Signal::new(79, "nrf", "/min", 1, 100, from(0));
pub(super) const NRC: Signal = Signal::new(80, "nrc", "/min", 1, 100, from(0));
pub(super) const BPR: Signal = Signal::new(81, "bpr", "1", 1, 10_000, from(0));
pub(super) const FAR_B: Signal = Signal::new(82, "far_b", "1", 1, 100, from(0));
pub(super) const HT_BLEED: Signal = Signal::new(83, "ht_bleed", "1", 1, 1, from(0));
pub(super) const NF_DEMANDED: Signal = Signal::new(84, "nf_demanded", "/min", 1, 1, from(0)).nature(Nature::Momentary);
pub(super) const PCNFR_DEMANDED: Signal =
    Signal::new(85, "pcnfr_demanded", "%", 1, 1, from(0)).nature(Nature::Momentary);
pub(super) const W31: Signal = Signal::new(86, "w31", "[lb_av]/s", 1, 100, from(0));
pub(super) const W32: Signal = Signal::new(87, "w32", "[lb_av]/s", 1, 10_000, from(0));
pub(super) const ALTITUDE: Signal =
    Signal::new(96, "altitude", "[ft_i]", 1, 1, within(-2000, 60_000)).nature(Nature::Momentary);
pub(super) const MACH: Signal = Signal::new(97, "mach", "1", 1, 10_000, within(0, 20_000)).nature(Nature::Momentary);
pub(super) const THROTTLE_ANGLE: Signal =
    Signal::new(98, "throttle_angle", "deg", 1, 10, within(0, 1200)).nature(Nature::Momentary);
pub(super) const EPR_FINE: Signal = Signal::new(99, "epr_fine", "1", 1, 100, from(0));
pub(super) const PCNFR_DEMANDED_FINE: Signal =
    Signal::new(100, "pcnfr_demanded_fine", "%", 1, 100, from(0)).nature(Nature::Momentary);
pub(super) const SHOCK: Signal = Signal::new(112, "shock", "[g]", 1, 1000, within(0, 200_000)).nature(Nature::Event);
pub(super) const CARGO_TEMPERATURE: Signal = Signal::new(113, "cargo_temperature", "Cel", 1, 100, within(-4000, 8500));
pub(super) const CARGO_HUMIDITY: Signal = Signal::new(114, "cargo_humidity", "%", 1, 1, within(0, 100));
pub(super) const ZONE: Signal = Signal::new(120, "zone", "1", 1, 1, within(0, 255)).nature(Nature::Event);
pub(super) const READER: Signal = Signal::new(121, "reader", "1", 1, 1, within(0, 65_535)).nature(Nature::Event);
pub(super) const TAPS: Signal = Signal::new(122, "taps", "{taps}", 1, 1, from(0)).nature(Nature::Counter);
pub(super) const PACED: Signal = Signal::new(128, "paced", "1", 1, 1, within(0, 1)).nature(Nature::Event);
pub(super) const PACED_SHARE: Signal = Signal::new(129, "paced_share", "%", 1, 1, within(0, 100));
pub(super) const LEAD_IMPEDANCE: Signal = Signal::new(130, "lead_impedance", "Ohm", 1, 1, within(100, 3000));
pub(super) const BATTERY_VOLTAGE: Signal = Signal::new(131, "battery_voltage", "V", 1, 1000, within(2000, 3400));

/// In order of their metric numbers.
pub(super) static ALL: &[Signal] = &[
    HEART_RATE,
    RR_INTERVAL,
    STEPS,
    SKIN_TEMPERATURE,
    SPO2,
    BATTERY,
    ACC_X,
    ACC_Y,
    ACC_Z,
    LATITUDE,
    LONGITUDE,
    SPEED,
    RPM,
    COOLANT_TEMPERATURE,
    FUEL_LEVEL,
    THROTTLE,
    ENGINE_LOAD,
    VEHICLE_VOLTAGE,
    ACC_PEAK_X,
    ACC_PEAK_Y,
    ACC_PEAK_Z,
    LONG_TERM_FUEL_TRIM,
    SHORT_TERM_FUEL_TRIM,
    INTAKE_PRESSURE,
    THROTTLE_B,
    PEDAL_D,
    PEDAL_E,
    THROTTLE_COMMANDED,
    LAMBDA_COMMANDED,
    BAROMETRIC_PRESSURE,
    THROTTLE_RELATIVE,
    INTAKE_TEMPERATURE,
    TIMING_ADVANCE,
    CATALYST_TEMPERATURE_1,
    CATALYST_TEMPERATURE_2,
    CONTROL_MODULE_VOLTAGE,
    ODOMETER,
    FUEL_RATE,
    HEADING,
    DTC_COUNT,
    SETTING_1,
    SETTING_2,
    SETTING_3,
    T2,
    T24,
    T30,
    T50,
    P2,
    P15,
    P30,
    NF,
    NC,
    EPR,
    PS30,
    PHI,
    NRF,
    NRC,
    BPR,
    FAR_B,
    HT_BLEED,
    NF_DEMANDED,
    PCNFR_DEMANDED,
    W31,
    W32,
    ALTITUDE,
    MACH,
    THROTTLE_ANGLE,
    EPR_FINE,
    PCNFR_DEMANDED_FINE,
    SHOCK,
    CARGO_TEMPERATURE,
    CARGO_HUMIDITY,
    ZONE,
    READER,
    TAPS,
    PACED,
    PACED_SHARE,
    LEAD_IMPEDANCE,
    BATTERY_VOLTAGE,
];
