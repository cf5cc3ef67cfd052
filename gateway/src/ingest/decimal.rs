//! Exact decimal numbers: what a JSON number says, without going through a float.

use thiserror::Error;

/// `mantissa / 10^scale`, in lowest terms of ten: 72.50 is (725, 1), 1e3 is (1000, 0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Decimal {
    mantissa: i64,
    scale: u8,
}

/// Significant digits that always fit the mantissa.
const DIGITS_MAX: usize = 18;
/// Decimal places kept: 10^9 is the largest power of ten that fits a signal's `den`.
pub(crate) const SCALE_MAX: u8 = 9;
/// Written digits accepted at all; a double prints at most 17, a pedantic fixed form about 40.
const WRITTEN_MAX: usize = 64;

/// Why a number cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotDecimal {
    /// It has more than 18 digits before the decimal point.
    #[error("number {0} has more than 18 digits before its decimal point")]
    TooLarge(String),
    /// It is not zero and below the smallest step kept.
    #[error("number {0} is smaller than the smallest step kept, 1e-9")]
    TooSmall(String),
    /// It is not a JSON number.
    #[error("{0} is not a number")]
    NotNumber(String),
}

impl Decimal {
    /// Reads a JSON number. Up to 18 significant digits and 9 decimal places are exact; digits beyond are rounded half
    /// away from zero, since scripts print doubles with noise there (0.30000000000000004).
    pub(crate) fn parse(text: &str) -> Result<Self, NotDecimal> {
        let excerpt = || text.chars().take(40).collect::<String>();
        let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (number, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((number, exponent)) => {
                (number, exponent.parse::<i32>().map_err(|_| NotDecimal::NotNumber(excerpt()))?)
            }
            None => (unsigned, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
            return Err(NotDecimal::NotNumber(excerpt()));
        }
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).skip_while(|byte| *byte == b'0').collect();
        if digits.len() > WRITTEN_MAX {
            return Err(NotDecimal::TooLarge(excerpt()));
        }
        // The value is digits × 10^-scale.
        let mut scale = i64::try_from(fraction.len()).unwrap_or(i64::MAX).saturating_sub(i64::from(exponent));
        while digits.last() == Some(&b'0') {
            digits.pop();
            scale -= 1;
        }
        if digits.is_empty() {
            return Ok(Self::default());
        }
        let whole_digits = digits.len() as i64 - scale;
        if whole_digits > DIGITS_MAX as i64 {
            return Err(NotDecimal::TooLarge(excerpt()));
        }
        let scale_kept = scale.min(i64::from(SCALE_MAX)).min(DIGITS_MAX as i64 - whole_digits.max(0));
        let mantissa = rounded(&digits, scale - scale_kept);
        if mantissa == 0 {
            return Err(NotDecimal::TooSmall(excerpt()));
        }
        Ok(Self::from_scaled(if negative { -mantissa } else { mantissa }, scale_kept))
    }

    /// `mantissa × 10^-scale` in lowest terms; a negative scale multiplies. The caller keeps it within 19 digits.
    fn from_scaled(mut mantissa: i128, mut scale: i64) -> Self {
        while scale < 0 {
            mantissa = mantissa.saturating_mul(10);
            scale += 1;
        }
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        Self {
            mantissa: i64::try_from(mantissa).unwrap_or(if mantissa < 0 { i64::MIN } else { i64::MAX }),
            scale: u8::try_from(scale).unwrap_or(SCALE_MAX),
        }
    }

    /// The number `units × 10^-scale`, `scale` ≤ 9.
    pub(crate) fn of(units: i64, scale: u8) -> Self {
        Self::from_scaled(i128::from(units), i64::from(scale.min(SCALE_MAX)))
    }

    /// Decimal places in use, 0..=9.
    pub(crate) fn scale(self) -> u8 {
        self.scale
    }

    /// The sum; `None` when it leaves 18 digits.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let sum = i128::from(self.mantissa) * power(scale - self.scale)
            + i128::from(other.mantissa) * power(scale - other.scale);
        let sum = Self::from_scaled_checked(sum, scale)?;
        Some(sum)
    }

    fn from_scaled_checked(mantissa: i128, scale: u8) -> Option<Self> {
        let reduced = {
            let (mut mantissa, mut scale) = (mantissa, scale);
            while scale > 0 && mantissa % 10 == 0 {
                mantissa /= 10;
                scale -= 1;
            }
            (mantissa, scale)
        };
        Some(Self { mantissa: i64::try_from(reduced.0).ok()?, scale: reduced.1 })
    }

    /// The number in units of 10^-`scale`; `None` when that does not fit, or `scale` is coarser than the number.
    pub(crate) fn in_units(self, scale: u8) -> Option<i64> {
        let shift = scale.checked_sub(self.scale)?;
        i64::try_from(i128::from(self.mantissa) * power(shift)).ok()
    }

    /// The number × 10^`places`, rounded to a whole number half away from zero; `None` when it does not fit.
    pub(crate) fn times_power_rounded(self, places: u8) -> Option<i64> {
        if places >= self.scale {
            return i64::try_from(i128::from(self.mantissa).checked_mul(power(places - self.scale))?).ok();
        }
        let divisor = power(self.scale - places);
        let half = divisor / 2;
        let mantissa = i128::from(self.mantissa);
        i64::try_from((mantissa + if mantissa < 0 { -half } else { half }) / divisor).ok()
    }
}

/// `digits × 10^-drop`, rounded half away from zero; a negative `drop` is left to the caller's scale.
fn rounded(digits: &[u8], drop: i64) -> i128 {
    let keep = digits.len() as i64 - drop.max(0);
    if keep < 0 {
        return 0;
    }
    let (kept, dropped) = digits.split_at(keep as usize);
    let value = kept.iter().fold(0i128, |value, digit| value * 10 + i128::from(digit - b'0'));
    value + i128::from(dropped.first().is_some_and(|digit| *digit >= b'5'))
}

/// 10^`exponent` as a signal's `den`; `exponent` ≤ 9.
pub(crate) fn den(exponent: u8) -> u32 {
    10u32.pow(u32::from(exponent.min(SCALE_MAX)))
}

fn power(exponent: u8) -> i128 {
    10i128.pow(u32::from(exponent.min(36)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> (i64, u8) {
        let decimal = Decimal::parse(text).unwrap();
        (decimal.mantissa, decimal.scale)
    }

    #[test]
    fn numbers_are_read_exactly() {
        assert_eq!(parsed("72"), (72, 0));
        assert_eq!(parsed("72.5"), (725, 1));
        assert_eq!(parsed("-0.050"), (-5, 2));
        assert_eq!(parsed("0.14e1"), (14, 1));
        assert_eq!(parsed("1e3"), (1000, 0));
        assert_eq!(parsed("1E-3"), (1, 3));
        assert_eq!(parsed("0e5"), (0, 0));
        assert_eq!(parsed("-0"), (0, 0));
        assert_eq!(parsed("999999999999999999"), (999_999_999_999_999_999, 0));
        assert_eq!(parsed("1276020076.001"), (1_276_020_076_001, 3));
        assert_eq!(parsed("1e17"), (100_000_000_000_000_000, 0));
    }

    #[test]
    fn digits_of_noise_are_rounded_away() {
        assert_eq!(parsed("0.30000000000000004"), (3, 1));
        assert_eq!(parsed("2.9999999999999996"), (3, 0));
        assert_eq!(parsed("-1.0000000005"), (-1_000_000_001, 9));
        assert_eq!(parsed("123456789012.3456789"), (123_456_789_012_345_679, 6));
    }

    #[test]
    fn what_cannot_be_kept_is_said() {
        assert!(matches!(Decimal::parse("1234567890123456789"), Err(NotDecimal::TooLarge(_))));
        assert!(matches!(Decimal::parse("1e18"), Err(NotDecimal::TooLarge(_))));
        assert!(matches!(Decimal::parse("1e2147483647"), Err(NotDecimal::TooLarge(_))));
        assert!(matches!(Decimal::parse("1e-10"), Err(NotDecimal::TooSmall(_))));
        assert!(matches!(Decimal::parse("1e-2147483648"), Err(NotDecimal::TooSmall(_))));
        for text in ["", "-", ".5", "1.2.3", "0x10", "1e", "NaN", "--1"] {
            assert!(matches!(Decimal::parse(text), Err(NotDecimal::NotNumber(_))), "{text}");
        }
    }

    #[test]
    fn seconds_become_milliseconds() {
        assert_eq!(Decimal::parse("1.0005").unwrap().times_power_rounded(3), Some(1001));
        assert_eq!(Decimal::parse("-1.0005").unwrap().times_power_rounded(3), Some(-1001));
        assert_eq!(Decimal::parse("12").unwrap().times_power_rounded(3), Some(12_000));
        assert_eq!(Decimal::parse("900000000000000000").unwrap().times_power_rounded(3), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(units in -999_999_999_999_999_999i64..=999_999_999_999_999_999, scale in 0u8..=9) {
            let sign = if units < 0 { "-" } else { "" };
            let digits = format!("{:0>width$}", units.unsigned_abs(), width = usize::from(scale) + 1);
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
            let text = if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
            prop_assert_eq!(Decimal::parse(&text).unwrap().in_units(scale), Some(units));
        }

        #[test]
        fn any_text_gives_a_number_or_an_error(text in "[-+0-9.eE]{0,40}") {
            drop(Decimal::parse(&text));
        }

        #[test]
        fn a_sum_is_exact(a in -1_000_000_000_000i64..1_000_000_000_000, b in -1_000_000_000_000i64..1_000_000_000_000) {
            let sum = Decimal::of(a, 3).plus(Decimal::of(b, 6)).unwrap();
            prop_assert_eq!(sum.in_units(6), Some(a * 1000 + b));
        }
    }
}
