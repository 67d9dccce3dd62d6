//! Figures as a plain table.

use std::fmt;
use std::time::Duration;

use crate::load::Done;
use crate::machine::Used;

/// One thing that was measured in every round.
pub(crate) struct Row {
    name: String,
    values: Vec<f64>,
    latencies: Vec<(Duration, Duration)>,
    count: usize,
    time: Duration,
    used: Used,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        let (values, latencies) = (Vec::new(), Vec::new());
        let (time, used) = (Duration::ZERO, Used::default());
        Self { name: name.into(), values, latencies, count: 0, time, used }
    }

    /// Takes a round that is only a number.
    pub(crate) fn add(&mut self, value: f64) {
        self.values.push(value);
    }

    /// Takes a round of a load: its rate, its latencies, and what the servers used for it.
    pub(crate) fn add_load(&mut self, done: &Done, used: Used) {
        self.values.push(done.rate());
        self.latencies.push((done.percentile(50), done.percentile(99)));
        self.count += done.count;
        self.time += done.time;
        self.used = self.used.and(used);
    }

    /// The same where what follows it took until then.
    pub(crate) fn add_load_until(&mut self, done: &Done, until: Duration, used: Used) {
        self.add_load(done, used);
        self.time += until.saturating_sub(done.time);
    }

    /// The same where each was so many in one: the rate is theirs, the rest is of each.
    pub(crate) fn add_many(&mut self, done: &Done, many: usize, used: Used) {
        self.add_load(done, used);
        if let Some(value) = self.values.last_mut() {
            *value *= float(many);
        }
    }

    /// Where the time on the cores went, for each that was done.
    pub(crate) fn cpu(&self) -> String {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / float(self.count.max(1));
        let Used { whence, double, database, generators, machine, sleeps: _ } = self.used;
        let ours = self.used.servers() + generators;
        let cores = |time: Duration| time.as_secs_f64() / self.time.as_secs_f64().max(1e-9);
        let parts = [
            ("whence", whence),
            ("Postgres", database),
            ("the double", double),
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

    /// The value in the middle.
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

/// A titled table; ratios are to its first row unless a row names another.
pub(crate) struct Table {
    title: String,
    rows: Vec<(Row, Option<f64>)>,
    notes: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), rows: Vec::new(), notes: Vec::new() }
    }

    /// A row that others are compared with.
    pub(crate) fn reference(&mut self, row: Row) -> f64 {
        let median = row.median();
        self.rows.push((row, None));
        median
    }

    /// A row, as a share of `reference`.
    pub(crate) fn subject(&mut self, row: Row, reference: f64) {
        self.rows.push((row, Some(reference)));
    }

    /// A line below the table.
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

/// So many in that time, a second.
pub(crate) fn rate(count: usize, time: Duration) -> f64 {
    float(count) / time.as_secs_f64().max(1e-9)
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}

fn short(value: f64) -> String {
    if value < 1000.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}
