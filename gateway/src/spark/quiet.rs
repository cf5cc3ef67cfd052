//! Quiet hours: a subject's setting `quiet = "22:00-07:00"`, in its own time zone. Until they end its devices are told of
//! nothing but what is critical.

use super::view::local;
use crate::halo::Subject;
use crate::ingest::quiet::{QUIET, parse};

const DAY_MIN: i64 = 24 * 60;

/// When the quiet hours of a subject end, Unix milliseconds, if it has some and they are on. A setting that is none is
/// no quiet hours.
pub fn quiet_until_ms(subject: &Subject, unix_ms: i64) -> Option<i64> {
    let (from, until) = parse(subject.ties()?.settings().get(QUIET)?)?;
    let now = local(subject, unix_ms, "hour")? * 60 + local(subject, unix_ms, "minute")?;
    let since = (now - from).rem_euclid(DAY_MIN);
    let length = (until - from).rem_euclid(DAY_MIN);
    let left_min = length - since;
    (left_min > 0).then(|| unix_ms - unix_ms.rem_euclid(60_000) + left_min * 60_000)
}
