//! What an accelerometer on a wrist reads of a movement: stretches of a few seconds, each a force along a direction.
//!
//! A sensor at rest reads 1 g away from the ground; one that falls reads next to nothing, one that is stopped reads how
//! hard. Movements are drawn every 4 ms, and a reading is the mean of the first half of its 40 ms, as a sensor filters:
//! a blow shorter than that is read weaker than it was.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::noise;

/// Along three axes of the band, g.
pub(super) type G = [f64; 3];

/// Between two readings, ms: 25 a second.
pub(super) const READING_MS: u32 = 40;
/// Between two points that are drawn, ms.
const POINT_MS: u32 = 4;
/// Points of a reading's 40 ms, and those of them it is the mean of.
const POINTS: u32 = READING_MS / POINT_MS;
const POINTS_READ: u32 = 5;
/// Noise of the sensor itself, g.
const SENSOR_NOISE: f64 = 0.008;
/// A blow rings on for so long, ms.
const RING_MS: u32 = 120;

/// How hard the wrist is held, or stopped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Force {
    /// So many g: 1 at rest, less in a fall.
    Steady(f64),
    /// From one to the other.
    Ramp(f64, f64),
    /// Half a swing up to `peak` within `width_ms`, and what rings after it; see [`Stretch::blow`].
    Blow { peak: f64, width_ms: f64 },
    /// Steps a minute, and how strong they are.
    Gait { per_min: f64, strength: f64 },
}

/// A part of a movement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    ms: u32,
    force: Force,
    /// Where the force points at its end; none = as before.
    turn: Option<G>,
    /// Of hands that tremble, g.
    shake: f64,
}

impl Stretch {
    /// As long as so many points are.
    pub(super) fn new(ms: u32, force: Force) -> Self {
        Self { ms: ms / POINT_MS * POINT_MS, force, turn: None, shake: 0.0 }
    }

    pub(super) fn length_ms(&self) -> u32 {
        self.ms
    }

    /// At rest.
    pub(super) fn rest(ms: u32) -> Self {
        Self::new(ms, Force::Steady(1.0))
    }

    /// A blow and its ringing.
    pub(super) fn blow(peak: f64, width_ms: u32) -> Self {
        Self::new(width_ms + RING_MS, Force::Blow { peak, width_ms: width_ms.into() })
    }

    /// The same on the way to another posture.
    pub(super) fn turning(self, to: G) -> Self {
        Self { turn: Some(to), ..self }
    }

    /// The same with trembling.
    pub(super) fn shaken(self, shake: f64) -> Self {
        Self { shake, ..self }
    }

    /// The force at `at_ms` of it.
    fn force_at(&self, at_ms: f64) -> f64 {
        use std::f64::consts::{PI, TAU};
        match self.force {
            Force::Steady(g) => g,
            Force::Ramp(from, to) => from + (to - from) * at_ms / f64::from(self.ms.max(1)),
            Force::Blow { peak, width_ms } if at_ms < width_ms => 1.0 + (peak - 1.0) * (PI * at_ms / width_ms).sin(),
            Force::Blow { peak, width_ms } => {
                let after_ms = at_ms - width_ms;
                1.0 - 0.3 * (peak - 1.0) * (-after_ms / 35.0).exp() * (TAU * after_ms / 80.0).sin()
            }
            Force::Gait { per_min, strength } => {
                let steps = at_ms / 60_000.0 * per_min;
                1.0 + strength * ((TAU * steps).cos() + 0.4 * (2.0 * TAU * steps + 1.0).cos())
            }
        }
    }

    /// How far the arm swings to the side at `at_ms` of it, g: once in two steps.
    fn swing_at(&self, at_ms: f64) -> f64 {
        match self.force {
            Force::Gait { per_min, strength } => {
                0.6 * strength * (std::f64::consts::PI * at_ms / 60_000.0 * per_min).sin()
            }
            _ => 0.0,
        }
    }
}

/// A wrist in its posture.
#[derive(Clone, Debug)]
pub(super) struct Wrist {
    /// Away from the ground, of length 1.
    pub(super) up: G,
    /// Where it swings.
    side: G,
}

impl Wrist {
    pub(super) fn new(random: &mut ChaCha8Rng) -> Self {
        let up = unit([noise(random), noise(random), noise(random)]).unwrap_or([0.0, 0.0, 1.0]);
        Self { up, side: across(up, random) }
    }

    /// Moves through these stretches, one after the other, and reads meanwhile. The last one goes on to the next reading.
    pub(super) fn play(&mut self, stretches: &[Stretch], random: &mut ChaCha8Rng) -> Vec<G> {
        let whole = stretches.iter().map(|stretch| stretch.ms / POINT_MS).sum::<u32>();
        let short = whole.next_multiple_of(POINTS) - whole;
        let (mut readings, mut read, mut point) = (Vec::new(), [0.0; 3], 0);
        for (index, stretch) in stretches.iter().enumerate() {
            let last = index + 1 == stretches.len();
            let (from, points) = (self.up, stretch.ms / POINT_MS);
            for n in 0..points + if last { short } else { 0 } {
                if point < POINTS_READ {
                    let at_ms = f64::from(n * POINT_MS);
                    self.up = stretch.turn.map_or(from, |to| between(from, to, at_ms / f64::from(stretch.ms.max(1))));
                    read = sum(read, self.acceleration(stretch, at_ms));
                }
                point += 1;
                if point == POINTS {
                    let noise_g = SENSOR_NOISE + stretch.shake;
                    readings.push(read.map(|axis| axis / f64::from(POINTS_READ) + noise_g * noise(random)));
                    (read, point) = ([0.0; 3], 0);
                }
            }
            self.up = stretch.turn.unwrap_or(self.up);
        }
        self.side = across(self.up, random);
        readings
    }

    fn acceleration(&self, stretch: &Stretch, at_ms: f64) -> G {
        let (force, swing) = (stretch.force_at(at_ms), stretch.swing_at(at_ms));
        sum(self.up.map(|axis| axis * force), self.side.map(|axis| axis * swing))
    }
}

/// A direction so many degrees from another.
pub(super) fn turned(from: G, degrees: f64, random: &mut ChaCha8Rng) -> G {
    let (across, (sin, cos)) = (across(from, random), degrees.to_radians().sin_cos());
    sum(from.map(|axis| axis * cos), across.map(|axis| axis * sin))
}

/// Length.
pub(super) fn norm(of: G) -> f64 {
    of.iter().map(|axis| axis * axis).sum::<f64>().sqrt()
}

fn sum([a, b, c]: G, [x, y, z]: G) -> G {
    [a + x, b + y, c + z]
}

fn unit(of: G) -> Option<G> {
    let length = norm(of);
    (length > 1e-6).then(|| of.map(|axis| axis / length))
}

/// On the way from one direction to another.
fn between(from: G, to: G, share: f64) -> G {
    let share = share.clamp(0.0, 1.0);
    unit(sum(from.map(|axis| axis * (1.0 - share)), to.map(|axis| axis * share))).unwrap_or(to)
}

/// Some direction at a right angle.
fn across(up: G, random: &mut ChaCha8Rng) -> G {
    let any = [0; 3].map(|_| random.random_range(-1.0..1.0));
    let along: f64 = any.iter().zip(up).map(|(any, up)| any * up).sum();
    let level = sum(any, up.map(|axis| -axis * along));
    unit(level).unwrap_or([-up[1], up[0], 0.0])
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn played(stretches: &[Stretch]) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut wrist = Wrist::new(&mut random);
        wrist.play(stretches, &mut random).into_iter().map(norm).collect()
    }

    #[test]
    fn a_wrist_at_rest_reads_one_g_and_one_that_falls_next_to_nothing() {
        let read = played(&[Stretch::rest(2_000), Stretch::new(400, Force::Steady(0.2))]);
        assert_eq!(read.len(), 60);
        assert!(read[..50].iter().all(|g| (g - 1.0).abs() < 0.1) && read[50..].iter().all(|g| (g - 0.2).abs() < 0.1));
    }

    #[test]
    fn a_short_blow_is_read_weaker_than_it_was_and_a_long_one_as_it_was() {
        let most = |width_ms, lead_ms| {
            let read = played(&[Stretch::rest(lead_ms), Stretch::blow(4.0, width_ms)]);
            read.into_iter().fold(0.0, f64::max)
        };
        let (short, long): (Vec<f64>, Vec<f64>) =
            (0..10).map(|n| 400 + n * POINT_MS).map(|lead| (most(40, lead), most(200, lead))).unzip();
        assert!(long.iter().all(|g| (3.7..4.1).contains(g)), "{long:?}");
        assert!(short.iter().all(|g| *g < 4.1) && short.iter().any(|g| *g < 2.5), "{short:?}");
    }

    #[test]
    fn a_turn_is_as_far_as_was_asked_for() {
        let mut random = ChaCha8Rng::seed_from_u64(9);
        let mut wrist = Wrist::new(&mut random);
        for degrees in [10.0, 60.0, 120.0] {
            let (before, to) = (wrist.up, turned(wrist.up, degrees, &mut random));
            wrist.play(&[Stretch::rest(400).turning(to)], &mut random);
            let cos: f64 = before.iter().zip(wrist.up).map(|(a, b)| a * b).sum();
            assert!((cos.acos().to_degrees() - degrees).abs() < 0.1, "{cos}");
        }
    }
}
