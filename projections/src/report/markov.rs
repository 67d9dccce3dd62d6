//! The chain of a first-order Markov model: which touch follows which, and what would be lost without
//! one.
//!
//! A visitor begins, goes from touch to touch, and ends as an account or not. What follows a touch depends
//! on that touch alone. The removal effect of a touch is the share of the accounts that would be missing
//! if everybody who comes to it were lost there.

use std::collections::HashMap;

use super::credit::as_float;

/// The most states that the chain tells apart, which bounds its time and memory. The rarest of more than
/// these are one state.
const MOST_STATES: usize = 400;

/// The moves of visitors between states, with their numbers.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// How often each state was visited.
    visits: Vec<usize>,
    /// How often visitors began with each state.
    begins: Vec<usize>,
    /// How often an account came after each state.
    converts: Vec<usize>,
    moves: HashMap<(usize, usize), usize>,
    conversions: usize,
}

impl Chain {
    /// Takes the way of a visitor, by the numbers of its states, and whether it ended in an account.
    pub(super) fn add(&mut self, way: &[usize], converted: bool) {
        let (Some(first), Some(last)) = (way.first(), way.last()) else { return };
        let states = way.iter().max().map_or(0, |last| last + 1);
        if states > self.visits.len() {
            for counts in [&mut self.visits, &mut self.begins, &mut self.converts] {
                counts.resize(states, 0);
            }
        }
        self.begins[*first] += 1;
        for state in way {
            self.visits[*state] += 1;
        }
        for pair in way.windows(2) {
            *self.moves.entry((pair[0], pair[1])).or_default() += 1;
        }
        if converted {
            self.converts[*last] += 1;
            self.conversions += 1;
        }
    }

    /// Returns the credit of each state, which is in proportion to its removal effect. `shares` says how
    /// states that the chain does not tell apart share theirs.
    pub(super) fn credits(&self, shares: &[f64]) -> Vec<f64> {
        let states = self.visits.len();
        if self.conversions == 0 {
            return vec![0.0; states];
        }
        let places = self.places(MOST_STATES);
        let kept = places.iter().max().map_or(0, |last| last + 1);
        let effects = self.removal_effects(&places, kept);
        let all: f64 = effects.iter().sum();
        let mut sharing = vec![(0.0, 0_u32); kept];
        for (place, share) in places.iter().zip(shares) {
            sharing[*place].0 += share;
            sharing[*place].1 += 1;
        }
        let credit = |(place, share): (&usize, &f64)| {
            let (sum, number) = sharing[*place];
            let part = match number {
                1 => 1.0,
                _ if sum > 0.0 => share / sum,
                _ => 1.0 / f64::from(number),
            };
            as_float(self.conversions) * effects[*place] / all * part
        };
        places.iter().zip(shares).map(credit).collect()
    }

    /// Returns the place of each state in the chain: one for each of the most visited, and the last one
    /// for all others where there are more than `most`.
    fn places(&self, most: usize) -> Vec<usize> {
        let states = self.visits.len();
        if states <= most {
            return (0..states).collect();
        }
        let mut by_visits: Vec<usize> = (0..states).collect();
        by_visits.sort_by_key(|state| (usize::MAX - self.visits[*state], *state));
        let mut places = vec![most - 1; states];
        for (place, state) in by_visits.into_iter().take(most - 1).enumerate() {
            places[state] = place;
        }
        places
    }

    /// Returns the share of the conversions that is lost without each state.
    ///
    /// With N, the inverse of I - Q, a visitor who is in state i comes to state j N(i,j) times on average,
    /// so that they come to it at all with the probability N(i,j) / N(j,j). Without j, all conversions of
    /// those are lost.
    fn removal_effects(&self, places: &[usize], kept: usize) -> Vec<f64> {
        let (mut begins, mut converts, mut visits) =
            (vec![0.0; kept], vec![0.0; kept], vec![0.0; kept]);
        for (state, place) in places.iter().enumerate() {
            begins[*place] += as_float(self.begins[state]);
            converts[*place] += as_float(self.converts[state]);
            visits[*place] += as_float(self.visits[state]);
        }
        let mut matrix = Matrix::identity(kept);
        for ((from, to), number) in &self.moves {
            let (from, to) = (places[*from], places[*to]);
            // Counts are whole numbers, of which the order does not matter.
            matrix.row_mut(from)[to] -= as_float(*number);
        }
        for (from, visits) in visits.iter().enumerate() {
            for (to, cell) in matrix.row_mut(from).iter_mut().enumerate() {
                let identity = if from == to { 1.0 } else { 0.0 };
                *cell = identity + (*cell - identity) / visits;
            }
        }
        let inverse = matrix.inverse();
        let converts: Vec<f64> = converts.iter().zip(&visits).map(|(a, b)| a / b).collect();
        let starts: f64 = begins.iter().sum();
        let shares: Vec<f64> = begins.iter().map(|begin| begin / starts).collect();
        let from_start: Vec<f64> = (0..kept)
            .map(|to| (0..kept).map(|from| shares[from] * inverse.row(from)[to]).sum())
            .collect();
        let converted: Vec<f64> = (0..kept).map(|from| dot(inverse.row(from), &converts)).collect();
        let all = dot(&shares, &converted);
        (0..kept)
            .map(|state| from_start[state] / inverse.row(state)[state] * converted[state] / all)
            .collect()
    }
}

/// A square matrix.
struct Matrix {
    size: usize,
    cells: Vec<f64>,
}

impl Matrix {
    fn identity(size: usize) -> Self {
        let mut matrix = Self { size, cells: vec![0.0; size * size] };
        for place in 0..size {
            matrix.row_mut(place)[place] = 1.0;
        }
        matrix
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.cells[row * self.size..(row + 1) * self.size]
    }

    fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.cells[row * self.size..(row + 1) * self.size]
    }

    /// Returns the inverse, by Gauss and Jordan. No row has to be exchanged: of I - Q, where every way out
    /// of Q is found, no diagonal element becomes 0.
    fn inverse(mut self) -> Self {
        let size = self.size;
        let mut inverse = Self::identity(size);
        for place in 0..size {
            let pivot = self.row(place)[place];
            for matrix in [&mut self, &mut inverse] {
                matrix.row_mut(place).iter_mut().for_each(|cell| *cell /= pivot);
            }
            let (row, inverse_row) = (self.row(place).to_vec(), inverse.row(place).to_vec());
            for other in (0..size).filter(|other| *other != place) {
                let factor = self.row(other)[place];
                if factor != 0.0 {
                    subtract(self.row_mut(other), &row, factor);
                    subtract(inverse.row_mut(other), &inverse_row, factor);
                }
            }
        }
        inverse
    }
}

fn subtract(row: &mut [f64], other: &[f64], factor: f64) {
    for (cell, other) in row.iter_mut().zip(other) {
        *cell -= factor * other;
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::credit::tests::close;

    fn chain(ways: &[(&[usize], bool)]) -> Chain {
        let mut chain = Chain::default();
        for (way, converted) in ways {
            chain.add(way, *converted);
        }
        chain
    }

    /// Calculated by hand: of three visitors, 0-1-2 converts, 0 does not, 1-2 does not.
    #[test]
    fn credit_is_in_proportion_to_what_is_lost_without_a_state() {
        let ways = chain(&[(&[0, 1, 2], true), (&[0], false), (&[1, 2], false)]);
        // All is lost without 1 and without 2, half of it without 0: 0 leads to 1 every second time, and
        // 2 converts every second time.
        let effects = ways.removal_effects(&[0, 1, 2], 3);
        close(&effects, &[0.5, 1.0, 1.0]);
        close(&ways.credits(&[0.0; 3]), &[0.2, 0.4, 0.4]);
    }

    #[test]
    fn loops_change_nothing_and_no_conversion_is_no_credit() {
        let once = chain(&[(&[0, 1], true), (&[1, 0], false), (&[0], true)]);
        let ways: &[(&[usize], bool)] =
            &[(&[0, 0, 0, 1, 1], true), (&[1, 0], false), (&[0, 0], true)];
        close(&chain(ways).credits(&[0.0; 2]), &once.credits(&[0.0; 2]));
        close(&chain(&[(&[0, 1], false)]).credits(&[0.0; 2]), &[0.0, 0.0]);
        close(&chain(&[]).credits(&[]), &[]);
    }

    #[test]
    fn the_rarest_states_are_one_and_share_its_credit() {
        let states = MOST_STATES + 50;
        let mut ways = Chain::default();
        for state in 0..states {
            for _ in 0..=usize::from(state < MOST_STATES - 1) {
                ways.add(&[state], true);
            }
        }
        let mut shares = vec![1.0; states];
        shares[states - 1] = 3.0;
        let credits = ways.credits(&shares);
        let sum: f64 = credits.iter().sum();
        assert!((sum - as_float(ways.conversions)).abs() < 1e-9, "{sum}");
        assert!((credits[0] - 2.0).abs() < 1e-9, "{}", credits[0]);
        let rest = f64::from(51_u8) / 53.0;
        assert!((credits[states - 2] - rest).abs() < 1e-9, "{}", credits[states - 2]);
        assert!((credits[states - 1] - 3.0 * rest).abs() < 1e-9, "{}", credits[states - 1]);
    }
}
