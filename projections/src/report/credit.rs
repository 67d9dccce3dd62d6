//! How the rules of thumb share the credit for one account among the touches that led to it.

use std::time::Duration;

use whence_events::Timestamp;

/// The share of the first touch, and that of the last one, in the position-based model.
const END: f64 = 0.4;

/// Returns the share of each of so many touches when their position counts: 40 % for the first, 40 % for
/// the last, the rest for those between. Of two touches each has half, and a single one all.
pub(super) fn position_based(touches: usize) -> Vec<f64> {
    match touches {
        0 => vec![],
        1 => vec![1.0],
        2 => vec![0.5, 0.5],
        _ => {
            let mut shares = vec![(1.0 - 2.0 * END) / as_float(touches - 2); touches];
            shares[0] = END;
            shares[touches - 1] = END;
            shares
        }
    }
}

/// Returns the share of each touch when a touch counts half as much as one that is a half-life younger.
pub(super) fn time_decay(touches: &[Timestamp], half_life: Duration) -> Vec<f64> {
    let Some(last) = touches.iter().max() else { return vec![] };
    // By the age at the last touch, whose weight is 1: however old a path is, its weights are not all 0.
    let weight =
        |at: &Timestamp| (-(last.since(*at).as_secs_f64() / half_life.as_secs_f64())).exp2();
    let weights: Vec<f64> = touches.iter().map(weight).collect();
    let all: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / all).collect()
}

/// Returns a number of touches or accounts as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts of events are far below 2^52")]
pub(super) fn as_float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[track_caller]
    pub(in crate::report) fn close(found: &[f64], expected: &[f64]) {
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(near), "{found:?} {expected:?}");
    }

    #[test]
    fn ends_have_forty_percent_each_and_those_between_the_rest() {
        close(&position_based(1), &[1.0]);
        close(&position_based(2), &[0.5, 0.5]);
        close(&position_based(3), &[0.4, 0.2, 0.4]);
        close(&position_based(6), &[0.4, 0.05, 0.05, 0.05, 0.05, 0.4]);
    }

    #[test]
    fn a_touch_counts_half_of_one_that_is_a_half_life_younger() {
        let at = |days: u32| Timestamp::default() + DAY * days;
        close(&time_decay(&[at(0), at(7), at(14)], 7 * DAY), &[1.0 / 7.0, 2.0 / 7.0, 4.0 / 7.0]);
        close(&time_decay(&[at(3)], DAY), &[1.0]);
        // A weight may vanish, but never all of them.
        close(&time_decay(&[at(0), at(4000), at(4000)], Duration::from_mins(1)), &[0.0, 0.5, 0.5]);
    }
}
