//! Tables of figures, in plain text.

use std::fmt;
use std::time::Duration;

use crate::machine::Usage;
use crate::numbers::float;
use crate::outcome::Outcome;

/// One row of a table, which is measured in every round.
pub(crate) struct Row {
    name: String,
    values: Vec<f64>,
    latencies: Vec<(Duration, Duration)>,
    count: usize,
    time: Duration,
    used: Usage,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        let (values, latencies) = (Vec::new(), Vec::new());
        let (time, used) = (Duration::ZERO, Usage::default());
        Self { name: name.into(), values, latencies, count: 0, time, used }
    }

    /// Adds a round that is a single number.
    pub(crate) fn add(&mut self, value: f64) {
        self.values.push(value);
    }

    /// Adds a round of a load: its rate, its latencies, and the CPU time of the servers.
    pub(crate) fn add_load(&mut self, done: &Outcome, used: Usage) {
        self.values.push(done.rate());
        self.latencies.push((done.percentile(50), done.percentile(99)));
        self.count += done.count;
        self.time += done.time;
        self.used = self.used.and(used);
    }

    /// Adds a round of a load whose follow-up work lasted until `until`.
    pub(crate) fn add_load_until(&mut self, done: &Outcome, until: Duration, used: Usage) {
        self.add_load(done, used);
        self.time += until.saturating_sub(done.time);
    }

    /// Adds a round of a load whose operations consist of `many` parts: the rate is that of the
    /// parts, everything else that of the operations.
    pub(crate) fn add_many(&mut self, done: &Outcome, many: usize, used: Usage) {
        self.add_load(done, used);
        if let Some(value) = self.values.last_mut() {
            *value *= float(many);
        }
    }

    /// Returns a line about the CPU time per operation, by process.
    pub(crate) fn cpu(&self) -> String {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / float(self.count.max(1));
        let Usage { whence, double, relay, database, generators, machine, sleeps: _ } = self.used;
        let ours = self.used.servers() + relay + generators;
        let cores = |time: Duration| time.as_secs_f64() / self.time.as_secs_f64().max(1e-9);
        let parts = [
            ("whence", whence),
            ("Postgres", database),
            ("the double", double),
            ("mail server", relay),
            ("load generator", generators),
        ];
        let parts = parts.into_iter().filter(|(_, time)| !time.is_zero());
        let parts: Vec<_> = parts.map(|(name, time)| format!("{name} {:.0}", each(time))).collect();
        let others = machine.saturating_sub(ours);
        format!(
            "{}: CPU us each: {}; cores: {:.2} ours, {:.2} others'",
            self.name,
            parts.join(", "),
            cores(ours),
            cores(others)
        )
    }

    /// Returns the median of the rounds.
    pub(crate) fn median(&self) -> f64 {
        let mut values = self.values.clone();
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    }

    fn median_latency(&self, pick: fn(&(Duration, Duration)) -> Duration) -> Option<Duration> {
        let mut all: Vec<_> = self.latencies.iter().map(pick).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied()
    }
}

/// A titled table, in which rows have ratios to reference rows.
pub(crate) struct Table {
    title: String,
    rows: Vec<(Row, Option<f64>)>,
    notes: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), rows: Vec::new(), notes: Vec::new() }
    }

    /// Adds a row that others are compared with; returns its median.
    pub(crate) fn reference(&mut self, row: Row) -> f64 {
        let median = row.median();
        self.rows.push((row, None));
        median
    }

    /// Adds a row with its ratio to `reference`.
    pub(crate) fn subject(&mut self, row: Row, reference: f64) {
        self.rows.push((row, Some(reference)));
    }

    /// Adds a line below the table.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", self.title)?;
        writeln!(
            f,
            "  {:<50} {:>9} {:>9} {:>9} {:>6} {:>9} {:>9} {:>8} {:>7}",
            "", "min", "median", "max", "ratio", "p50 us", "p99 us", "cpu us", "sleeps"
        )?;
        for (row, reference) in &self.rows {
            let bound = |pick: fn(f64, f64) -> f64| row.values.iter().copied().reduce(pick);
            let (min, max) = (bound(f64::min), bound(f64::max));
            let ratio = reference.map_or_else(String::new, |r| format!("{:.2}", row.median() / r));
            let each = |total: f64| match row.count {
                0 => String::new(),
                count => format!("{:.1}", total / float(count)),
            };
            let micros = |latency: Option<Duration>| {
                latency.map_or_else(String::new, |l| format!("{:.0}", l.as_secs_f64() * 1e6))
            };
            writeln!(
                f,
                "  {:<50} {:>9} {:>9} {:>9} {ratio:>6} {:>9} {:>9} {:>8} {:>7}",
                row.name,
                short(min.unwrap_or(0.0)),
                short(row.median()),
                short(max.unwrap_or(0.0)),
                micros(row.median_latency(|(p50, _)| *p50)),
                micros(row.median_latency(|(_, p99)| *p99)),
                each(row.used.servers().as_secs_f64() * 1e6),
                each(float(usize::try_from(row.used.sleeps).unwrap_or(0))),
            )?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  {note}"))
    }
}

fn short(value: f64) -> String {
    if value < 1000.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}
