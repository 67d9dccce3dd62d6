//! The schema and its tables.

use std::collections::HashMap;

use deadpool_postgres::ClientWrapper;

use super::ProjectError;
use crate::Projector;

/// Whoever makes tables holds this advisory lock until they are committed.
const MAKING_TABLES: i64 = 0x7768_656e_6365_0001;

/// Makes what is not there. Tables of another version are left alone: whoever leads may still be of
/// that version.
pub(super) async fn make_missing(
    client: &mut ClientWrapper,
    projectors: &[Box<dyn Projector>],
) -> Result<(), ProjectError> {
    make(client, projectors, |version, _| version.is_none()).await
}

/// Makes tables of another version anew. Only for who leads.
pub(super) async fn make_anew(
    client: &mut ClientWrapper,
    projectors: &[Box<dyn Projector>],
) -> Result<(), ProjectError> {
    make(client, projectors, |version, ours| version != Some(ours)).await
}

/// Makes the tables of those projectors that `wanted` says so of, given the version of the tables
/// that are there and of the projector.
async fn make(
    client: &mut ClientWrapper,
    projectors: &[Box<dyn Projector>],
    wanted: impl Fn(Option<i64>, i64) -> bool,
) -> Result<(), ProjectError> {
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MAKING_TABLES]).await?;
    let there = "SELECT to_regclass('read.checkpoints') IS NOT NULL";
    // Asked first: who may write the tables need not be one who may make schemas.
    if !transaction.query_one(there, &[]).await?.try_get::<_, bool>(0)? {
        let checkpoints = "CREATE SCHEMA IF NOT EXISTS read;
            CREATE TABLE read.checkpoints (
              projector text PRIMARY KEY,
              version   bigint NOT NULL,
              position  bigint NOT NULL,
              event_id  uuid
            )";
        transaction.batch_execute(checkpoints).await?;
    }
    let rows = transaction.query("SELECT projector, version FROM read.checkpoints", &[]).await?;
    let versions = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    let versions: HashMap<String, i64> = versions.collect::<Result<_, ProjectError>>()?;
    for projector in projectors {
        let version = i64::from(projector.version());
        if wanted(versions.get(projector.name()).copied(), version) {
            transaction.batch_execute(&tables(projector.as_ref())).await?;
            let sql = "INSERT INTO read.checkpoints (projector, version, position)
                       VALUES ($1, $2, 0)
                       ON CONFLICT (projector) DO UPDATE
                         SET version = excluded.version, position = 0, event_id = NULL";
            transaction.execute(sql, &[&projector.name(), &version]).await?;
        }
    }
    Ok(transaction.commit().await?)
}

/// Statements that make a projector's tables.
fn tables(projector: &dyn Projector) -> String {
    let old = projector.tables().iter().map(|table| format!("DROP TABLE IF EXISTS read.{table};"));
    let new = match projector.name() {
        "identity" => include_str!("../../../sql/postgres/identity.sql"),
        "attribution" => include_str!("../../../sql/postgres/attribution.sql"),
        "duties" => include_str!("../../../sql/postgres/duties.sql"),
        "log-tree" => include_str!("../../../sql/postgres/log_tree.sql"),
        name => unreachable!("the projector {name} has no tables"),
    };
    old.chain([new.to_owned()]).collect()
}
