//! The thresholds of all derivations, and what they may be.

use crate::halo::derive::{DriveSettings, HeartSettings, JourneySettings, MotionSettings, TasteSettings};
use crate::ingest::own::OwnInvalid;

/// The thresholds of all derivations.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    pub(crate) drive: DriveSettings,
    pub(crate) journey: JourneySettings,
    pub(crate) heart: HeartSettings,
    pub(crate) motion: MotionSettings,
    pub(crate) taste: TasteSettings,
}

/// A key, its value, and the least and greatest it may be.
type Bound = (&'static str, f64, f64, f64);

/// Checks what the types cannot.
///
/// # Errors
/// The first key at fault, below `halo`.
pub(super) fn check(settings: &Settings) -> Result<(), OwnInvalid> {
    let Settings { drive, journey, heart, motion, taste } = settings;
    let (score, fall) = (&drive.score, &motion.fall);
    let bounds: [Bound; 48] = [
        ("drive.braking_mps2", drive.braking_mps2, 0.1, 50.0),
        ("drive.acceleration_mps2", drive.acceleration_mps2, 0.1, 50.0),
        ("drive.cornering_mps2", drive.cornering_mps2, 0.1, 50.0),
        ("drive.span_ms", drive.span_ms.into(), 100.0, 10_000.0),
        ("drive.merge_ms", drive.merge_ms.into(), 0.0, 60_000.0),
        ("drive.end_after_ms", drive.end_after_ms.into(), 1_000.0, 86_400_000.0),
        ("drive.gap_ms", drive.gap_ms.into(), 1_000.0, 3_600_000.0),
        ("drive.moving_kmh", drive.moving_kmh, 0.0, 50.0),
        ("drive.score.least_km", score.least_km, 0.0, 1_000.0),
        ("drive.score.floor_km", score.floor_km, 0.1, 1_000.0),
        ("drive.score.braking_points", score.braking_points, 0.0, 100.0),
        ("drive.score.acceleration_points", score.acceleration_points, 0.0, 100.0),
        ("drive.score.cornering_points", score.cornering_points, 0.0, 100.0),
        ("drive.score.idling_points", score.idling_points, 0.0, 1_000.0),
        ("drive.score.idling_free", score.idling_free, 0.0, 1.0),
        ("journey.noise_m", journey.noise_m, 0.0, 10_000.0),
        ("journey.standing_m", journey.standing_m, 1.0, 10_000.0),
        ("journey.standing_after_ms", journey.standing_after_ms.into(), 1_000.0, 86_400_000.0),
        ("journey.leaving_m", journey.leaving_m, journey.standing_m, 10_000.0),
        ("journey.gap_ms", journey.gap_ms.into(), 1_000.0, 86_400_000.0),
        ("journey.pace_ms", journey.pace_ms.into(), 1_000.0, 86_400_000.0),
        ("journey.shock_g", journey.shock_g, 0.1, 1_000.0),
        ("journey.warmest_cel", journey.warmest_cel, -273.15, 1_000.0),
        ("journey.coldest_cel", journey.coldest_cel, -273.15, 1_000.0),
        ("journey.margin_cel", journey.margin_cel, 0.0, 100.0),
        ("heart.bradycardia_per_min", heart.bradycardia_per_min, 0.0, 300.0),
        ("heart.tachycardia_per_min", heart.tachycardia_per_min, 0.0, 300.0),
        ("heart.pace_hysteresis_per_min", heart.pace_hysteresis_per_min, 0.0, 50.0),
        ("heart.pause_ms", heart.pause_ms, 1_000.0, 5_000.0),
        ("heart.early_share", heart.early_share, 0.5, 0.95),
        ("heart.gap_ms", heart.gap_ms, 0.0, 10_000.0),
        ("heart.coverage_min", heart.coverage_min, 0.0, 1.0),
        ("heart.rate_max_per_min", heart.rate_max_per_min, 100.0, 250.0),
        ("motion.bout_s", motion.bout_s.into(), 5.0, 86_400.0),
        ("motion.off_s", motion.off_s.into(), 60.0, 86_400.0),
        ("motion.day_of_use_s", motion.day_of_use_s.into(), 0.0, 86_400.0),
        ("motion.fall.light_g", fall.light_g, 0.1, 0.9),
        ("motion.fall.light_ms", fall.light_ms.into(), 40.0, 1_000.0),
        ("motion.fall.impact_g", fall.impact_g, 1.0, 16.0),
        ("motion.fall.within_ms", fall.within_ms.into(), 0.0, 5_000.0),
        ("motion.fall.turn_deg", fall.turn_deg, 0.0, 180.0),
        ("motion.fall.still_g", fall.still_g, 0.02, 1.0),
        ("motion.fall.still_s", fall.still_s.into(), 1.0, 600.0),
        ("motion.fall.up_s", fall.up_s.into(), 1.0, 600.0),
        ("taste.half_life_h", taste.half_life_h, 0.1, 87_600.0),
        ("taste.like_points", taste.like_points, 0.0, 100.0),
        ("taste.skip_points", taste.skip_points, 0.0, 100.0),
        ("taste.threshold", taste.threshold, 0.1, 1_000.0),
    ];
    // A number that is none is within nothing.
    if let Some((key, value, least, most)) =
        bounds.iter().find(|(_, value, least, most)| !(least..=most).contains(&value))
    {
        return Err(invalid(key, format!("{value} is out of range, wanted {least} to {most}")));
    }
    if journey.coldest_cel > journey.warmest_cel {
        let problem = format!("{} is above warmest_cel, which is {}", journey.coldest_cel, journey.warmest_cel);
        return Err(invalid("journey.coldest_cel", problem));
    }
    if heart.bradycardia_per_min > heart.tachycardia_per_min {
        let (slow, fast) = (heart.bradycardia_per_min, heart.tachycardia_per_min);
        return Err(invalid(
            "heart.bradycardia_per_min",
            format!("{slow} is above tachycardia_per_min, which is {fast}"),
        ));
    }
    Ok(())
}

fn invalid(key: &str, problem: String) -> OwnInvalid {
    OwnInvalid { key: key.to_owned(), problem }
}
