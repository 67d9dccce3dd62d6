//! Examines a log, or a vault, for `whence doctor`, without changing it.

use std::cmp::Ordering;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};
use uuid::Uuid;
use whence_events::{EventId, Position, Timestamp};
use whence_projections::{ProjectorState, inspect_postgres, inspect_writer};

use super::open::{LOG, MASTER_KEYS, OLDEST_SERVER, VAULT};
use crate::infra::postgres::{Pooler, PostgresUrl, message};
use crate::infra::sealing::opens;
use crate::store::clamped;
use crate::store::findings::{EXAMINE_INTERVAL, EXAMINE_TRIES, ExamineContext, Findings, Level};

/// How many events at the end of the log, and how many keys, are examined.
const EXAMINED_EVENTS: i64 = 1000;
const EXAMINED_KEYS: i64 = 50;

/// The number of destroyed keys that are held against the log.
const EXAMINED_DESTROYED: i64 = 1000;

/// The parts that a database has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Parts {
    /// The log and its vault.
    All,
    /// The vault of a log that is in another database.
    #[cfg_attr(not(feature = "kurrentdb"), expect(dead_code, reason = "there is no such log"))]
    Vault,
}

/// Examines the database at a URL.
pub(in crate::store) async fn examine(
    url: &PostgresUrl,
    parts: Parts,
    context: &ExamineContext,
    findings: &mut Findings,
) {
    let check = "connection";
    let (client, _driver) = match url.connect(&[]).await {
        Ok(connected) => connected,
        Err(error) => {
            let found = format!("cannot connect to Postgres at {url}: {error}");
            let advice = "see that the server runs there and lets this user in";
            findings.bad(Level::Fail, check, found, advice);
            return;
        }
    };
    findings.ok(check, format!("Postgres at {url} answers"));
    match url.pooler(&client).await {
        Ok(Pooler::None) => {}
        Ok(Pooler::Session) => {
            findings.ok("pooler", "a pooler is in between, which keeps sessions as they are");
        }
        Ok(Pooler::Transaction) => {
            let found = "a pooler is in between, which changes the connection within a session";
            let advice = "use session pooling (pool_mode = session), or the address of the server";
            findings.bad(Level::Fail, "pooler", found, advice);
            return;
        }
        Err(error) => {
            let found = format!("a second session was not let in: {error}");
            findings.bad(Level::Fail, check, found, "allow whence 40 connections");
            return;
        }
    }
    let mut examination = Examination { client: &client, parts, findings };
    if let Err(error) = examination.run(url, context).await {
        let found = format!("the database {url} cannot be examined: {}", message(&error));
        findings.bad(Level::Fail, "database", found, "see the log of the server");
    }
}

/// A database that is being examined, and what was found so far.
struct Examination<'a> {
    client: &'a Client,
    parts: Parts,
    findings: &'a mut Findings,
}

impl Examination<'_> {
    async fn run(&mut self, url: &PostgresUrl, context: &ExamineContext) -> Result<(), Error> {
        self.server().await?;
        self.clock(context).await?;
        self.durability().await?;
        let ours = "SELECT to_regclass('vault.migrations') IS NOT NULL,
                           EXISTS (SELECT FROM pg_namespace WHERE nspname IN ('log', 'vault'))";
        let row = self.client.query_one(ours, &[]).await?;
        match (row.try_get(0)?, row.try_get(1)?) {
            (false, false) => {
                let what = if self.parts == Parts::All { "log" } else { "vault" };
                let found = format!("there is no {what} at {url} yet");
                self.findings.bad(Level::Warn, "log", found, "serve makes it");
                return Ok(());
            }
            (false, true) => {
                let found = "there is a schema log or vault that is not of whence";
                self.findings.bad(Level::Fail, "log", found, "use a database of its own");
                return Ok(());
            }
            (true, _) => {}
        }
        if !self.migrations().await? {
            return Ok(());
        }
        self.keys(context).await?;
        if self.parts == Parts::All {
            self.triggers().await?;
            let head = self.positions(context).await?;
            self.read_models(head).await?;
        } else {
            self.leader().await?;
        }
        Ok(())
    }

    async fn server(&mut self) -> Result<(), Error> {
        let sql = "SELECT current_setting('server_version_num')::int,
                          current_setting('server_version'), current_setting('server_encoding'),
                          current_setting('transaction_read_only')::bool";
        let row = self.client.query_one(sql, &[]).await?;
        let (number, version): (i32, &str) = (row.try_get(0)?, row.try_get(1)?);
        let check = "version";
        if number < OLDEST_SERVER {
            let found = format!("Postgres {version} is too old");
            self.findings.bad(Level::Fail, check, found, "14 is the oldest that will do");
        } else {
            self.findings.ok(check, format!("Postgres {version}"));
        }
        let encoding: &str = row.try_get(2)?;
        if encoding != "UTF8" {
            let found = format!("the database is encoded in {encoding}");
            self.findings.bad(Level::Fail, "encoding", found, "make one that is encoded in UTF8");
        }
        if row.try_get(3)? {
            let advice = "name the server that takes writes, or all of them, in the URL";
            self.findings.bad(Level::Fail, "server", "the server is read-only", advice);
        }
        Ok(())
    }

    async fn clock(&mut self, context: &ExamineContext) -> Result<(), Error> {
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        // The server is asked half way between the two readings of the clock here.
        let before = context.clock.now().as_micros();
        let row = self.client.query_one(sql, &[]).await?;
        let after = context.clock.now().as_micros();
        let there: i64 = row.try_get(0)?;
        self.findings.clock("the clock of Postgres", there - (before + (after - before) / 2));
        Ok(())
    }

    async fn durability(&mut self) -> Result<(), Error> {
        let sql =
            "SELECT current_setting('fsync')::bool, current_setting('full_page_writes')::bool,
                          current_setting('synchronous_commit'),
                          current_setting('synchronous_standby_names')";
        let row = self.client.query_one(sql, &[]).await?;
        let check = "durability";
        let (flushed, whole): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
        if !flushed {
            let found = "fsync is off: a crash of the machine takes what was acknowledged";
            self.findings.bad(Level::Fail, check, found, "set fsync = on and restart Postgres");
        }
        if !whole {
            let found = "full_page_writes is off: a crash may leave half a page";
            let advice = "set it to on, unless the file system writes pages whole";
            self.findings.bad(Level::Warn, check, found, advice);
        }
        let (setting, standbys): (&str, &str) = (row.try_get(2)?, row.try_get(3)?);
        let on = if setting == "off" { "off, and on for the log's connections" } else { setting };
        let on_disk = if standbys.is_empty() { "this server" } else { "a synchronous standby" };
        if flushed && whole {
            let found = format!("synchronous_commit is {on}: a commit is on disk at {on_disk}");
            self.findings.ok(check, found);
        }
        Ok(())
    }

    /// Returns whether the parts are in formats that can be examined.
    async fn migrations(&mut self) -> Result<bool, Error> {
        let mut known = true;
        let parts: &[(&str, usize)] = match self.parts {
            Parts::All => &[("vault", VAULT.len()), ("log", LOG.len())],
            Parts::Vault => &[("vault", VAULT.len())],
        };
        for (part, newest) in parts {
            let sql = "SELECT coalesce(max(number), 0) FROM vault.migrations WHERE part = $1";
            let format: i64 = self.client.query_one(sql, &[part]).await?.try_get(0)?;
            let newest = clamped(*newest);
            let check = "migrations";
            match format.cmp(&newest) {
                Ordering::Greater => {
                    let found =
                        format!("the {part} has format {format}, this whence knows {newest}");
                    let advice = "use the newer whence that wrote it";
                    self.findings.bad(Level::Fail, check, found, advice);
                    known = false;
                }
                Ordering::Less => {
                    let found = format!("the {part} has format {format} of {newest}");
                    let advice = "serve brings it up to date";
                    self.findings.bad(Level::Warn, check, found, advice);
                    // Its tables may not exist yet.
                    known &= format > 0;
                }
                Ordering::Equal => {
                    self.findings.ok(check, format!("the {part} has format {format}, the newest"));
                }
            }
        }
        Ok(known)
    }

    async fn keys(&mut self, context: &ExamineContext) -> Result<(), Error> {
        let Some(keys) = &context.keys else { return Ok(()) };
        let row = self.client.query_one(MASTER_KEYS, &[]).await?;
        let made_with = keys.fingerprint().hold(row.try_get(0)?, row.try_get(1)?);
        if !self.findings.master_key("database", made_with) {
            return Ok(());
        }
        let sql = "SELECT subject, generation, wrapped FROM vault.subject_keys
                   WHERE wrapped IS NOT NULL LIMIT $1";
        let rows = self.client.query(sql, &[&EXAMINED_KEYS]).await?;
        let mut damaged = 0;
        for row in &rows {
            let (subject, wrapped): (&str, &[u8]) = (row.try_get(0)?, row.try_get(2)?);
            let generation = u32::try_from(row.try_get::<_, i64>(1)?).unwrap_or(u32::MAX);
            damaged += usize::from(!opens(&keys.wrapping, subject, generation, wrapped));
        }
        self.findings.subject_keys(rows.len(), damaged);
        if self.parts == Parts::All { self.destroyed_keys().await } else { Ok(()) }
    }

    /// Holds the keys that were destroyed last against the events that have to say so.
    async fn destroyed_keys(&mut self) -> Result<(), Error> {
        // What was destroyed a moment ago may be on its way into the log.
        let sql = "SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (
                       SELECT 1 FROM log.streams s JOIN log.events e ON e.stream = s.first
                       WHERE s.name = k.subject AND (e.type LIKE 'UserErased.%'
                         OR e.type LIKE 'MailboxReleased.%' OR e.type LIKE 'MailboxForgotten.%')))
                   FROM (SELECT subject FROM vault.subject_keys WHERE wrapped IS NULL
                           AND (subject LIKE 'user-%' OR subject LIKE 'mailbox-%'
                             AND destroyed_at < (SELECT recorded_at FROM log.head))
                         ORDER BY destroyed_at DESC LIMIT $1) k";
        let row = self.client.query_one(sql, &[&EXAMINED_DESTROYED]).await?;
        let number = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
        self.findings.destroyed_keys(number(row.try_get(0)?), number(row.try_get(1)?));
        Ok(())
    }

    /// Tries the changes that the triggers have to refuse, on no row at all and never committed.
    async fn triggers(&mut self) -> Result<(), Error> {
        let check = "immutability";
        for table in ["events", "streams"] {
            let sql = "SELECT coalesce(max(t.tgenabled::text), 'none') FROM pg_trigger t
                       WHERE t.tgrelid = to_regclass('log.' || $1)
                         AND t.tgname = $1 || '_never_change'";
            let enabled = self.client.query_one(sql, &[&table]).await?;
            let enabled: &str = enabled.try_get(0)?;
            let refused = self.refuses(table).await?;
            if refused && enabled == "A" {
                self.findings.ok(check, format!("log.{table} refuses every change"));
            } else if refused {
                let found = format!("log.{table} refuses changes, but not those of a replica");
                let advice = "ALTER TABLE ... ENABLE ALWAYS TRIGGER, as in migrations/";
                self.findings.bad(Level::Warn, check, found, advice);
            } else {
                let found = format!("log.{table} can be changed: its trigger is off or gone");
                let advice = "hold the log against a backup, then make it again as in migrations/";
                self.findings.bad(Level::Fail, check, found, advice);
            }
        }
        Ok(())
    }

    async fn refuses(&self, table: &str) -> Result<bool, Error> {
        self.client.batch_execute("BEGIN").await?;
        let column = if table == "events" { "data" } else { "name" };
        let change = format!("UPDATE log.{table} SET {column} = {column} WHERE false");
        let done = self.client.batch_execute(&change).await;
        self.client.batch_execute("ROLLBACK").await?;
        match done {
            Ok(()) => Ok(false),
            // Refused by the trigger; or before it ran, where this user may change nothing at all.
            Err(error) => match error.code() {
                Some(
                    &SqlState::RESTRICT_VIOLATION
                    | &SqlState::READ_ONLY_SQL_TRANSACTION
                    | &SqlState::INSUFFICIENT_PRIVILEGE,
                ) => Ok(true),
                Some(_) | None => Err(error),
            },
        }
    }

    async fn positions(&mut self, context: &ExamineContext) -> Result<Position, Error> {
        // One statement sees one moment of the log.
        let sql = "SELECT h.position, h.recorded_at, count(t.position),
                          coalesce(min(t.position), 1), coalesce(max(t.position), 0)
                   FROM log.head h LEFT JOIN
                     (SELECT position FROM log.events ORDER BY position DESC LIMIT $1) t ON true
                   GROUP BY h.position, h.recorded_at";
        let row = self.client.query_one(sql, &[&EXAMINED_EVENTS]).await?;
        let (head, count): (i64, i64) = (row.try_get(0)?, row.try_get(2)?);
        let (first, last): (i64, i64) = (row.try_get(3)?, row.try_get(4)?);
        let gaps = last + 1 - first != count;
        self.findings.positions(head.cast_unsigned(), last.cast_unsigned(), gaps);
        let latest = Timestamp::from_micros(row.try_get(1)?);
        self.findings.last_event(latest, context.clock.now());
        Ok(head.cast_unsigned())
    }

    /// Returns whether a node writes the read models.
    async fn leader(&mut self) -> Result<bool, Error> {
        let leader = inspect_writer(self.client).await?;
        self.findings.ok(
            "service",
            match &leader {
                Some(who) => format!("the node that writes the read models: {who}"),
                None => "no node writes the read models".into(),
            },
        );
        Ok(leader.is_some())
    }

    async fn read_models(&mut self, head: Position) -> Result<(), Error> {
        let is_led = self.leader().await?;
        let found = inspect_projectors(self.client, is_led, head).await?;
        if found.is_empty() {
            let advice = "serve makes them";
            self.findings.bad(Level::Warn, "read models", "there are none yet", advice);
        }
        for found in &found {
            let position = found.reached.position;
            let sql = "SELECT event_id FROM log.events WHERE position = $1";
            let row = self.client.query_opt(sql, &[&clamped(position)]).await?;
            let there = row.map(|row| row.try_get::<_, Uuid>(0)).transpose()?;
            self.findings.projector(found, there.map(EventId), head.saturating_sub(position));
        }
        Ok(())
    }
}

/// Returns how far the read models are. When a node writes them (`is_led`), it gets a moment to reach
/// `head`: what was committed just before may be on its way.
pub(in crate::store) async fn inspect_projectors(
    client: &Client,
    is_led: bool,
    head: Position,
) -> Result<Vec<ProjectorState>, Error> {
    let mut found = inspect_postgres(client).await?;
    for _ in 0..EXAMINE_TRIES {
        if !is_led || found.iter().all(|found| found.reached.position >= head) {
            break;
        }
        tokio::time::sleep(EXAMINE_INTERVAL).await;
        found = inspect_postgres(client).await?;
    }
    Ok(found)
}
