//! How long a visitor takes to become an account, from their first touch on.

use whence_events::Position;

use crate::report::facts::Facts;
use crate::report::groups::Groups;
use crate::report::measure::{micros, of_user, percentile, ratio};
use crate::report::query::Query;
use crate::report::table::{Cell, Table};
use crate::report::view::View;

#[derive(Default)]
struct SignupTimes {
    signups: u64,
    micros: Vec<u64>,
    /// The accounts of which both the first touch and the window are known.
    in_known_window: u64,
    in_last_tenth: u64,
}

pub(super) fn table(facts: &Facts, query: &Query, as_of: Position) -> Table {
    let mut groups = Groups::<SignupTimes>::new(View::TimeToSignup, facts, query);
    for (_, at, user) in facts.users.registered() {
        if query.covers(at)
            && let Some(times) = groups.of(|by| of_user(user, at, &query.zone, by))
        {
            times.signups += 1;
            if let Some(touched_at) = user.touched_at {
                times.add(micros(at.since(touched_at)), user.window_seconds);
            }
        }
    }
    groups.table(as_of, measures)
}

impl SignupTimes {
    fn add(&mut self, took_micros: u64, window_seconds: u64) {
        self.micros.push(took_micros);
        if window_seconds > 0 {
            let window_micros = window_seconds.saturating_mul(1_000_000);
            let begins = window_micros - window_micros / 10;
            self.in_known_window += 1;
            self.in_last_tenth += u64::from((begins..=window_micros).contains(&took_micros));
        }
    }
}

fn measures(mut times: SignupTimes) -> Vec<Cell> {
    times.micros.sort_unstable();
    vec![
        Cell::Count(times.signups),
        percentile(&times.micros, 50),
        percentile(&times.micros, 90),
        percentile(&times.micros, 99),
        ratio(times.in_last_tenth, times.in_known_window),
    ]
}
