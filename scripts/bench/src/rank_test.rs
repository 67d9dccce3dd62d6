//! The rank test of Mann and Whitney: do two samples come from one distribution?

use crate::numbers::float;

/// The outcome of a test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RankTest {
    /// The chance that a value of the first sample is larger than one of the second; ties count half.
    pub(crate) auc: f64,
    /// The chance of a difference at least as large between samples of one distribution, both ways.
    pub(crate) p: f64,
}

impl RankTest {
    /// Compares two samples, by the normal approximation with a correction for ties.
    pub(crate) fn of(one: &[f64], other: &[f64]) -> Self {
        let mut all: Vec<(f64, bool)> = one.iter().map(|value| (*value, true)).collect();
        all.extend(other.iter().map(|value| (*value, false)));
        all.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let (mut rank_sum, mut ties, mut before) = (0.0, 0.0, 0);
        for equal in all.chunk_by(|(a, _), (b, _)| a.total_cmp(b).is_eq()) {
            let size = float(equal.len());
            // The middle of the ranks that the equal values share, counted from 1.
            let rank = float(before) + size.midpoint(1.0);
            rank_sum += rank * float(equal.iter().filter(|(_, first)| *first).count());
            ties += size * size * size - size;
            before += equal.len();
        }
        let (n, m) = (float(one.len()), float(other.len()));
        let total = n + m;
        let u = rank_sum - n * (n + 1.0) / 2.0;
        let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
        let z = (u - n * m / 2.0).abs() / variance.sqrt();
        Self { auc: u / (n * m), p: if variance > 0.0 { both_tails(z) } else { 1.0 } }
    }
}

/// Returns the chance that a normal variable is at least `z` deviations from its mean: the function
/// `erfc(z / sqrt 2)`, by the rational approximation 7.1.26 of Abramowitz and Stegun, right to 1.5e-7.
fn both_tails(z: f64) -> f64 {
    const COEFFICIENTS: [f64; 5] =
        [0.254_829_592, -0.284_496_736, 1.421_413_741, -1.453_152_027, 1.061_405_429];
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / 0.327_591_1f64.mul_add(x, 1.0);
    let polynomial = COEFFICIENTS.iter().rev().fold(0.0, |sum: f64, c| sum.mul_add(t, *c)) * t;
    (polynomial * (-x * x).exp()).clamp(0.0, 1.0)
}

/// Returns the middle value of a sample.
pub(crate) fn median(sample: &[f64]) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_that_differ_are_told_apart_and_equal_ones_are_not() {
        let low: Vec<f64> = (0..100).map(float).collect();
        let high: Vec<f64> = (100..200).map(float).collect();
        let apart = RankTest::of(&high, &low);
        assert!((apart.auc - 1.0).abs() < 1e-9 && apart.p < 1e-6, "{apart:?}");
        assert!(RankTest::of(&low, &high).auc.abs() < 1e-9);
        let same = RankTest::of(&low, &low);
        assert!((same.auc - 0.5).abs() < 1e-9 && same.p > 0.99, "{same:?}");
        assert!((RankTest::of(&[1.0; 9], &[1.0; 9]).p - 1.0).abs() < 1e-9, "all tied");
    }

    /// By hand: ranks 1, 3, 4 against 2, 5, 6 give U = 2, its variance is 5.25.
    #[test]
    fn a_small_test_is_as_by_hand() {
        let test = RankTest::of(&[1.0, 3.0, 4.0], &[2.0, 5.0, 6.0]);
        assert!((test.auc - 2.0 / 9.0).abs() < 1e-9);
        let z = 2.5 / 5.25f64.sqrt();
        assert!((test.p - both_tails(z)).abs() < 1e-12);
        assert!((both_tails(1.959_964) - 0.05).abs() < 1e-6);
    }
}
