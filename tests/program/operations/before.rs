//! A log that version 0.1 wrote, before bots, repeated landings and models were told apart: it is
//! replayed, and every report of it is what it was, but for what the changelog names.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use whence_events::codec::{decode, encode};
use whence_events::{Metadata, Recorded};
use whence_projections::report::View;

use crate::operations::logs::{KEY, run};
use crate::operations::report::{all, log_of};

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/history-0.1")
}

/// The events as they were exported.
fn events() -> Vec<Recorded> {
    let text = std::fs::read_to_string(home().join("events.jsonl")).unwrap();
    let event = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("{name} in {line}"));
        let data = row["data"].to_string();
        let event = decode(text("type"), data.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(encode(&event).unwrap()).unwrap(),
            data,
            "the same bytes again"
        );
        Recorded {
            position: row["position"].as_u64().unwrap(),
            stream: text("stream").parse().unwrap(),
            version: row["version"].as_u64().unwrap(),
            event_id: text("event_id").parse().unwrap(),
            event,
            data: data.into_bytes().into(),
            metadata: Metadata {
                occurred_at: text("occurred_at").parse().unwrap(),
                correlation_id: text("correlation_id").parse().unwrap(),
                causation_id: row["causation_id"].as_str().map(|id| id.parse().unwrap()),
                actor: text("actor").parse().unwrap(),
            },
            recorded_at: text("recorded_at").parse().unwrap(),
        }
    };
    text.lines().map(event).collect()
}

/// A report as CSV: the header, and the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Csv {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Csv {
    /// Reads a report of which no field has a comma, a quote or a line break.
    fn read(text: &str) -> Self {
        assert!(!text.contains('"'), "{text}");
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect());
        Self { header: lines.next().unwrap(), rows: lines.collect() }
    }

    fn place(&self, name: &str) -> usize {
        self.header.iter().position(|one| one == name).unwrap_or_else(|| panic!("{name}"))
    }

    fn drop(&mut self, name: &str) {
        let place = self.place(name);
        for row in self.rows.iter_mut().chain([&mut self.header]) {
            row.remove(place);
        }
    }
}

/// Returns what a report of today was before.
fn as_before(view: View, mut today: Csv) -> Csv {
    match view {
        // Landings were clicks, and were called landings here.
        View::Domains => {
            let (landings, clicks) = (today.place("landings"), today.place("clicks"));
            for row in &mut today.rows {
                row.swap(landings, clicks);
            }
            today.drop("clicks");
            today.drop("visitors");
        }
        View::Referrers | View::Creators => {
            today.drop("landings");
            today.drop("visitors");
        }
        // The funnel began with clicks, and no mail server was asked for SMTPUTF8.
        View::Funnel => {
            today.rows.retain(|row| row[0] != "delivery failed: unsupported");
            let count = |stage: &str| {
                let row = today.rows.iter().find(|row| row[0] == stage).unwrap();
                row[1].parse::<u32>().unwrap()
            };
            let clicks = count("landing") - count("landing again within the hour");
            let requested = f64::from(count("code_requested")) / f64::from(clicks);
            today.rows[0][1] = clicks.to_string();
            today.rows[1][2] = format!("{requested:.4}");
        }
        View::Retention => today.drop("known"),
        View::Models => {
            let new =
                ["last_non_direct", "linear", "position_based", "time_decay", "markov", "shapley"];
            for model in new {
                today.drop(model);
            }
        }
        View::Signups | View::Tree | View::Viral | View::TimeToSignup => {}
    }
    today
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_an_old_log_are_what_they_were_but_for_what_is_named() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    let events = events();
    assert!(events.len() > 600, "{} events", events.len());
    log_of(&here.join("one"), &events).await;
    for (view, today) in View::ALL.into_iter().zip(all(here, "sqlite:one", &[])) {
        let file = home().join("before").join(format!("{}.csv", view.name()));
        let before = Csv::read(&std::fs::read_to_string(file).unwrap());
        assert_eq!(as_before(view, Csv::read(&today)), before, "{}", view.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_log_is_replayed() {
    let directory = TempDir::new().unwrap();
    let here = directory.path();
    let events = events();
    log_of(&here.join("data"), &events).await;
    let flags = ["--store", "sqlite:data", "--master-key", KEY];
    let said = run(here, &[&["replay"][..], &flags].concat()).unwrap();
    assert!(said.contains(&events.len().to_string()), "{said}");
    let said = run(here, &[&["replay", "--check"][..], &flags].concat()).unwrap();
    assert!(said.contains(&events.len().to_string()), "{said}");
}
