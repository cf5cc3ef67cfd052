//! A care band: a wristband that also sends acceleration, on an elderly wearer who sits, walks, drops onto sofas, claps,
//! knocks against tables, stumbles, and at times falls.
//!
//! More happens in its minutes than in months of a real life, so that a short scenario has falls enough. The shapes follow
//! what is published, and are fitted to no recording:
//!
//! * A fall is a beginning with little force, an impact, and another posture after it (Kangas et al. 2008,
//!   doi:10.1016/j.gaitpost.2008.01.003). The trunk's least and greatest force in simulated falls were below 0.41 g and
//!   above 3.52 g, the thigh's below 0.60 g and above 2.74 g (Bourke et al. 2007, doi:10.1016/j.gaitpost.2006.09.012); those
//!   at a wrist scatter more: here 0.15 to 0.5 g for 0.2 to 0.6 s, and 2.5 to 6 g.
//! * What is taken for falls is what is listed with them in such studies (SisFall, Sucerquia et al. 2017,
//!   doi:10.3390/s17010198): sitting down quickly, collapsing into a chair, stumbling, jumping, lying down.
//! * How often each happens, how long somebody lies, and how often the band is dropped, is made up.

use std::collections::VecDeque;
use std::ops::Range;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::wrist::{Force, G, READING_MS, Stretch, Wrist, norm, turned};
use super::wristband::{Activity, Wristband};
use super::{Moment, Sensors};

/// Index of the group of acceleration.
const MOTION: u8 = 4;
/// The greatest force of a fall is read within so long after its impact, ms.
const STRUCK_MS: u32 = 500;

/// What the wearer may do next, and how often of a hundred times.
const CHOICES: [(u32, Does); 12] = [
    (24, Does::Rest),
    (22, Does::Walk),
    (9, Does::SitDownHard),
    (7, Does::DropOntoSofa),
    (6, Does::Clap),
    (5, Does::Knock),
    (4, Does::Jump),
    (4, Does::Stumble),
    (5, Does::LieDown),
    (2, Does::DropBand),
    (2, Does::SlideDown),
    (10, Does::Fall),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Rest,
    Walk,
    SitDownHard,
    DropOntoSofa,
    Clap,
    Knock,
    Jump,
    Stumble,
    LieDown,
    /// The band slips off, drops to the floor and lies there.
    DropBand,
    /// A fall along a wall: nothing about it is sudden.
    SlideDown,
    Fall,
}

/// A fall, in ms since its movement began.
struct Fall {
    how: &'static str,
    falls_from: u32,
    impact: u32,
    /// Moves no more, and moves again.
    still_from: u32,
    still_to: u32,
    impact_g: f64,
}

/// A seeded care band.
pub(crate) struct CareBand {
    band: Wristband,
    random: ChaCha8Rng,
    wrist: Wrist,
    /// Where the wrist will be after what is planned of a movement so far.
    posture: G,
    /// Readings of what is being done.
    ahead: VecDeque<G>,
    does: Does,
    begun: bool,
    /// Steps a minute.
    cadence: f64,
}

impl CareBand {
    /// Worn from `start_ms` of device time on.
    pub(crate) fn new(mut body: ChaCha8Rng, start_ms: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(body.random());
        let wrist = Wrist::new(&mut random);
        let cadence = random.random_range(84.0..108.0);
        let band = Wristband::sitting(body, start_ms);
        let posture = wrist.up;
        Self { band, random, wrist, posture, ahead: VecDeque::new(), does: Does::Rest, begun: false, cadence }
    }

    /// What the wearer does next, from `at_ms` on.
    fn begin(&mut self, at_ms: u64, moment: &mut Moment) {
        let mut draw = self.random.random_range(0..CHOICES.iter().map(|(share, _)| share).sum());
        let chosen = CHOICES.iter().find(|(share, _)| {
            let here = draw < *share;
            draw = draw.saturating_sub(*share);
            here
        });
        // Whoever puts a band on sits.
        self.does = chosen.filter(|_| self.begun).map_or(Does::Rest, |(_, does)| *does);
        self.begun = true;
        let (stretches, fall) = match self.does {
            Does::Fall => self.fall(),
            Does::SlideDown => self.slide_down(),
            _ => (self.daily_life(), None),
        };
        let readings = self.wrist.play(&stretches, &mut self.random);
        if let Some(fall) = fall {
            tell(&fall, &readings, at_ms, moment);
        }
        self.ahead.extend(readings);
    }

    fn daily_life(&mut self) -> Vec<Stretch> {
        match self.does {
            Does::Walk => self.walk(10_000..40_000),
            Does::SitDownHard => self.sit_down(0.6..0.85, 150..300, 1.6..3.2, 80..140),
            Does::DropOntoSofa => self.sit_down(0.35..0.6, 120..280, 1.1..2.1, 150..250),
            Does::Clap => self.clap(),
            Does::Knock => self.knock(),
            Does::Jump => self.jump(),
            Does::Stumble => self.stumble(),
            Does::LieDown => self.lie_down(),
            Does::DropBand => self.drop_band(),
            Does::Rest | Does::SlideDown | Does::Fall => self.rest(5_000..30_000),
        }
    }

    /// Sits or stands, with a gesture now and then.
    fn rest(&mut self, ms: Range<u32>) -> Vec<Stretch> {
        let mut left_ms = self.ms(ms);
        let mut stretches = Vec::new();
        while left_ms > 0 {
            let calm_ms = self.ms(2_000..9_000).min(left_ms);
            left_ms -= calm_ms;
            stretches.push(Stretch::rest(calm_ms));
            let to = self.turned(8.0..40.0);
            stretches.push(Stretch::rest(self.ms(500..1_200)).turning(to).shaken(0.05));
        }
        stretches
    }

    fn walk(&mut self, ms: Range<u32>) -> Vec<Stretch> {
        let (per_min, strength) = (self.cadence * self.number(0.93..1.07), self.number(0.12..0.28));
        vec![Stretch::new(self.ms(ms), Force::Gait { per_min, strength }).shaken(0.03)]
    }

    /// Onto something, from the force, within the time and with the blow given; then sits, the arm somewhere else.
    fn sit_down(&mut self, light: Range<f64>, ms: Range<u32>, peak: Range<f64>, width_ms: Range<u32>) -> Vec<Stretch> {
        let (light, to) = (self.number(light), self.turned(20.0..90.0));
        let down = Stretch::new(self.ms(ms), Force::Steady(light)).turning(to).shaken(0.04);
        let blow = Stretch::blow(self.number(peak), self.ms(width_ms));
        let lead = [Stretch::rest(1_000), Stretch::new(80, Force::Ramp(1.0, light)), down, blow];
        [lead.to_vec(), self.rest(8_000..30_000)].concat()
    }

    /// Hands swing, and meet.
    fn clap(&mut self) -> Vec<Stretch> {
        let mut stretches = vec![Stretch::rest(600)];
        for _ in 0..self.random.random_range(2..9) {
            let swing = Force::Steady(self.number(0.3..0.9));
            stretches.push(Stretch::new(self.ms(40..80), swing).shaken(0.1));
            stretches.push(Stretch::blow(self.number(2.0..5.0), self.ms(32..60)));
            stretches.push(Stretch::rest(self.ms(60..200)).shaken(0.15));
        }
        [stretches, self.rest(3_000..15_000)].concat()
    }

    /// An arm against a table.
    fn knock(&mut self) -> Vec<Stretch> {
        let swing = Stretch::new(self.ms(40..80), Force::Steady(self.number(0.4..0.9))).shaken(0.1);
        let to = self.turned(10.0..60.0);
        let blow = Stretch::blow(self.number(2.5..6.0), self.ms(32..60)).turning(to);
        [vec![Stretch::rest(800), swing, blow], self.rest(8_000..30_000)].concat()
    }

    /// With a grandchild, or down a step.
    fn jump(&mut self) -> Vec<Stretch> {
        let mut stretches = Vec::new();
        for _ in 0..self.random.random_range(1..4) {
            stretches.push(Stretch::new(200, Force::Ramp(1.0, 0.7)));
            stretches.push(Stretch::new(160, Force::Steady(self.number(1.4..1.9))).shaken(0.1));
            stretches.push(Stretch::new(self.ms(200..360), Force::Steady(self.number(0.15..0.3))).shaken(0.05));
            stretches.push(Stretch::blow(self.number(2.5..4.5), self.ms(80..120)));
            stretches.push(Stretch::rest(self.ms(300..700)).shaken(0.15));
        }
        let after = if self.random.random_bool(0.5) { self.walk(5_000..15_000) } else { self.rest(5_000..20_000) };
        [stretches, after].concat()
    }

    /// Nearly falls, is caught by a wall or a leg, and walks on.
    fn stumble(&mut self) -> Vec<Stretch> {
        let light = Stretch::new(self.ms(100..250), Force::Steady(self.number(0.35..0.7))).shaken(0.1);
        let caught = Stretch::blow(self.number(1.8..3.2), self.ms(80..140));
        let reel = Stretch::rest(self.ms(800..2_500)).turning(self.turned(10.0..50.0)).shaken(0.2);
        [self.walk(3_000..8_000), vec![light, caught, reel], self.walk(6_000..15_000)].concat()
    }

    fn lie_down(&mut self) -> Vec<Stretch> {
        let to = self.turned(60.0..120.0);
        let down = Stretch::new(self.ms(1_500..3_000), Force::Steady(self.number(0.85..1.0))).turning(to).shaken(0.08);
        let bump = Stretch::blow(self.number(1.1..1.6), self.ms(120..200));
        [vec![down, bump], self.rest(15_000..40_000)].concat()
    }

    /// Nothing holds it on the way down: it reads less than an arm ever does. It sees no pulse until it is picked up.
    fn drop_band(&mut self) -> Vec<Stretch> {
        let off = Stretch::rest(self.ms(2_000..4_000)).turning(self.turned(20.0..80.0)).shaken(0.15);
        let falls = Stretch::new(self.ms(300..450), Force::Steady(self.number(0.02..0.1)));
        let floor = Stretch::blow(self.number(4.0..10.0), self.ms(32..60)).turning(self.turned(30.0..130.0));
        let lies = Stretch::rest(self.ms(15_000..60_000));
        let picked_up = Stretch::rest(3_000).turning(self.turned(20.0..80.0)).shaken(0.2);
        let stretches = vec![off, falls, floor, lies, picked_up];
        self.band.off_the_skin_for(length_ms(&stretches).div_ceil(1_000));
        stretches
    }

    fn fall(&mut self) -> (Vec<Stretch>, Option<Fall>) {
        // Some are broken by an arm or a bed.
        let soft = self.random.random_bool(0.1);
        let impact_g = self.number(if soft { 1.5..2.2 } else { 2.5..6.0 });
        let (light, to) = (self.number(0.15..0.5), self.turned(50.0..130.0));
        let lead = if self.random.random_bool(0.5) { self.walk(3_000..8_000) } else { vec![Stretch::rest(3_000)] };
        let down = [
            Stretch::new(80, Force::Ramp(1.0, light)),
            Stretch::new(self.ms(200..600), Force::Steady(light)).turning(to).shaken(0.06),
        ];
        let falls_from = length_ms(&lead);
        let impact = falls_from + length_ms(&down);
        let blow = Stretch::blow(impact_g, self.ms(80..120));
        let start = [lead, down.to_vec(), vec![blow]].concat();
        let how = if soft { "soft" } else { "hard" };
        self.lie(start, Fall { how, falls_from, impact, still_from: 0, still_to: 0, impact_g })
    }

    fn slide_down(&mut self) -> (Vec<Stretch>, Option<Fall>) {
        let impact_g = self.number(1.2..1.8);
        let to = self.turned(50.0..130.0);
        let slide = Stretch::new(self.ms(1_000..2_000), Force::Steady(self.number(0.75..0.95)));
        let start = vec![Stretch::rest(2_000), slide.turning(to).shaken(0.1), Stretch::blow(impact_g, 150)];
        let (falls_from, impact) = (2_000, length_ms(&start[..2]));
        self.lie(start, Fall { how: "slide", falls_from, impact, still_from: 0, still_to: 0, impact_g })
    }

    /// After a fall: moves a little, lies, twitches, and gets up; two of three do so only after a long while.
    fn lie(&mut self, mut stretches: Vec<Stretch>, fall: Fall) -> (Vec<Stretch>, Option<Fall>) {
        let tries = Stretch::rest(self.ms(400..4_000)).turning(self.turned(0.0..15.0)).shaken(0.12);
        stretches.push(tries);
        let still_from = length_ms(&stretches);
        let lies_ms = if self.random.random_bool(0.67) { self.ms(20_000..60_000) } else { self.ms(2_000..20_000) };
        stretches.push(Stretch::rest(lies_ms.min(14_000)));
        if lies_ms > 14_000 {
            stretches.push(Stretch::rest(300).turning(self.turned(0.0..10.0)).shaken(0.1));
            stretches.push(Stretch::rest(lies_ms - 14_000));
        }
        let still_to = length_ms(&stretches);
        stretches.push(Stretch::rest(self.ms(3_000..6_000)).turning(self.turned(50.0..130.0)).shaken(0.25));
        stretches.extend(self.walk(5_000..20_000));
        (stretches, Some(Fall { still_from, still_to, ..fall }))
    }

    fn turned(&mut self, degrees: Range<f64>) -> G {
        let degrees = self.number(degrees);
        self.posture = turned(self.posture, degrees, &mut self.random);
        self.posture
    }

    fn number(&mut self, range: Range<f64>) -> f64 {
        self.random.random_range(range)
    }

    fn ms(&mut self, range: Range<u32>) -> u32 {
        self.random.random_range(range)
    }
}

fn length_ms(stretches: &[Stretch]) -> u32 {
    stretches.iter().map(Stretch::length_ms).sum()
}

/// What really happened, and how hard the sensor read it.
fn tell(fall: &Fall, readings: &[G], began_ms: u64, moment: &mut Moment) {
    let reading = |ms: u32| (ms / READING_MS) as usize;
    let struck = readings.iter().skip(reading(fall.impact)).take(reading(STRUCK_MS));
    let read_g = struck.map(|g| norm(*g)).fold(0.0, f64::max);
    let at = |ms: u32| began_ms + u64::from(ms);
    let facts = json!({
        "how": fall.how, "from_ms": at(fall.falls_from), "to_ms": at(fall.still_to),
        "still_s": f64::from(fall.still_to - fall.still_from) / 1_000.0,
        "impact_g": super::car::round(fall.impact_g, 2), "read_g": super::car::round(read_g, 2),
    });
    moment.tell(at(fall.impact), "fall", facts);
}

impl Sensors for CareBand {
    fn second(&mut self, at_ms: u64, moment: &mut Moment) {
        for n in 0..1_000 / READING_MS {
            let at_ms = at_ms + u64::from(n * READING_MS);
            if self.ahead.is_empty() {
                self.begin(at_ms, moment);
            }
            if let Some(g) = self.ahead.pop_front() {
                moment.rows.push((MOTION, at_ms, g.to_vec()));
            }
        }
        self.band.goes_on(if self.does == Does::Walk { Activity::Walk } else { Activity::Sit });
        Sensors::second(&mut self.band, at_ms, moment);
    }
}
