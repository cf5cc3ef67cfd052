//! A car with a dongle in its diagnostic port, driven to and fro between two places by up to three drivers: by whoever comes,
//! or by each in a third of the day.
//!
//! The driver follows the speed limit in a style of their own, brakes for lights and corners, and sometimes for
//! something that runs into the road. Engine speed follows from the gear, fuel from the power at the wheels, coolant and
//! voltage from whether the engine runs. Parked, the dongle sleeps.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::road::{Place, Segment, back, route};
use super::{Moment, Sensors, noise, once_in};

/// Kilometres an hour in a metre a second, and the acceleration of gravity in m/s².
const KMH: f64 = 3.6;
const GRAVITY: f64 = 9.81;
/// Loss or gain of speed within a second that counts as harsh, m/s²: 7 mph a second (data: harsh_brake_definitions.csv),
/// and 0.37 g.
const HARSH_BRAKE: f64 = 3.129;
const HARSH_ACCELERATION: f64 = 3.63;
/// Loss or gain of speed within a second that is told as a truth, m/s².
const CHANGE_TOLD: f64 = 1.5;
/// Engine revolutions a minute for each km/h, by gear, and the speed in km/h from which the next gear is taken.
const GEARS: [(f64, f64); 6] = [(118.0, 16.0), (66.0, 32.0), (45.0, 50.0), (34.0, 68.0), (27.0, 92.0), (21.5, 1e9)];
const RPM_IDLE: f64 = 840.0;
/// Speed from which a car stands within a second, m/s.
const CREEP: f64 = 2.5;
const MASS_KG: f64 = 1_420.0;
const TANK_L: f64 = 45.0;
/// Litres an hour of a kilowatt at the wheels, and of the engine merely turning.
const LITRES_A_KWH: f64 = 0.33;
const LITRES_IDLE: f64 = 0.75;
const CODES: [&str; 5] = ["P0171", "P0300", "P0420", "P0128", "P0455"];
/// Something runs into the road once in this many seconds of brisk driving.
const SECONDS_BETWEEN_HAZARDS: f64 = 240.0;
/// Of a shared car: each driver has it for so long, one after the other; nobody leaves so soon after the beginning of that
/// time, or so late that the way might not end within it, s.
const TURN_S: u64 = 8 * 3_600;
const TURN_BEGINS_S: u64 = 300;
const TURN_ENDS_S: u64 = 3_600;
/// Driving time between two diagnostic codes.
const SECONDS_BETWEEN_CODES: f64 = 5_400.0;

/// How somebody drives.
#[derive(Clone, Copy, Debug)]
struct Driver {
    name: &'static str,
    /// Share of the limit.
    pace: f64,
    /// Usual acceleration and braking, m/s².
    gas: f64,
    brake: f64,
    hazards: f64,
}

const DRIVERS: [Driver; 3] = [
    Driver { name: "anna", pace: 0.94, gas: 1.5, brake: 1.8, hazards: 0.3 },
    Driver { name: "ben", pace: 1.02, gas: 2.2, brake: 2.4, hazards: 0.8 },
    Driver { name: "cleo", pace: 1.10, gas: 3.0, brake: 2.9, hazards: 1.6 },
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Doing {
    /// The engine is off for so many more seconds.
    Parked(u32),
    /// The engine runs, the car stands: before leaving, or at a light.
    Standing(u32),
    Driving,
    /// Braking for something in the road: m/s² and seconds left.
    Braking(f64, u32),
}

#[derive(Clone, Debug, Default)]
struct Trip {
    from_ms: u64,
    distance_m: f64,
    fuel_l: f64,
    idle_s: u32,
    speed_max: f64,
    harsh_brakes: u32,
    harsh_accelerations: u32,
}

/// A seeded car.
pub(crate) struct Car {
    random: ChaCha8Rng,
    vin: Option<String>,
    doing: Doing,
    driver: Driver,
    way: Vec<Segment>,
    /// Index in `way` and metres driven on that segment.
    segment: usize,
    on_segment_m: f64,
    place: Place,
    speed: f64,
    odometer_m: f64,
    fuel_l: f64,
    coolant: f64,
    outside: f64,
    codes: Vec<(&'static str, u32)>,
    trip: Trip,
    acceleration: f64,
    /// The speed read last, and what it had changed by.
    speed_before: f64,
    change_before: f64,
    /// Seconds it was lived, if it is shared by turns.
    turns: Option<u64>,
}

impl Car {
    /// A car about to leave.
    pub(crate) fn new(mut random: ChaCha8Rng) -> Self {
        let way = route(&mut random);
        let place = Place { latitude: random.random_range(48.05..48.25), longitude: random.random_range(11.35..11.75) };
        let vin = format!("WHZ{:014}", random.random_range(10_u64.pow(12)..10_u64.pow(13)));
        let driver = DRIVERS[random.random_range(0..DRIVERS.len())];
        Self {
            vin: Some(vin),
            doing: Doing::Parked(random.random_range(1..4)),
            driver,
            segment: 0,
            on_segment_m: 0.0,
            place,
            speed: 0.0,
            odometer_m: random.random_range(4e6..9e7),
            fuel_l: random.random_range(0.25..0.95) * TANK_L,
            outside: random.random_range(-5.0..28.0),
            coolant: random.random_range(30.0..75.0),
            codes: Vec::new(),
            trip: Trip::default(),
            acceleration: 0.0,
            speed_before: 0.0,
            change_before: 0.0,
            turns: None,
            way,
            random,
        }
    }

    /// A car that each driver has in turn, from the moment it is switched on.
    pub(crate) fn shared(random: ChaCha8Rng) -> Self {
        Self { turns: Some(0), ..Self::new(random) }
    }

    /// Who leaves now, if anybody may.
    fn next_driver(&mut self) -> Option<Driver> {
        let Some(lived_s) = self.turns else { return Some(DRIVERS[self.random.random_range(0..DRIVERS.len())]) };
        let in_time = (TURN_BEGINS_S..TURN_S - TURN_ENDS_S).contains(&(lived_s % TURN_S));
        DRIVERS.into_iter().cycle().nth((lived_s / TURN_S) as usize).filter(|_| in_time)
    }

    fn live(&mut self, at_ms: u64, moment: &mut Moment) {
        let before = self.speed;
        match self.doing {
            Doing::Parked(0) => {
                if let Some(driver) = self.next_driver() {
                    self.leave(driver, at_ms, moment);
                }
            }
            Doing::Parked(left) => self.doing = Doing::Parked(left - 1),
            Doing::Standing(0) => self.doing = Doing::Driving,
            Doing::Standing(left) => self.doing = Doing::Standing(left - 1),
            Doing::Driving => self.drive(),
            Doing::Braking(strength, left) => {
                self.speed = (self.speed - strength).max(0.0);
                self.doing = if left == 0 { Doing::Driving } else { Doing::Braking(strength, left - 1) };
            }
        }
        self.acceleration = self.speed - before;
        self.note_harsh(at_ms, moment);
        self.advance((before + self.speed) / 2.0, at_ms, moment);
    }

    fn leave(&mut self, driver: Driver, at_ms: u64, moment: &mut Moment) {
        self.driver = driver;
        self.trip = Trip { from_ms: at_ms, ..Trip::default() };
        self.doing = Doing::Standing(self.random.random_range(1..6));
        if self.fuel_l < 0.12 * TANK_L {
            self.fuel_l = 0.97 * TANK_L;
        }
        moment.happens(at_ms, "ignition_on", 0, 1.0);
        moment.tell(at_ms, "departure", json!({"driver": driver.name}));
    }

    /// One second towards the speed that the road allows here and at the segment's end.
    fn drive(&mut self) {
        let Some(segment) = self.way.get(self.segment) else { return };
        if self.speed > 8.0 && once_in(&mut self.random, SECONDS_BETWEEN_HAZARDS / self.driver.hazards) {
            self.doing = Doing::Braking(self.random.random_range(3.4..6.5), self.random.random_range(0..2));
            return;
        }
        let left_m = (segment.length_m - self.on_segment_m - self.speed).max(0.0);
        let wanted = segment.limit * self.driver.pace;
        let in_time = (segment.end.powi(2) + 2.0 * self.driver.brake * left_m).sqrt();
        let target = wanted.min(in_time).max(1.5) * (1.0 + 0.01 * noise(&mut self.random));
        // Less pull at higher speed.
        let eager = 1.0 + 0.15 * noise(&mut self.random);
        let gas = self.driver.gas * eager * (1.0 - self.speed / 60.0).max(0.15);
        self.speed += (target - self.speed).clamp(-self.driver.brake, gas.max(0.1));
        self.speed = self.speed.max(0.0);
    }

    fn note_harsh(&mut self, at_ms: u64, moment: &mut Moment) {
        let (what, event, count) = if self.acceleration <= -HARSH_BRAKE {
            ("harsh_brake", "harsh_brake", &mut self.trip.harsh_brakes)
        } else if self.acceleration >= HARSH_ACCELERATION {
            ("harsh_acceleration", "harsh_acceleration", &mut self.trip.harsh_accelerations)
        } else {
            return;
        };
        *count += 1;
        let g = self.acceleration.abs() / GRAVITY;
        moment.happens(at_ms, event, 1, g * 1_000.0);
        moment.tell(at_ms, what, json!({"driver": self.driver.name, "mps2": round(self.acceleration, 3)}));
    }

    /// What the speed that is read changed by: more than the acceleration where the car rolls to a stand.
    fn note_change(&mut self, at_ms: u64, moment: &mut Moment) {
        let now = self.speed - std::mem::replace(&mut self.speed_before, self.speed);
        let before = std::mem::replace(&mut self.change_before, now);
        if now.abs().max(before.abs()) >= CHANGE_TOLD {
            moment.tell(at_ms, "speed_change", json!({"mps2": round(now, 3), "before_mps2": round(before, 3)}));
        }
    }

    /// Moves the car by `metres`; ends segments, and the trip with the last one.
    fn advance(&mut self, metres: f64, at_ms: u64, moment: &mut Moment) {
        let Some(segment) = self.way.get(self.segment).copied() else { return };
        self.place = self.place.moved(metres, segment.heading);
        self.odometer_m += metres;
        self.on_segment_m += metres;
        self.trip.distance_m += metres;
        self.trip.speed_max = self.trip.speed_max.max(self.speed);
        if !self.runs() {
            return;
        }
        if metres < 0.1 {
            self.trip.idle_s += 1;
        }
        // Nobody stops at once: who comes too fast rolls over the line.
        let rolls_on = segment.end <= 0.0 && self.speed > CREEP;
        if self.on_segment_m < segment.length_m - 0.5 || rolls_on {
            return;
        }
        self.segment += 1;
        self.on_segment_m = 0.0;
        if segment.end > 0.0 {
            return;
        }
        self.speed = 0.0;
        if self.segment < self.way.len() {
            self.doing = Doing::Standing(self.random.random_range(4..40));
        } else {
            self.arrive(at_ms, moment);
        }
    }

    fn arrive(&mut self, at_ms: u64, moment: &mut Moment) {
        let Trip { from_ms, distance_m, fuel_l, idle_s, speed_max, harsh_brakes, harsh_accelerations } = self.trip;
        moment.happens(at_ms, "ignition_off", 0, distance_m);
        let facts = json!({
            "from_ms": from_ms, "to_ms": at_ms, "driver": self.driver.name, "distance_m": round(distance_m, 1),
            "fuel_l": round(fuel_l, 3), "idle_s": idle_s, "speed_max_kmh": round(speed_max * KMH, 1),
            "harsh_brakes": harsh_brakes, "harsh_accelerations": harsh_accelerations,
        });
        moment.tell(at_ms, "trip", facts);
        self.way = back(&self.way);
        self.segment = 0;
        self.on_segment_m = 0.0;
        self.doing = Doing::Parked(self.random.random_range(120..2_400));
    }

    fn runs(&self) -> bool {
        !matches!(self.doing, Doing::Parked(_))
    }

    /// Codes come while driving and are cleared half an hour later.
    fn diagnose(&mut self, at_ms: u64, moment: &mut Moment) {
        if self.runs() && self.codes.is_empty() && once_in(&mut self.random, SECONDS_BETWEEN_CODES) {
            let code = CODES[self.random.random_range(0..CODES.len())];
            self.codes.push((code, 1_800));
            moment.happens(at_ms, "dtc_set", 2, 1.0);
            if let Some(event) = moment.events.last_mut() {
                event.data = code.as_bytes().to_vec();
            }
            moment.tell(at_ms, "dtc", json!({"code": code, "set": true}));
        }
        for (_, left) in &mut self.codes {
            *left -= 1;
        }
        if let Some((code, 0)) = self.codes.first().copied() {
            self.codes.clear();
            moment.happens(at_ms, "dtc_cleared", 0, 1.0);
            moment.tell(at_ms, "dtc", json!({"code": code, "set": false}));
        }
    }

    fn read(&mut self, moment: &mut Moment) {
        let jitter = 2e-5 * noise(&mut self.random);
        moment.read("latitude", self.place.latitude + jitter);
        moment.read("longitude", self.place.longitude + jitter);
        moment.read("odometer", self.odometer_m / 1_000.0);
        moment.read("dtc_count", self.codes.len() as f64);
        let warm = if self.runs() { (90.0, 240.0) } else { (self.outside, 3_600.0) };
        self.coolant += (warm.0 - self.coolant) / warm.1;
        if !self.runs() {
            moment.asleep = true;
            moment.read("vehicle_voltage", 12.55 + 0.01 * noise(&mut self.random));
            return;
        }
        let kmh = self.speed * KMH;
        let gear = GEARS.iter().find(|(_, up)| kmh < *up).map_or(21.5, |(ratio, _)| *ratio);
        let rpm = (kmh * gear).max(RPM_IDLE) + 12.0 * noise(&mut self.random);
        let drag_n = 0.36 * self.speed.powi(2) + 0.012 * MASS_KG * GRAVITY;
        let power_kw = ((MASS_KG * self.acceleration + drag_n) * self.speed / 1_000.0).max(0.0);
        let rate = LITRES_IDLE + LITRES_A_KWH * power_kw;
        self.fuel_l = (self.fuel_l - rate / 3_600.0).max(0.0);
        self.trip.fuel_l += rate / 3_600.0;
        let load = (18.0 + power_kw * 1.1).clamp(0.0, 100.0);
        moment.read("speed", kmh);
        moment.read("rpm", rpm);
        moment.read("throttle", (13.0 + power_kw * 0.9 + 0.4 * noise(&mut self.random)).clamp(0.0, 100.0));
        moment.read("engine_load", load);
        moment.read("coolant_temperature", self.coolant);
        moment.read("fuel_level", self.fuel_l / TANK_L * 100.0);
        moment.read("fuel_rate", rate);
        moment.read("vehicle_voltage", 14.1 + 0.03 * noise(&mut self.random));
        let heading = self.way.get(self.segment).map_or(f64::NAN, |segment| segment.heading);
        moment.read("heading", heading);
        moment.read("acc_peak_x", self.acceleration / GRAVITY + 0.02 * noise(&mut self.random));
        moment.read("acc_peak_y", 0.03 * noise(&mut self.random));
        moment.read("acc_peak_z", 1.0 + (0.01 + self.speed * 0.001) * noise(&mut self.random));
    }
}

impl Sensors for Car {
    fn second(&mut self, at_ms: u64, moment: &mut Moment) {
        if let Some(vin) = self.vin.take() {
            moment.texts.push(("vin", vin));
        }
        self.live(at_ms, moment);
        self.turns = self.turns.map(|lived_s| lived_s + 1);
        self.note_change(at_ms, moment);
        self.diagnose(at_ms, moment);
        self.read(moment);
    }
}

/// To so many decimals, for the truth's JSON.
pub(super) fn round(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}
