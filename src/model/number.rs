//! Numbers in filters. MoEngage stores every numeric attribute as a double.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// A finite double, so `3` and `3.0` are one number. Negative zero is stored as zero, so that equal numbers print alike.
#[derive(Clone, Copy, Debug)]
pub struct Number(f64);

/// 2 to the power of 53. Up to this size, every integer has its own double.
const LARGEST_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;

impl Number {
    /// `None` for infinities and not-a-number.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        // Adding zero turns -0.0 into 0.0 and changes no other number.
        value.is_finite().then_some(Self(value + 0.0))
    }

    /// `None` if a double cannot store the integer exactly.
    #[must_use]
    pub fn from_integer(value: i128) -> Option<Self> {
        // The check uses the integer, because the double of 2^53 + 1 is 2^53.
        if value.unsigned_abs() > 1 << 53 {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "integers that would be rounded are rejected above"
        )]
        let number = value as f64;
        Some(Self(number))
    }

    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// Without a fraction where the number has none, as people write it.
    #[must_use]
    pub fn to_json(self) -> serde_json::Value {
        if self.0.fract() == 0.0 && self.0.abs() <= LARGEST_EXACT_INTEGER {
            #[expect(clippy::cast_possible_truncation, reason = "integers up to 2^53 fit into i64")]
            let integer = self.0 as i64;
            serde_json::Value::from(integer)
        } else {
            serde_json::Value::from(self.0)
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_print_without_a_fraction_and_inexact_ones_are_rejected() {
        let printed = |number: Option<Number>| number.map(|number| number.to_json().to_string());
        assert_eq!(printed(Number::new(3.0)).as_deref(), Some("3"));
        assert_eq!(printed(Number::new(-0.0)).as_deref(), Some("0"));
        assert_eq!(printed(Number::new(2.5)).as_deref(), Some("2.5"));
        assert_eq!(
            printed(Number::from_integer(1 << 53)).as_deref(),
            Some("9007199254740992")
        );
        for beyond in [(1 << 53) + 1, (1 << 53) + 2, -(1 << 53) - 1, i128::MAX] {
            assert_eq!(Number::from_integer(beyond), None, "{beyond}");
        }
        assert_eq!(Number::new(f64::INFINITY), None);
        assert_eq!(Number::new(0.0), Number::new(-0.0));
    }
}
