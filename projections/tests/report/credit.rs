//! The models of attribution against plain loops: chains by following visitors until hardly any is left,
//! Shapley values by trying every set.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use whence_projections::report::{Cell, Dimension, QueryText, View};

use crate::paths::{Path, dimensions, paths};
use crate::plain::*;
use whence_test_histories::{history, steps};

type Key = Vec<Text>;

/// The credit of each key by each model, in the order of the columns.
type Credits = BTreeMap<Key, [f64; 8]>;

/// The ways of visitors: the keys, and whether it led to an account.
type Ways = Vec<(Vec<Key>, bool)>;

const SHAPLEY: usize = 7;

fn expected(paths: &[Path], by: &[Dimension], half_life: Duration) -> Credits {
    let key =
        |place: &crate::paths::Place| -> Key { by.iter().map(|by| place.value(*by)).collect() };
    let mut credits = Credits::new();
    for path in paths.iter().filter(|path| path.converted) {
        let length = path.touches.len();
        let of_last = path.touches.last().unwrap().0;
        let weight = |at: whence_events::Timestamp| {
            0.5_f64.powf(seconds(at, of_last) / half_life.as_secs_f64())
        };
        let weights: f64 = path.touches.iter().map(|(at, _)| weight(*at)).sum();
        let non_direct = path.touches.iter().rposition(|(_, place)| !place.is_direct());
        for (at, (time, place)) in path.touches.iter().enumerate() {
            let end = at == 0 || at == length - 1;
            let position = match length {
                1 => 1.0,
                2 => 0.5,
                _ if end => 0.4,
                _ => 0.2 / (length - 2) as f64,
            };
            let one = |yes: bool| if yes { 1.0 } else { 0.0 };
            let shares = [
                one(at == 0),
                one(at == length - 1),
                one(at == non_direct.unwrap_or(length - 1)),
                1.0 / length as f64,
                position,
                weight(*time) / weights,
            ];
            let all = credits.entry(key(place)).or_default();
            all.iter_mut().zip(shares).for_each(|(all, share)| *all += share);
        }
    }
    let ways: Ways = paths
        .iter()
        .map(|path| (path.touches.iter().map(|(_, place)| key(place)).collect(), path.converted))
        .collect();
    for (key, credit) in markov(&ways) {
        credits.entry(key).or_default()[6] = credit;
    }
    for (key, credit) in shapley(&ways) {
        credits.entry(key).or_default()[SHAPLEY] = credit;
    }
    credits
}

fn markov(ways: &Ways) -> BTreeMap<Key, f64> {
    let conversions = ways.iter().filter(|(_, converted)| *converted).count() as f64;
    let keys: Vec<Key> = ways.iter().flat_map(|(way, _)| way.iter().cloned()).collect();
    let all = followed(ways, None);
    let effects: BTreeMap<Key, f64> = keys
        .into_iter()
        .map(|key| {
            let effect = if all > 0.0 { 1.0 - followed(ways, Some(&key)) / all } else { 0.0 };
            (key, effect)
        })
        .collect();
    let sum: f64 = effects.values().sum();
    let share = |effect: f64| if sum > 0.0 { conversions * effect / sum } else { 0.0 };
    effects.into_iter().map(|(key, effect)| (key, share(effect))).collect()
}

/// The share of visitors who end up with an account, when all who come to one key are lost.
fn followed(ways: &Ways, without: Option<&Key>) -> f64 {
    let mut moves: BTreeMap<&Key, BTreeMap<&Key, f64>> = BTreeMap::new();
    let (mut ends, mut visits): (BTreeMap<&Key, f64>, BTreeMap<&Key, f64>) = Default::default();
    let mut crowd: BTreeMap<&Key, f64> = BTreeMap::new();
    for (way, converted) in ways {
        *crowd.entry(&way[0]).or_default() += 1.0 / ways.len() as f64;
        for key in way {
            *visits.entry(key).or_default() += 1.0;
        }
        for pair in way.windows(2) {
            *moves.entry(&pair[0]).or_default().entry(&pair[1]).or_default() += 1.0;
        }
        if *converted {
            *ends.entry(way.last().unwrap()).or_default() += 1.0;
        }
    }
    let mut arrived = 0.0;
    while crowd.values().sum::<f64>() > 1e-14 {
        let mut next: BTreeMap<&Key, f64> = BTreeMap::new();
        for (key, share) in crowd {
            if Some(key) == without {
                continue;
            }
            arrived += share * ends.get(key).unwrap_or(&0.0) / visits[key];
            for (to, number) in moves.get(key).into_iter().flatten() {
                *next.entry(to).or_default() += share * number / visits[key];
            }
        }
        crowd = next;
    }
    arrived
}

/// By the definition: what a key adds to a set, on average over all orders in which the set can grow.
fn shapley(ways: &Ways) -> BTreeMap<Key, f64> {
    let converted: Vec<&Vec<Key>> = ways.iter().filter(|way| way.1).map(|way| &way.0).collect();
    let mut keys: Vec<&Key> = converted.iter().copied().flatten().collect();
    keys.sort();
    keys.dedup();
    if keys.len() > 12 {
        return BTreeMap::new();
    }
    let place = |key: &Key| keys.iter().position(|known| *known == key).unwrap();
    let sets: Vec<u32> =
        converted.iter().map(|way| way.iter().fold(0, |set, key| set | 1 << place(key))).collect();
    let worth: Vec<f64> = (0..1_u32 << keys.len())
        .map(|set| sets.iter().filter(|way| *way & !set == 0).count() as f64)
        .collect();
    let factorial = |n: usize| (1..=n).map(|n| n as f64).product::<f64>();
    let value = |at: usize| -> f64 {
        let without = (0..worth.len()).filter(|set| set & (1 << at) == 0);
        without
            .map(|set| {
                let size = set.count_ones() as usize;
                let orders = factorial(size) * factorial(keys.len() - size - 1);
                (worth[set | 1 << at] - worth[set]) * orders / factorial(keys.len())
            })
            .sum()
    };
    keys.iter().enumerate().map(|(at, key)| ((*key).clone(), value(at))).collect()
}

/// The columns of a row of models, without the shares.
pub(crate) fn credits_of(row: &[Cell]) -> [f64; 8] {
    let number = |cell: &Cell| match cell {
        Cell::Count(count) => *count as f64,
        Cell::Credit(credit) => *credit,
        other => panic!("{other:?} is no credit"),
    };
    std::array::from_fn(|at| number(&row[if at < 2 { at } else { at + 2 }]))
}

proptest! {
    #[test]
    fn models_are_what_loops_count(
        steps in steps(),
        ask in asks(),
        by in dimensions(),
        hours in 1_u64..2000,
    ) {
        let events = history(&steps);
        let paths = paths(&events, ask);
        let mut expected = expected(&paths, &by, Duration::from_hours(hours));
        let names: Vec<_> = by.iter().map(|by| by.name()).collect();
        let asked = QueryText {
            by: Some(names.join(",")),
            half_life: Some(format!("{hours}h")),
            ..ask.asked()
        };
        let table = table(View::Models, &events, &asked);
        let conversions = paths.iter().filter(|path| path.converted).count() as f64;
        let mut sums = [0.0; 8];
        let all_keys = expected.values().filter(|credits| credits[3] > 0.0).count();
        for row in &table.rows {
            let key: Key = row[..by.len()].iter().map(Cell::to_text).collect();
            let found = credits_of(&row[by.len()..]);
            let expected = expected.remove(&key).unwrap_or_default();
            for at in 0..8 {
                sums[at] += found[at];
                if at != SHAPLEY || all_keys <= 12 {
                    let near = (found[at] - expected[at]).abs() < 1e-9;
                    prop_assert!(near, "{key:?} {at}: {} {}", found[at], expected[at]);
                }
            }
            for (share, count) in [(by.len() + 2, found[0]), (by.len() + 3, found[1])] {
                let share = row[share].to_text();
                prop_assert_eq!(share, (conversions > 0.0).then(|| format!("{:.4}", count / conversions)));
            }
        }
        for sum in sums {
            prop_assert!((sum - conversions).abs() < 1e-9, "{sums:?} of {conversions}");
        }
        expected.retain(|_, credits| credits.iter().any(|credit| *credit > 1e-9));
        prop_assert!(expected.is_empty(), "no row has {expected:?}");
    }
}

/// A filter shows some rows of the whole, and does not change them.
#[test]
fn a_filter_leaves_credit_as_it_is() {
    let steps = (0..=255).map(|n: u8| [n.wrapping_mul(5), n, n.wrapping_mul(3), n, n]);
    let events = history(&steps.collect::<Vec<_>>());
    let ask = |filters: &[&str]| {
        let filters = filters.iter().map(|filter| (*filter).to_owned()).collect();
        table(View::Models, &events, &QueryText { filters, ..QueryText::default() }).rows
    };
    let all = ask(&[]);
    let some = ask(&["channel=Email", "channel=Paid Search"]);
    assert_eq!(some.len(), 2);
    for row in &some {
        let whole = all.iter().find(|one| one[0] == row[0]).unwrap();
        let exact = |row: &[Cell]| credits_of(&row[1..]).map(f64::to_bits);
        assert_eq!(exact(whole), exact(row));
    }
}
