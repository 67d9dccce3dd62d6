//! What holds of every view.

use std::collections::BTreeMap;

use proptest::prelude::*;
use whence_projections::report::{Cell, Dimension, Query, QueryText, ReportFold, View};

use crate::plain::*;
use whence_test_histories::{history, steps};

fn views() -> impl Strategy<Value = View> {
    prop::sample::select(View::ALL.to_vec())
}

proptest! {
    /// One fold that answers on the way says at each place what a log that ends there says.
    #[test]
    fn a_report_as_of_a_position_is_that_of_a_log_cut_there(
        steps in steps(),
        ask in asks(),
        cut in any::<prop::sample::Index>(),
        sizes in prop::collection::vec(1_usize..9, 1..5),
    ) {
        let events = history(&steps);
        let cut = cut.index(events.len() + 1);
        let mut goes_on = ReportFold::new(&View::ALL);
        let (mut rest, mut sizes) = (&events[..cut], sizes.iter().cycle());
        while !rest.is_empty() {
            let (batch, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            goes_on.apply(batch).unwrap();
            rest = after;
        }
        for view in View::ALL {
            let query = Query::parse(view, &ask.asked()).unwrap();
            let there = goes_on.table(view, &query);
            prop_assert_eq!(&there, &table(view, &events[..cut], &ask.asked()));
            prop_assert_eq!(there.as_of, events[..cut].last().map_or(0, |event| event.position));
        }
        // Looking changes nothing.
        goes_on.apply(&events[cut..]).unwrap();
        for view in View::ALL {
            let query = Query::parse(view, &ask.asked()).unwrap();
            prop_assert_eq!(goes_on.table(view, &query), table(view, &events, &ask.asked()));
        }
    }

    /// Grouped by less, and filtered, the counts are the sums of what is grouped by all.
    #[test]
    fn signups_by_some_are_the_sums_of_signups_by_all(
        steps in steps(),
        picked in prop::sample::subsequence(View::Signups.default_by().to_vec(), 1..8),
        filter in (0_usize..8, any::<prop::sample::Index>()),
    ) {
        let events = history(&steps);
        let all = table(View::Signups, &events, &QueryText::default());
        let by = View::Signups.default_by();
        let (filtered, row) = filter;
        let value: Text = match all.rows.len() {
            0 => None,
            n => all.rows[row.index(n)][filtered].to_text(),
        };
        let place = |dimension: &Dimension| by.iter().position(|d| d == dimension).unwrap();
        let mut sums: BTreeMap<Vec<Text>, u64> = BTreeMap::new();
        for row in &all.rows {
            let texts: Vec<Text> = row.iter().map(Cell::to_text).collect();
            if texts[filtered] == value {
                let key = picked.iter().map(|by| texts[place(by)].clone()).collect();
                *sums.entry(key).or_default() += texts[8].as_ref().unwrap().parse::<u64>().unwrap();
            }
        }
        let expected: Rows = sums.into_iter().map(|(key, sum)| (key, vec![count(sum)])).collect();
        let names: Vec<_> = picked.iter().map(|by| by.name()).collect();
        for unknown in ["", "(unknown)"] {
            let value = value.clone().unwrap_or_else(|| unknown.to_owned());
            let asked = QueryText {
                by: Some(names.join(",")),
                filters: vec![format!("{}={value}", by[filtered].name())],
                ..QueryText::default()
            };
            let some = table(View::Signups, &events, &asked);
            prop_assert_eq!(rows(&some, picked.len()), expected.clone());
        }
    }

    /// Whatever is grouped by, every account is somewhere.
    #[test]
    fn no_account_is_dropped(steps in steps(), view in views(), dimension in any::<prop::sample::Index>()) {
        let events = history(&steps);
        let accounts = accounts(&events).len() as u64;
        let (column, all) = match view {
            View::Signups | View::TimeToSignup | View::Domains => ("signups", accounts),
            View::Models => ("first_touch", accounts),
            View::Viral => ("users", accounts),
            _ => return Ok(()),
        };
        let dimensions: Vec<_> = view.dimensions().collect();
        let by = dimension.get(&dimensions).name().to_owned();
        let table = table(view, &events, &QueryText { by: Some(by), ..QueryText::default() });
        let at = table.columns.iter().position(|c| c.name == column).unwrap();
        let counts = table.rows.iter().map(|row| row[at].to_text().unwrap().parse::<u64>().unwrap());
        prop_assert_eq!(counts.sum::<u64>(), all);
    }
}
