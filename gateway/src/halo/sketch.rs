//! Quantiles in a few bytes: sparse buckets whose width grows with the value, so that the error is relative.
//!
//! One octave has 35 buckets per sign. Their bounds follow a cubic stand-in for the logarithm (C. Masson et al.,
//! "DDSketch", 2019, and its cubically interpolated mapping): three multiplications of IEEE doubles, hence the same
//! bucket on every machine. A bucket is at most e^0.02 wide and answers with the value whose relative distance to
//! both of its ends is the same: tanh(0.01) < 1 %. Zero has a bucket of its own; negative values mirror the positive.
//!
//! Own code and not a crate: the published sketches keep a dense array or a map per sketch, several hundred bytes,
//! where a wristband has 270 of them in 20 KB; here each is a slice of its window's one sorted list of buckets.

use serde::{Deserialize, Deserializer, Serializer};

/// Largest relative distance between a quantile of a sketch and the exact value of that rank.
#[cfg(test)]
pub(super) const ERROR_MAX: f64 = 0.01;

/// Which bucket a value falls into; ordered as the values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(i16);

/// How many values of one bucket a pane holds; a full bucket is followed by another of the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    key: Key,
    count: u16,
}

const STEPS_PER_OCTAVE: usize = 35;
/// A value is a 64-bit integer times num/den of 32 bits each: no magnitude but zero is below 2^-32 or above 2^95.
const EXPONENT_MIN: i32 = -32;
const EXPONENT_MAX: i32 = 95;
const MANTISSA: u64 = (1 << 52) - 1;
const ONE: u64 = 1023 << 52;

const _: () = assert!((EXPONENT_MAX - EXPONENT_MIN + 1) * (STEPS_PER_OCTAVE as i32) < i16::MAX as i32);

/// Lower bounds of the buckets within the octave [1, 2), and its end.
const BOUNDS: [f64; STEPS_PER_OCTAVE + 1] = bounds();

impl Key {
    /// The bucket of a finite value.
    pub(crate) fn of(value: f64) -> Self {
        let bits = value.abs().to_bits();
        let exponent = i32::try_from(bits >> 52).unwrap_or(0) - 1023;
        if exponent < EXPONENT_MIN {
            return Self(0);
        }
        let magnitude = if exponent > EXPONENT_MAX {
            (EXPONENT_MAX - EXPONENT_MIN + 1) * (STEPS_PER_OCTAVE as i32)
        } else {
            let step = step(f64::from_bits((bits & MANTISSA) | ONE));
            1 + (exponent - EXPONENT_MIN) * (STEPS_PER_OCTAVE as i32) + step
        };
        let key = i16::try_from(magnitude).unwrap_or(i16::MAX);
        Self(if value < 0.0 { -key } else { key })
    }

    /// The value that stands for the bucket.
    fn value(self) -> f64 {
        if self.0 == 0 {
            return 0.0;
        }
        let magnitude = usize::from(self.0.unsigned_abs()) - 1;
        let exponent = (magnitude / STEPS_PER_OCTAVE) as i32 + EXPONENT_MIN;
        let step = magnitude % STEPS_PER_OCTAVE;
        let (low, high) = match BOUNDS.get(step..step + 2) {
            Some([low, high]) => (*low, *high),
            _ => (1.0, 1.0),
        };
        let power = f64::from_bits(u64::from((exponent + 1023).unsigned_abs()) << 52);
        let value = 2.0 * low * high / (low + high) * power;
        if self.0 < 0 { -value } else { value }
    }
}

impl Bucket {
    /// One value.
    pub(crate) fn one(key: Key) -> Self {
        Self { key, count: 1 }
    }

    /// Takes another one of the same key in, if there is room.
    pub(crate) fn join(&mut self, other: Self) -> bool {
        let joins = self.key == other.key && self.count.checked_add(other.count).is_some();
        if joins {
            self.count += other.count;
        }
        joins
    }
}

/// Merges `more`, which is in order of its keys, into the sketch of `len` buckets before `end`, which is so too. Returns how
/// many buckets it has more. A sketch never has as many buckets as can be counted, but for those filled to the brim; what
/// would be one more is left out.
pub(crate) fn add(buckets: &mut Vec<Bucket>, end: usize, len: u16, more: &[Bucket]) -> u16 {
    let (mut from, mut added) = (end.saturating_sub(usize::from(len)), 0);
    let first = from;
    for more in more {
        let own = buckets.get(from..end + usize::from(added)).unwrap_or_default();
        from += places_before(own, more.key);
        let mut count = more.count;
        if from > first
            && let Some(bucket) = buckets.get_mut(from - 1)
            && bucket.key == more.key
        {
            let taken = count.min(u16::MAX - bucket.count);
            bucket.count += taken;
            count -= taken;
        }
        if count > 0 && len + added < u16::MAX {
            insert(buckets, from, Bucket { key: more.key, count });
            added += 1;
        }
    }
    added
}

/// How many have no larger key: the next one is mostly near.
fn places_before(own: &[Bucket], key: Key) -> usize {
    const NEAR: usize = 8;
    let (near, far) = own.split_at(own.len().min(NEAR));
    let before = near.iter().take_while(|bucket| bucket.key <= key).count();
    if before < NEAR { before } else { NEAR + far.partition_point(|bucket| bucket.key <= key) }
}

fn insert(buckets: &mut Vec<Bucket>, at: usize, bucket: Bucket) {
    if buckets.len() == buckets.capacity() {
        // Doubling would waste half of a wristband's state; a list grows rarely once its signal has shown its range.
        buckets.reserve_exact(4);
    }
    buckets.insert(at, bucket);
}

/// Merges sketches and answers their quantiles; keeps its memory for the next question.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Vec<u64>,
    low: i16,
    total: u64,
}

impl Tally {
    /// Starts over with these buckets, of any number of sketches, in any order.
    pub(crate) fn fill<'a>(&mut self, buckets: impl Iterator<Item = &'a Bucket> + Clone) {
        let keys = || buckets.clone().map(|bucket| bucket.key.0);
        self.low = keys().min().unwrap_or(0);
        let high = keys().max().unwrap_or(0);
        self.total = 0;
        self.counts.clear();
        self.counts.resize(usize::from(high.abs_diff(self.low)) + 1, 0);
        for bucket in buckets {
            if let Some(count) = self.counts.get_mut(usize::from(bucket.key.0.abs_diff(self.low))) {
                *count += u64::from(bucket.count);
            }
            self.total += u64::from(bucket.count);
        }
    }

    /// The value at the nearest rank, ⌈percent · n / 100⌉ counted from 1, within 1 %; 0 when empty.
    pub(crate) fn percentile(&self, percent: u64) -> f64 {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut below = 0;
        let at = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        let above_low = i16::try_from(at.unwrap_or(0)).unwrap_or(i16::MAX);
        Key(self.low.saturating_add(above_low)).value()
    }
}

/// Writes each key as its distance from the one before: one or two bytes where the key itself has two or three.
pub(crate) fn serialize<S: Serializer>(buckets: &[Bucket], serializer: S) -> Result<S::Ok, S::Error> {
    let mut before = 0i16;
    serializer.collect_seq(buckets.iter().map(|bucket| {
        let step = bucket.key.0.wrapping_sub(before);
        before = bucket.key.0;
        (step, bucket.count)
    }))
}

/// Reads what [`serialize`] wrote.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Bucket>, D::Error> {
    let steps = Vec::<(i16, u16)>::deserialize(deserializer)?;
    let mut key = 0i16;
    let buckets = steps.into_iter().map(|(step, count)| {
        key = key.wrapping_add(step);
        Bucket { key: Key(key), count }
    });
    Ok(buckets.collect())
}

/// Which of the octave's buckets a mantissa in [1, 2) falls into.
const fn step(mantissa: f64) -> i32 {
    let x = mantissa - 1.0;
    let cubic = ((6.0 / 35.0 * x - 3.0 / 5.0) * x + 10.0 / 7.0) * x;
    let step = (cubic * STEPS_PER_OCTAVE as f64) as i32;
    if step < STEPS_PER_OCTAVE as i32 { step } else { STEPS_PER_OCTAVE as i32 - 1 }
}

const fn bounds() -> [f64; STEPS_PER_OCTAVE + 1] {
    let mut bounds = [1.0; STEPS_PER_OCTAVE + 1];
    bounds[STEPS_PER_OCTAVE] = 2.0;
    let mut at = 1;
    while at < STEPS_PER_OCTAVE {
        bounds[at] = first_of(at as i32);
        at += 1;
    }
    bounds
}

/// The smallest mantissa of a bucket, by bisection, so that it agrees with [`step`] to the last bit.
const fn first_of(wanted: i32) -> f64 {
    let (mut low, mut high) = (0u64, MANTISSA);
    while low < high {
        let middle = low + (high - low) / 2;
        if step(f64::from_bits(ONE | middle)) >= wanted {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    f64::from_bits(ONE | low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(values: &[f64]) -> Vec<Bucket> {
        let mut buckets = Vec::new();
        values.iter().for_each(|value| add_one(&mut buckets, *value));
        buckets
    }

    fn add_one(buckets: &mut Vec<Bucket>, value: f64) {
        let (end, len) = (buckets.len(), buckets.len() as u16);
        add(buckets, end, len, &[Bucket::one(Key::of(value))]);
    }

    fn within(got: f64, exact: f64) -> bool {
        (got - exact).abs() <= ERROR_MAX * exact.abs()
    }

    fn values() -> impl Strategy<Value = Vec<f64>> {
        let value = prop_oneof![
            (any::<i64>(), 1u32.., 1u32..).prop_map(|(raw, num, den)| raw as f64 * f64::from(num) / f64::from(den)),
            (-200i32..200).prop_map(f64::from),
            Just(0.0),
        ];
        prop::collection::vec(value, 1..400)
    }

    proptest! {
        #[test]
        fn a_percentile_is_within_one_percent_of_the_nearest_rank(values in values(), percent in 1u64..=100) {
            let mut tally = Tally::default();
            tally.fill(sketch(&values).iter());
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let exact = sorted[(values.len() * percent as usize).div_ceil(100) - 1];
            let got = tally.percentile(percent);
            prop_assert!(within(got, exact), "got {got}, exact {exact}");
        }

        #[test]
        fn two_sketches_side_by_side_answer_as_one_of_both(left in values(), right in values(), percent in 1u64..=100) {
            let mut merged = sketch(&left);
            merged.extend(sketch(&right));
            let mut both = left;
            both.extend(right);
            let (mut one, mut two) = (Tally::default(), Tally::default());
            one.fill(sketch(&both).iter());
            two.fill(merged.iter());
            prop_assert_eq!(one.percentile(percent), two.percentile(percent));
        }

        #[test]
        fn buckets_are_ordered_as_their_values(a in any::<i64>(), b in any::<i64>()) {
            let (a, b) = (a as f64 / 1e6, b as f64 / 1e6);
            prop_assert_eq!(Key::of(a) <= Key::of(b), a <= b || Key::of(a) == Key::of(b));
        }
    }

    #[test]
    fn every_bucket_stands_within_one_percent_of_both_of_its_ends() {
        for pair in BOUNDS.windows(2) {
            let middle = Key::of(pair[0]).value();
            assert!(within(middle, pair[0]) && within(middle, pair[1]), "{pair:?} answers {middle}");
        }
    }

    #[test]
    fn a_full_bucket_goes_on_in_another() {
        let mut buckets = Vec::new();
        for _ in 0..200_000 {
            add_one(&mut buckets, 7.0);
        }
        for _ in 0..100_000 {
            add_one(&mut buckets, 9.0);
        }
        let mut tally = Tally::default();
        tally.fill(buckets.iter());
        assert_eq!(tally.total, 300_000);
        assert!(within(tally.percentile(66), 7.0) && within(tally.percentile(67), 9.0));
    }

    #[test]
    fn an_hour_of_heart_rate_takes_at_most_eighty_bytes() {
        #[derive(serde::Serialize)]
        struct Row<'a>(#[serde(serialize_with = "serialize")] &'a [Bucket]);
        let hour: Vec<f64> = (0..3600).map(|s| (75.0 + 15.0 * (f64::from(s) / 571.0).sin()).round()).collect();
        let bytes = postcard::to_stdvec(&Row(&sketch(&hour))).expect("a sketch serialises");
        println!("one hour of heart rate, 60 to 90 /min: {} bytes", bytes.len());
        assert!(bytes.len() <= 80, "{} bytes", bytes.len());
    }
}
