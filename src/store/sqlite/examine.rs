//! Examines a log for `whence doctor`, without changing it.

use std::fs::OpenOptions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};
use uuid::Uuid;
use whence_events::{EventId, Position};
use whence_projections::{ProjectorState, has_wal, inspect_sqlite, needs_writing};

use super::connection;
use super::open::{
    APPLICATION_ID, MIGRATIONS, OLDEST_SQLITE, SqliteOpenError, latest_time, made_with,
};
use crate::infra::sealing::opens;
use crate::store::findings::{EXAMINE_INTERVAL, EXAMINE_TRIES, ExamineContext, Findings, Level};

/// How many events at the end of the log, and how many keys, are examined.
const EXAMINED_EVENTS: u64 = 1000;
const EXAMINED_KEYS: u64 = 50;

/// The number of destroyed keys that are held against the log.
const EXAMINED_DESTROYED: u64 = 1000;

/// Examines the log and the read models in a directory.
pub(in crate::store) fn examine(
    directory: &Path,
    context: &ExamineContext,
    findings: &mut Findings,
) {
    let version = rusqlite::version();
    if rusqlite::version_number() < OLDEST_SQLITE {
        let found = format!("SQLite {version} can corrupt a log");
        findings.bad(Level::Fail, "version", found, "build with SQLite 3.51.3 or newer");
    } else {
        findings.ok("version", format!("SQLite {version}, compiled in"));
    }
    let path = directory.join("log.db");
    if !path.exists() {
        let found = format!("there is no log in {} yet", directory.display());
        findings.bad(Level::Warn, "log", found, "serve makes it");
        return;
    }
    permissions(directory, findings);
    if let Err(error) = OpenOptions::new().write(true).open(&path) {
        let found = format!("{} can be read and not written: {error}", path.display());
        findings.bad(Level::Warn, "log", found, "serve needs one that it can write");
    }
    let is_served = lock(&path, findings);
    if let Err(error) = log(&path, is_served, context, findings) {
        if needs_writing(&error) && has_wal(&path) {
            let found = SqliteOpenError::Unclosed(path).to_string();
            findings.bad(Level::Fail, "log", found, "examine the copy");
            return;
        }
        let found = format!("{} cannot be read: {error}", path.display());
        findings.bad(Level::Fail, "log", found, "restore it from a backup when it is damaged");
    }
}

fn permissions(directory: &Path, findings: &mut Findings) {
    let mut open = Vec::new();
    for path in [directory.to_owned(), directory.join("log.db"), directory.join("master.key")] {
        let mode = path.metadata().map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o077 != 0 {
            open.push(format!("{} ({:o})", path.display(), mode & 0o777));
        }
    }
    if open.is_empty() {
        findings.ok("permissions", format!("{} is for its owner alone", directory.display()));
        return;
    }
    // A closed directory keeps others from all that is in it.
    let is_open = |name: &str| open.iter().any(|path| path.contains(name));
    let reachable = open.len() > 1 && open[0].starts_with(&format!("{} (", directory.display()));
    let level = if reachable && is_open("master.key") { Level::Fail } else { Level::Warn };
    let found = format!("others than the owner get at {}", open.join(" and "));
    findings.bad(level, "permissions", found, "chmod 700 the directory and chmod 600 its files");
}

/// Returns whether a service runs on the log.
fn lock(path: &Path, findings: &mut Findings) -> bool {
    let held = connection::is_served(path);
    let found = if held { "a service runs on this log" } else { "no service runs on this log" };
    findings.ok("service", found);
    held
}

fn log(
    path: &Path,
    is_served: bool,
    context: &ExamineContext,
    findings: &mut Findings,
) -> rusqlite::Result<()> {
    let connection = connection::read_only(path)?;
    if !migrations(&connection, findings)? {
        return Ok(());
    }
    keys(&connection, context, findings)?;
    triggers(&connection, findings)?;
    durability(&connection, findings)?;
    let head = positions(&connection, findings)?;
    let latest = latest_time(&connection)?.unwrap_or_default();
    findings.last_event(latest, context.clock.now());
    read_models(&connection, path, is_served, head, findings)
}

/// Returns whether the file is a log in a format that can be examined.
fn migrations(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<bool> {
    let pragma = |name: &str| connection.query_row(name, [], |row| row.get::<_, i64>(0));
    let (id, format) = (pragma("PRAGMA application_id")?, pragma("PRAGMA user_version")?);
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let check = "migrations";
    if id != i64::from(APPLICATION_ID) {
        let advice = "see that --store names the directory of a log";
        findings.bad(Level::Fail, check, "log.db is not a whence log", advice);
        return Ok(false);
    }
    if format > known {
        let found = format!("the log has format {format}, and this whence knows {known}");
        findings.bad(Level::Fail, check, found, "use the newer whence that wrote it");
        return Ok(false);
    }
    if format < known {
        let found = format!("the log has format {format} of {known}");
        findings.bad(Level::Warn, check, found, "serve brings it up to date");
    } else {
        findings.ok(check, format!("the log has format {format}, the newest"));
    }
    Ok(true)
}

fn keys(
    connection: &Connection,
    context: &ExamineContext,
    findings: &mut Findings,
) -> rusqlite::Result<()> {
    let Some(keys) = &context.keys else { return Ok(()) };
    if !findings.master_key("log", made_with(connection, &keys.fingerprint())?) {
        return Ok(());
    }
    let sql = "SELECT subject, generation, wrapped FROM subject_keys
               WHERE wrapped IS NOT NULL LIMIT ?1";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([EXAMINED_KEYS], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?, row.get::<_, Vec<u8>>(2)?))
    })?;
    let (mut seen, mut damaged) = (0, 0);
    for row in rows {
        let (subject, generation, wrapped) = row?;
        seen += 1;
        damaged += usize::from(!opens(&keys.wrapping, &subject, generation, &wrapped));
    }
    findings.subject_keys(seen, damaged);
    destroyed_keys(connection, findings)
}

/// Holds the keys that were destroyed last against the events that have to say so.
fn destroyed_keys(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    // What was destroyed a moment ago may be on its way into the log.
    let sql = "SELECT count(*), coalesce(sum(NOT EXISTS (
                   SELECT 1 FROM streams s JOIN events e ON e.stream = s.first
                   WHERE s.name = k.subject AND (e.type LIKE 'UserErased.%'
                     OR e.type LIKE 'MailboxReleased.%' OR e.type LIKE 'MailboxForgotten.%'))), 0)
               FROM (SELECT subject FROM subject_keys WHERE wrapped IS NULL
                       AND (subject LIKE 'user-%' OR subject LIKE 'mailbox-%'
                         AND destroyed_at < (SELECT recorded_at FROM events
                                             ORDER BY position DESC LIMIT 1))
                     ORDER BY destroyed_at DESC LIMIT ?1) k";
    let (seen, unsaid) =
        connection.query_row(sql, [EXAMINED_DESTROYED], |row| Ok((row.get(0)?, row.get(1)?)))?;
    findings.destroyed_keys(seen, unsaid);
    Ok(())
}

/// Compares the triggers of the log with those that the migrations make.
fn triggers(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let all = |connection: &Connection| {
        let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name";
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<rusqlite::Result<Vec<(String, String)>>>()
    };
    let fresh = Connection::open_in_memory()?;
    MIGRATIONS.iter().try_for_each(|migration| fresh.execute_batch(migration))?;
    let (there, wanted) = (all(connection)?, all(&fresh)?);
    let missing: Vec<_> = wanted.iter().filter(|trigger| !there.contains(trigger)).collect();
    if missing.is_empty() {
        findings.ok("immutability", format!("{} triggers refuse every change", wanted.len()));
    } else {
        let names: Vec<_> = missing.iter().map(|(name, _)| name.as_str()).collect();
        let found = format!("triggers are missing or changed: {}", names.join(", "));
        let advice = "hold the log against a backup, then make them again as in migrations/";
        findings.bad(Level::Fail, "immutability", found, advice);
    }
    Ok(())
}

/// Checks how a commit gets to the disk: serve sets the rest on the connection of the writer.
fn durability(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode == "wal" {
        findings.ok("durability", "journal_mode is wal; serve commits with synchronous=FULL");
    } else {
        let found = format!("journal_mode is {mode}");
        findings.bad(Level::Warn, "durability", found, "serve sets it to wal");
    }
    Ok(())
}

fn positions(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<Position> {
    let sql = "SELECT count(*), coalesce(min(position), 1), coalesce(max(position), 0) FROM
                 (SELECT position FROM events ORDER BY position DESC LIMIT ?1)";
    let (count, first, last): (u64, u64, u64) =
        connection
            .query_row(sql, [EXAMINED_EVENTS], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    findings.positions(last, last, last + 1 - first != count);
    Ok(last)
}

fn read_models(
    connection: &Connection,
    path: &Path,
    is_served: bool,
    head: Position,
    findings: &mut Findings,
) -> rusqlite::Result<()> {
    let file = path.with_file_name("read.db");
    if !file.exists() {
        findings.bad(Level::Warn, "read models", "there are none yet", "serve makes them");
        return Ok(());
    }
    let mut found = inspect_sqlite(&file)?;
    // What was committed a moment ago may be on its way.
    let is_behind =
        |found: &[ProjectorState]| found.iter().any(|found| found.reached.position < head);
    for _ in 0..EXAMINE_TRIES {
        if !is_served || !is_behind(&found) {
            break;
        }
        std::thread::sleep(EXAMINE_INTERVAL);
        found = inspect_sqlite(&file)?;
    }
    for found in &found {
        let position = found.reached.position;
        let sql = "SELECT event_id FROM events WHERE position = ?1";
        let there = connection.query_row(sql, [position], |row| row.get::<_, Uuid>(0));
        findings.projector(found, there.optional()?.map(EventId), head.saturating_sub(position));
    }
    Ok(())
}
