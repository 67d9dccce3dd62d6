//! Counters of requests, and the text format of Prometheus.

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

/// The first status of HTTP, and the number of statuses.
const STATUSES: (usize, usize) = (100, 500);

/// The content type of the text format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric as it is described to its readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The name.
    pub name: &'static str,
    /// Whether it only grows.
    pub kind: MetricKind,
    /// A sentence about it.
    pub help: &'static str,
}

/// What the values of a metric do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// They only grow, from 0 at the start of the process.
    Counter,
    /// They go up and down.
    Gauge,
}

impl MetricKind {
    /// Returns the word of the text format.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// Counts by group and status of the responses that were sent.
#[derive(Debug)]
pub struct RequestCounts {
    groups: &'static [&'static str],
    counts: Box<[AtomicU64]>,
}

impl RequestCounts {
    /// Returns counts that are all zero, for these groups.
    #[must_use]
    pub fn new(groups: &'static [&'static str]) -> Self {
        let counts = (0..groups.len() * STATUSES.1).map(|_| AtomicU64::default()).collect();
        Self { groups, counts }
    }

    /// Counts a response; a group or status that does not exist is not counted.
    pub fn count(&self, group: usize, status: u16) {
        let place = usize::from(status).checked_sub(STATUSES.0).filter(|at| *at < STATUSES.1);
        let count = place.and_then(|at| self.counts.get(group * STATUSES.1 + at));
        if let Some(count) = count {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the counts that are not zero: group, status and number.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, usize, u64)> + '_ {
        self.counts.iter().enumerate().filter_map(|(at, count)| {
            let number = count.load(Ordering::Relaxed);
            let status = STATUSES.0 + at % STATUSES.1;
            (number > 0).then(|| (self.groups[at / STATUSES.1], status, number))
        })
    }
}

/// A page of metrics in the text format of Prometheus.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Adds a metric with one value.
    pub fn value(&mut self, metric: &Metric, value: impl Display) {
        self.head(metric);
        self.sample(metric, &[], value);
    }

    /// Adds the lines that describe a metric, whose samples have to follow.
    pub fn head(&mut self, metric: &Metric) {
        let Metric { name, kind, help } = metric;
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {}", kind.as_str());
    }

    /// Adds a sample with labels.
    pub fn sample(&mut self, metric: &Metric, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(metric.name);
        for (index, (name, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            let _ = write!(self.0, "{}{name}=\"{text}\"", if index == 0 { '{' } else { ',' });
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }

    /// Returns the page.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS: Metric =
        Metric { name: "requests_total", kind: MetricKind::Counter, help: "Responses sent." };

    #[test]
    fn samples_are_lines_whose_labels_cannot_break_out() {
        let mut page = Exposition::default();
        page.head(&REQUESTS);
        page.sample(&REQUESTS, &[("route", "a\"}\\ 1\n"), ("status", "200")], 3);
        let up = Metric { name: "up", kind: MetricKind::Gauge, help: "Is 1." };
        page.value(&up, 0.5);
        let expected = "# HELP requests_total Responses sent.\n# TYPE requests_total counter\n\
                        requests_total{route=\"a\\\"}\\\\ 1\\n\",status=\"200\"} 3\n\
                        # HELP up Is 1.\n# TYPE up gauge\nup 0.5\n";
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn only_what_exists_is_counted() {
        let counts = RequestCounts::new(&["a", "b"]);
        for (group, status) in [(0, 200), (0, 200), (1, 599), (1, 99), (1, 600), (2, 200)] {
            counts.count(group, status);
        }
        assert_eq!(counts.all().collect::<Vec<_>>(), [("a", 200, 2), ("b", 599, 1)]);
    }
}
