//! Examines a log for `whence doctor`, without changing it.

use tokio_postgres::Client;
use whence_events::Position;
use whence_projections::inspect_writer;

use super::link::{Link, OPEN_TIMEOUT, Opened};
use super::settings::{self, KurrentUrl};
use super::{diagnosis, read, record};
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
    let settings = match settings::settings(url.as_str()) {
        Ok(settings) => settings,
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
    match &last {
        None => {
            let found = format!("there is no event of whence at {url} yet");
            findings.bad(Level::Warn, "log", found, "serve begins it");
        }
        Some(last) => {
            let created = record::created(last.get_original_event());
            findings.last_event(created, context.clock.now());
            let position = record::position(last).unwrap_or(0);
            findings.ok("positions", format!("the log ends at {position}"));
        }
    }
    // A database that cannot be reached is reported where the vault is examined.
    if let Ok((client, _driver)) = read_db.connect(&[]).await {
        let head = last.as_ref().and_then(record::position).unwrap_or(0);
        if let Err(why) = read_models(&link, head, &client, findings).await {
            let found = format!("how far they are cannot be told: {why}");
            findings.bad(Level::Fail, "read models", found, "see the logs of both servers");
        }
    }
}

async fn read_models(
    link: &Link,
    head: Position,
    client: &Client,
    findings: &mut Findings,
) -> Result<(), String> {
    let is_led = inspect_writer(client).await.map_err(|error| message(&error))?.is_some();
    let found = inspect_projectors(client, is_led, head).await.map_err(|error| message(&error))?;
    if found.is_empty() {
        findings.bad(Level::Warn, "read models", "there are none yet", "serve makes them");
    }
    for found in &found {
        let position = found.reached.position;
        let there = read::event_at(link, position).await.map_err(|error| error.to_string())?;
        let behind = read::all(link, position, MAX_COUNTED_EVENTS)
            .await
            .map_err(|error| error.to_string())?;
        findings.projector(found, there, behind.len() as u64);
    }
    Ok(())
}
