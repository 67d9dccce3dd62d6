//! Examines a log for `whence doctor`, without changing it.

use tokio_postgres::Client;
use whence_events::{Position, Recorded};
use whence_projections::{CoveredPosition, inspect_covered, inspect_writer};

use super::link::{Link, OPEN_TIMEOUT, Opened};
use super::settings::{self, KurrentUrl};
use super::{Log, diagnosis, read, record};
use crate::infra::postgres::{PostgresUrl, message};
use crate::store::findings::{ExamineContext, Findings, Level};
use crate::store::postgres::inspect_projectors;

/// The most events that are counted after the position of a read model.
const MAX_COUNTED_EVENTS: usize = 10_000;

/// Examines the log, and how far the read models in Postgres are. The vault there is examined with the
/// database.
pub(in crate::store) async fn examine(
    url: &KurrentUrl,
    read_db: &PostgresUrl,
    context: &ExamineContext,
    findings: &mut Findings,
) {
    let check = "connection";
    let (settings, names) = match settings::parse(url.as_str()) {
        Ok(parsed) => parsed,
        Err(error) => {
            findings.bad(Level::Fail, check, error.to_string(), "correct --store");
            return;
        }
    };
    let opened = match Link::open(settings.clone(), OPEN_TIMEOUT).await {
        Ok(opened) => opened,
        Err(error) => {
            let diagnosis = diagnosis::diagnose(&settings, &error).await;
            let found = format!("cannot reach KurrentDB at {url}: {diagnosis}");
            findings.bad(Level::Fail, check, found, diagnosis.advice());
            return;
        }
    };
    findings.ok(check, format!("the leader of KurrentDB at {url} answers"));
    let Opened { link, last, .. } = opened;
    let end = last.as_ref().and_then(record::position).unwrap_or(0);
    if let Some(last) = &last {
        let created = record::created(last.get_original_event());
        findings.last_event(created, context.clock.now());
        findings.ok("positions", format!("the log of the server ends at {end}"));
    }
    let log = Log::ending_at(link, names, end, context.clock.clone());
    match read::all(&log, 0, 1).await {
        Ok(first) if first.is_empty() => {
            let found = format!("there is no event of whence at {url} yet");
            findings.bad(Level::Warn, "log", found, "serve begins it");
        }
        Ok(_) => {}
        Err(error) => {
            let found = format!("the log cannot be read: {error}");
            findings.bad(Level::Fail, "log", found, "see the log of the server");
        }
    }
    // A database that cannot be reached is reported where the vault is examined.
    if let Ok((client, _driver)) = read_db.connect(&[]).await {
        if let Err(why) = read_models(&log, &client, findings).await {
            let found = format!("how far they are cannot be told: {why}");
            findings.bad(Level::Fail, "read models", found, "see the logs of both servers");
        }
        foreign_events(&log, &client, findings).await;
    }
}

async fn read_models(log: &Log, client: &Client, findings: &mut Findings) -> Result<(), String> {
    // What lies between the last event in the read models and this place was looked at before.
    let covered = inspect_covered(client).await.map_err(|error| message(&error))?;
    let covered = match covered {
        Some(covered) if is_there(log, covered).await? => covered.position,
        Some(_) | None => 0,
    };
    let now = inspect_projectors(client, false, 0).await.map_err(|error| message(&error))?;
    let lowest = now.iter().map(|found| found.reached.position).min().unwrap_or(0);
    let behind = behind(log, lowest.max(covered)).await?;
    let head = behind.last().map_or(lowest, |last| last.position);
    let is_led = inspect_writer(client).await.map_err(|error| message(&error))?.is_some();
    let found = inspect_projectors(client, is_led, head).await.map_err(|error| message(&error))?;
    if found.is_empty() {
        findings.bad(Level::Warn, "read models", "there are none yet", "serve makes them");
    }
    for found in &found {
        let position = found.reached.position;
        let there = read::event_at(&log.link, position).await.map_err(|error| error.to_string())?;
        let known = behind.partition_point(|event| event.position <= position);
        findings.projector(found, there, (behind.len() - known) as u64);
    }
    Ok(())
}

/// Returns the events after a position, as many as are counted.
async fn behind(log: &Log, position: Position) -> Result<Vec<Recorded>, String> {
    read::all(log, position, MAX_COUNTED_EVENTS).await.map_err(|error| error.to_string())
}

/// Returns whether a place up to which the log was read is one of this log.
async fn is_there(log: &Log, covered: CoveredPosition) -> Result<bool, String> {
    let there = read::event_at(&log.link, covered.position).await;
    Ok(there.map_err(|error| error.to_string())? == Some(covered.event_id))
}

/// Names what others wrote into streams of the log: what services have found, and what was found now.
async fn foreign_events(log: &Log, client: &Client, findings: &mut Findings) {
    let sql = "SELECT stream, position, found FROM vault.foreign_events ORDER BY position";
    let check = "foreign events";
    let mut lines = Vec::new();
    // The table is missing until a service of this version has opened the vault.
    for row in client.query(sql, &[]).await.unwrap_or_default() {
        let (stream, position, found): (String, i64, String) = (row.get(0), row.get(1), row.get(2));
        lines.push(format!("{stream}, position {position}: {found}"));
    }
    for event in log.foreign.all() {
        let line = event.to_string();
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    if lines.is_empty() {
        findings.ok(check, "no other program is known to have written into this log");
    }
    let advice = "commands on this stream are refused; see the section on KurrentDB in the docs";
    for line in lines {
        findings.bad(Level::Warn, check, line, advice);
    }
}
