//! A guest of a park with a band on the wrist. Families move as one party: through the gate, from land to land, into a
//! queue, onto a ride, to a restaurant; every member taps the reader, a few seconds apart.
//!
//! A party's day comes from the party's own random stream, which every member's band plays back for itself: members
//! agree without knowing of each other. Hosts play back the days of all families, and go along with one after the other.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::{Moment, Sensors, noise};

/// Lands of the park; a zone is its index from 1.
const LANDS: [&str; 5] = ["plaza", "adventure", "frontier", "fantasy", "tomorrow"];
/// What a reader at a ride is for.
const RIDE: u32 = 2;
/// Sets a host's choices apart from what its band draws.
const HOST_STREAM: u64 = 1 << 40;
/// Members' taps spread over this many seconds.
const SPREAD_S: u64 = 6;

/// What a party does until a time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Doing {
    Gate,
    Walking { to: usize },
    Queuing { from: u64 },
    Riding,
    Eating,
}

/// A reader is numbered by land and purpose: hundreds are the land, then the way in (1), a ride (2) or a table (3).
fn reader(land: usize, purpose: u32) -> u32 {
    100 * (u32::try_from(land).unwrap_or(0) + 1) + purpose
}

fn purpose_name(purpose: u32) -> &'static str {
    match purpose {
        0 => "gate",
        1 => "queue",
        2 => "ride",
        _ => "restaurant",
    }
}

/// What a party does, second by second; the same for every member.
struct Party {
    random: ChaCha8Rng,
    doing: Doing,
    left: u32,
    land: usize,
    now: u64,
}

/// A tap that all members make: reader and what for; with the wait that ended, if one did.
struct Tap {
    purpose: u32,
    waited: Option<u64>,
}

impl Party {
    fn new(mut random: ChaCha8Rng) -> Self {
        let left = random.random_range(1..4);
        Self { random, doing: Doing::Gate, left, land: 0, now: 0 }
    }

    fn second(&mut self) -> Option<Tap> {
        self.now += 1;
        if self.left > 0 {
            self.left -= 1;
            // Half-way between two lands the guest is in the next one.
            if let Doing::Walking { to } = self.doing
                && self.left == 60
            {
                self.land = to;
            }
            return None;
        }
        match self.doing {
            Doing::Gate => {
                self.walk();
                Some(Tap { purpose: 0, waited: None })
            }
            Doing::Walking { to } => {
                self.land = to;
                if self.random.random_bool(0.25) {
                    self.go(Doing::Eating, 1_200..2_700);
                    return Some(Tap { purpose: 3, waited: None });
                }
                let from = self.now;
                self.go(Doing::Queuing { from }, 180..2_700);
                Some(Tap { purpose: 1, waited: None })
            }
            Doing::Queuing { from } => {
                let waited = Some(self.now - from);
                self.go(Doing::Riding, 120..360);
                Some(Tap { purpose: 2, waited })
            }
            Doing::Riding | Doing::Eating => {
                self.walk();
                None
            }
        }
    }

    fn walk(&mut self) {
        let to = self.random.random_range(0..LANDS.len());
        self.go(Doing::Walking { to }, 121..480);
    }

    fn go(&mut self, doing: Doing, seconds: std::ops::Range<u32>) {
        self.doing = doing;
        self.left = self.random.random_range(seconds);
    }
}

/// A band on somebody's wrist: what it reads of whoever does as a party does.
struct Band {
    random: ChaCha8Rng,
    /// Whom its wearer goes with.
    name: String,
    announced: bool,
    /// Whether it is told with whom its wearer is.
    tells_meetings: bool,
    /// The tap to make, and in how many seconds.
    pending: Option<(u64, Tap, usize)>,
    reader: Option<u32>,
    taps: u32,
    steps: f64,
    seconds: u64,
    battery: f64,
}

impl Band {
    fn new(mut random: ChaCha8Rng, name: String, tells_meetings: bool) -> Self {
        let battery = random.random_range(70.0..100.0);
        Self {
            random,
            name,
            announced: false,
            tells_meetings,
            pending: None,
            reader: None,
            taps: 0,
            steps: 0.0,
            seconds: 0,
            battery,
        }
    }

    fn announce(&mut self, at_ms: u64, moment: &mut Moment) {
        self.announced = true;
        moment.texts.push(("party", self.name.clone()));
        if self.tells_meetings {
            moment.tell(at_ms, "meeting", json!({"of": "party", "with": self.name, "reader": null}));
        }
    }

    fn tap(&mut self, tap: &Tap, land: usize, at_ms: u64, moment: &mut Moment) {
        let number = reader(land, tap.purpose);
        self.reader = Some(number);
        self.taps += 1;
        moment.happens(at_ms, "tap", 0, f64::from(number));
        if let Some(event) = moment.events.last_mut() {
            event.data = self.name.as_bytes().to_vec();
        }
        let facts = json!({"reader": number, "place": purpose_name(tap.purpose), "land": LANDS[land % LANDS.len()],
                           "party": self.name, "waited_s": tap.waited});
        moment.tell(at_ms, "tap", facts);
        if self.tells_meetings && tap.purpose == RIDE {
            moment.tell(at_ms, "meeting", json!({"of": "ride", "with": self.name, "reader": number}));
        }
    }

    /// A second of doing as the party does, which may tap.
    fn live(&mut self, tap: Option<Tap>, (doing, land): (Doing, usize), at_ms: u64, moment: &mut Moment) {
        if let Some(tap) = tap {
            // Queues are short enough that a tap is made before the next one comes: SPREAD_S is below all durations.
            self.pending = Some((self.random.random_range(0..SPREAD_S), tap, land));
        }
        match self.pending.take() {
            Some((0, tap, land)) => self.tap(&tap, land, at_ms, moment),
            waiting => self.pending = waiting.map(|(left, tap, land)| (left - 1, tap, land)),
        }
        let pace = match doing {
            Doing::Walking { .. } => 1.75,
            Doing::Queuing { .. } => 0.1,
            Doing::Gate | Doing::Riding | Doing::Eating => 0.0,
        };
        self.steps += pace * (1.0 + 0.05 * noise(&mut self.random));
        if self.seconds.is_multiple_of(super::STEPS_TOLD_S) {
            moment.tell(at_ms, "steps", json!({"total": self.steps.floor()}));
        }
        self.seconds += 1;
        self.battery = (self.battery - 100.0 / (3.0 * 86_400.0)).max(0.0);
        moment.read("zone", land as f64 + 1.0);
        moment.read("reader", self.reader.map_or(f64::NAN, f64::from));
        moment.read("taps", f64::from(self.taps));
        moment.read("steps", self.steps.floor());
        moment.read("battery", self.battery);
    }
}

/// A seeded guest of a party.
pub(crate) struct Guest {
    band: Band,
    party: Party,
}

impl Guest {
    /// `party` plays the day of the party called `name`; `random` is the guest's own.
    pub(crate) fn new(random: ChaCha8Rng, party: ChaCha8Rng, name: String) -> Self {
        Self { band: Band::new(random, name, false), party: Party::new(party) }
    }

    /// The same, and with whom the guest is, is told.
    pub(crate) fn who_tells_meetings(mut self) -> Self {
        self.band.tells_meetings = true;
        self
    }
}

impl Sensors for Guest {
    fn second(&mut self, at_ms: u64, moment: &mut Moment) {
        if !self.band.announced {
            self.band.announce(at_ms, moment);
        }
        let tap = self.party.second();
        self.band.live(tap, (self.party.doing, self.party.land), at_ms, moment);
    }
}

/// A host: goes along with one family after the other, and joins the next one after each ride.
pub(crate) struct Host {
    band: Band,
    random: ChaCha8Rng,
    /// The days of all families, played on, and their names.
    families: Vec<(Party, String)>,
    with: usize,
    joined_s: u64,
}

impl Host {
    /// Among these families.
    pub(crate) fn new(mut random: ChaCha8Rng, families: Vec<(ChaCha8Rng, String)>) -> Self {
        let with = random.random_range(0..families.len().max(1));
        let name = families.get(with).map(|(_, name)| name.clone()).unwrap_or_default();
        let families = families.into_iter().map(|(random, name)| (Party::new(random), name)).collect();
        let mut choices = random.clone();
        choices.set_stream(random.get_stream() ^ HOST_STREAM);
        Self { band: Band::new(random, name, true), random: choices, families, with, joined_s: 0 }
    }

    fn join_another(&mut self, at_ms: u64, moment: &mut Moment) {
        let others = self.families.len().saturating_sub(1).max(1);
        self.with = (self.with + 1 + self.random.random_range(0..others)) % self.families.len().max(1);
        self.joined_s = self.band.seconds;
        if let Some((_, name)) = self.families.get(self.with) {
            self.band.name.clone_from(name);
        }
        self.band.announce(at_ms, moment);
    }
}

impl Sensors for Host {
    fn second(&mut self, at_ms: u64, moment: &mut Moment) {
        if !self.band.announced {
            moment.tell(at_ms, "role", json!({"what": "host"}));
            self.band.announce(at_ms, moment);
        }
        let rode = self.families.get(self.with).is_some_and(|(party, _)| party.doing == Doing::Riding);
        let taps: Vec<Option<Tap>> = self.families.iter_mut().map(|(party, _)| party.second()).collect();
        // Whoever joins them in the queue has not waited as long as they have.
        let whole = |waited: &u64| self.band.seconds.saturating_sub(self.joined_s) >= *waited;
        let tap = taps.into_iter().nth(self.with).flatten();
        let tap = tap.map(|tap| Tap { waited: tap.waited.filter(whole), ..tap });
        let Some((party, _)) = self.families.get(self.with) else { return };
        let (doing, land) = (party.doing, party.land);
        self.band.live(tap, (doing, land), at_ms, moment);
        if rode && doing != Doing::Riding {
            self.join_another(at_ms, moment);
        }
    }
}
