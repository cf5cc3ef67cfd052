//! A cool-chain parcel with a tracker: from depot to depot by road, hours of waiting in between, sometimes dropped,
//! sometimes forgotten in the sun, delivered at last; then the tracker travels with the next parcel.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::car::round;
use super::road::Place;
use super::{Moment, Sensors, noise, once_in};

/// Depots: name, latitude, longitude.
const DEPOTS: [(&str, f64, f64); 8] = [
    ("hamburg", 53.5511, 9.9937),
    ("hannover", 52.3759, 9.7320),
    ("kassel", 51.3127, 9.4797),
    ("frankfurt", 50.1109, 8.6821),
    ("nuernberg", 49.4521, 11.0767),
    ("muenchen", 48.1351, 11.5820),
    ("leipzig", 51.3397, 12.3731),
    ("koeln", 50.9375, 6.9603),
];
/// Temperatures between which the goods must stay, °C.
const COOL: std::ops::RangeInclusive<f64> = 2.0..=8.0;
/// So much colder is frost than sun, K.
const COLDER_CEL: f64 = 24.0;
/// Who is nearer than this is nearly there, m.
const NEAR_M: f64 = 30_000.0;
/// Shocks from here on are reported, g.
const SHOCK_REPORTED: f64 = 8.0;
/// Seconds between fixes and between looks at the goods, moving and at rest.
const FIX_S: (u64, u64) = (5, 300);
const LOOK_S: (u64, u64) = (30, 60);
/// Battery lost per second, %: twenty days.
const DRAIN: f64 = 100.0 / (20.0 * 86_400.0);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Doing {
    /// On the road at so many m/s.
    Moving(f64),
    /// In a depot or with the customer for so many more seconds.
    Resting(u32),
}

/// A seeded parcel.
pub(crate) struct Parcel {
    random: ChaCha8Rng,
    shipment: u32,
    announced: bool,
    /// Indices into [`DEPOTS`]: the stops of this journey, and the one being left.
    stops: Vec<usize>,
    leg: usize,
    on_leg_m: f64,
    since_ms: Option<u64>,
    doing: Doing,
    temperature: f64,
    /// What the surroundings drive the temperature to.
    surroundings: f64,
    excursion: Option<(u64, f64)>,
    shock: f64,
    battery: f64,
    seconds: u64,
    looked: bool,
    /// It stands in the frost where it would stand in the sun.
    frost: bool,
    /// Since when it is on the road and near where it is bound for, and how near it came.
    nearing: Option<(u64, f64)>,
}

impl Parcel {
    /// A parcel that is on the road already.
    pub(crate) fn new(mut random: ChaCha8Rng) -> Self {
        let shipment = random.random_range(100_000..900_000);
        let battery = random.random_range(60.0..100.0);
        let mut parcel = Self {
            random,
            shipment,
            announced: false,
            stops: Vec::new(),
            leg: 0,
            on_leg_m: 0.0,
            since_ms: None,
            doing: Doing::Resting(0),
            temperature: 5.0,
            surroundings: 5.0,
            excursion: None,
            shock: 0.2,
            battery,
            seconds: 0,
            looked: false,
            frost: false,
            nearing: None,
        };
        parcel.set_out();
        parcel.depart();
        parcel.on_leg_m = parcel.leg_m() * parcel.random.random_range(0.1..0.6);
        parcel
    }

    /// The same in winter.
    pub(crate) fn in_frost(random: ChaCha8Rng) -> Self {
        Self { frost: true, ..Self::new(random) }
    }

    fn set_out(&mut self) {
        self.shipment += 1;
        self.announced = false;
        let first = self.stops.last().copied().unwrap_or_else(|| self.random.random_range(0..DEPOTS.len()));
        self.stops = vec![first];
        let hops = self.random.random_range(2..4);
        while self.stops.len() <= hops {
            let next = self.random.random_range(0..DEPOTS.len());
            if !self.stops.contains(&next) {
                self.stops.push(next);
            }
        }
        self.leg = 0;
    }

    fn depart(&mut self) {
        self.on_leg_m = 0.0;
        self.doing = Doing::Moving(self.random.random_range(60.0..86.0) / 3.6);
        self.surroundings = 5.0;
    }

    fn depot(&self, ahead: usize) -> (&'static str, Place) {
        let at = self.stops.get(self.leg + ahead).copied().unwrap_or(0);
        let (name, latitude, longitude) = DEPOTS[at % DEPOTS.len()];
        (name, Place { latitude, longitude })
    }

    fn leg_m(&self) -> f64 {
        self.depot(0).1.distance_m(self.depot(1).1)
    }

    fn place(&self) -> Place {
        let (from, to) = (self.depot(0).1, self.depot(1).1);
        let share = if self.leg_m() > 0.0 { (self.on_leg_m / self.leg_m()).min(1.0) } else { 0.0 };
        Place {
            latitude: from.latitude + (to.latitude - from.latitude) * share,
            longitude: from.longitude + (to.longitude - from.longitude) * share,
        }
    }

    fn move_on(&mut self, at_ms: u64, moment: &mut Moment) {
        match self.doing {
            Doing::Moving(speed) => {
                self.on_leg_m += speed;
                if self.on_leg_m >= self.leg_m() {
                    self.arrive(at_ms, moment);
                } else {
                    self.near(at_ms, moment);
                }
            }
            Doing::Resting(0) => {
                let facts = json!({"place": self.depot(0).0, "from_ms": self.since_ms, "to_ms": at_ms});
                moment.tell(at_ms, "stop", facts);
                self.since_ms = Some(at_ms);
                self.depart();
            }
            Doing::Resting(left) => self.doing = Doing::Resting(left - 1),
        }
    }

    /// On the road within sight of where the shipment is bound for, on its last leg or by the way.
    fn near(&mut self, at_ms: u64, moment: &mut Moment) {
        if !self.seconds.is_multiple_of(FIX_S.0) {
            return;
        }
        let left_m = self.place().distance_m(self.bound_for().1);
        match &mut self.nearing {
            Some((_, least_m)) if left_m < NEAR_M => *least_m = least_m.min(left_m),
            Some(_) => self.passed(at_ms, moment),
            None if left_m < NEAR_M => self.nearing = Some((at_ms, left_m)),
            None => {}
        }
    }

    fn passed(&mut self, at_ms: u64, moment: &mut Moment) {
        let Some((from_ms, least_m)) = self.nearing.take() else { return };
        let (name, place) = self.bound_for();
        let is_last = self.leg + 2 == self.stops.len();
        let facts = json!({"shipment": self.name(), "place": name, "latitude": place.latitude,
                           "longitude": place.longitude, "from_ms": from_ms, "to_ms": at_ms,
                           "least_m": round(least_m, 0), "last_leg": is_last});
        moment.tell(at_ms, "nearing", facts);
    }

    fn bound_for(&self) -> (&'static str, Place) {
        self.depot(self.stops.len().saturating_sub(self.leg + 1))
    }

    fn arrive(&mut self, at_ms: u64, moment: &mut Moment) {
        self.passed(at_ms, moment);
        let (from, to, distance_m) = (self.depot(0).0, self.depot(1).0, self.leg_m());
        let facts = json!({"shipment": self.name(), "from": from, "to": to, "from_ms": self.since_ms,
                           "to_ms": at_ms, "distance_m": round(distance_m, 0)});
        moment.tell(at_ms, "leg", facts);
        self.since_ms = Some(at_ms);
        self.leg += 1;
        // It lies where it arrived, not as far along the next leg.
        self.on_leg_m = 0.0;
        if self.leg + 1 == self.stops.len() {
            moment.happens(at_ms, "delivered", 0, 1.0);
            moment.tell(at_ms, "delivered", json!({"shipment": self.name(), "place": to}));
            self.set_out();
        }
        // One stop in four the goods stand in the sun, in winter in the frost.
        let colder = if self.frost { COLDER_CEL } else { 0.0 };
        self.surroundings =
            if self.random.random_bool(0.25) { self.random.random_range(14.0..24.0) - colder } else { 5.0 };
        self.doing = Doing::Resting(self.random.random_range(2_400..14_400));
    }

    fn name(&self) -> String {
        format!("HZ{:06}DE", self.shipment)
    }

    fn handle(&mut self, at_ms: u64, moment: &mut Moment) {
        let rest = matches!(self.doing, Doing::Resting(_));
        let usual = if rest { 0.02 } else { 0.25 };
        let jolt = usual * (1.0 + 0.5 * noise(&mut self.random).abs());
        self.shock = self.shock.max(jolt);
        if once_in(&mut self.random, if rest { 10_000.0 } else { 60_000.0 }) {
            let g = self.random.random_range(5.0..45.0);
            self.shock = self.shock.max(g);
            if g >= SHOCK_REPORTED {
                moment.happens(at_ms, "shock", 2, g * 1_000.0);
                moment.tell(at_ms, "shock", json!({"g": round(g, 2), "place": self.depot(0).0}));
            }
        }
    }

    fn warm(&mut self, at_ms: u64, moment: &mut Moment) {
        self.temperature += (self.surroundings - self.temperature) / 2_700.0 + 0.002 * noise(&mut self.random);
        match &mut self.excursion {
            None if !COOL.contains(&self.temperature) => {
                self.excursion = Some((at_ms, self.temperature));
                // Trackers have a word for goods that are too warm, and none for too cold.
                if self.temperature > *COOL.end() {
                    moment.happens(at_ms, "temperature_high", 2, self.temperature * 100.0);
                }
            }
            Some((_, peak)) if self.temperature < *COOL.start() => *peak = peak.min(self.temperature),
            Some((_, peak)) if !COOL.contains(&self.temperature) => *peak = peak.max(self.temperature),
            Some((from_ms, peak)) => {
                let facts = json!({"from_ms": *from_ms, "to_ms": at_ms, "peak_cel": round(*peak, 2)});
                moment.tell(at_ms, "excursion", facts);
                moment.happens(at_ms, "temperature_normal", 0, self.temperature * 100.0);
                self.excursion = None;
            }
            None => {}
        }
        self.battery = (self.battery - DRAIN).max(0.0);
    }

    fn read(&mut self, at_ms: u64, moment: &mut Moment) {
        let (speed, fix_s, look_s, roof) = match self.doing {
            Doing::Moving(speed) => (speed * 3.6, FIX_S.0, LOOK_S.0, false),
            Doing::Resting(_) => (0.0, FIX_S.1, LOOK_S.1, true),
        };
        if self.seconds.is_multiple_of(fix_s) {
            let place = self.place();
            // Under a roof one fix in three fails.
            let fails = roof && self.random.random_bool(0.33);
            let blur = || if fails { f64::NAN } else { 2.5e-5 };
            let (north, east) = (blur() * noise(&mut self.random), blur() * noise(&mut self.random));
            let heard = if fails { f64::NAN } else { speed };
            moment.rows.push((0, at_ms, vec![place.latitude + north, place.longitude + east, heard]));
        }
        if self.seconds.is_multiple_of(look_s) || !self.looked {
            self.looked = true;
            let humidity = 55.0 + 1.5 * (self.temperature - 5.0) + noise(&mut self.random);
            let temperature = self.temperature + 0.05 * noise(&mut self.random);
            moment.rows.push((1, at_ms, vec![self.shock, temperature, humidity.clamp(0.0, 100.0), self.battery]));
            self.shock = 0.0;
        }
        self.seconds += 1;
    }
}

impl Sensors for Parcel {
    fn second(&mut self, at_ms: u64, moment: &mut Moment) {
        self.since_ms.get_or_insert(at_ms);
        if !self.announced {
            self.announced = true;
            moment.texts.push(("shipment", self.name()));
        }
        self.move_on(at_ms, moment);
        self.handle(at_ms, moment);
        self.warm(at_ms, moment);
        self.read(at_ms, moment);
    }
}
