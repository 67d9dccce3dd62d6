//! Makes the schema and its tables.

use std::collections::HashMap;

use deadpool_postgres::ClientWrapper;

use super::locks::MAKING_TABLES;
use super::schema;
use crate::projector::Projector;
use crate::read_db::error::ProjectError;
use crate::read_db::sql::{SchemaName, Sql};

static IS_THERE: Sql = Sql::new("SELECT to_regclass('{checkpoints}') IS NOT NULL");

static VERSIONS: Sql = Sql::new("SELECT projector, version FROM {checkpoints}");

static START: Sql = Sql::new(
    "INSERT INTO {checkpoints} (projector, version, position) VALUES ({1}, {2}, 0)
     ON CONFLICT (projector) DO UPDATE
       SET version = excluded.version, position = 0, event_id = NULL",
);

/// Makes the live tables that are missing. Tables of another version are left alone: the writer may
/// still be of that version, and they answer until others replace them.
pub(super) async fn make_missing(
    client: &mut ClientWrapper,
    projectors: &[&'static dyn Projector],
) -> Result<(), ProjectError> {
    make(client, SchemaName::Live, projectors, |version, _| version.is_none()).await
}

/// Makes the tables that are missing, and replaces tables of another version: scratch tables of an
/// earlier rebuild, and live ones that are emptied anyway.
pub(super) async fn make_current(
    client: &mut ClientWrapper,
    schema: SchemaName,
    projectors: &[&'static dyn Projector],
) -> Result<(), ProjectError> {
    make(client, schema, projectors, |version, ours| version != Some(ours)).await
}

/// Makes the tables of those projectors for which `wanted` is true, given the version of the tables
/// that are there and that of the projector.
async fn make(
    client: &mut ClientWrapper,
    name: SchemaName,
    projectors: &[&'static dyn Projector],
    wanted: impl Fn(Option<i64>, i64) -> bool,
) -> Result<(), ProjectError> {
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MAKING_TABLES]).await?;
    // Asked first: who may write the tables need not be one who may make schemas.
    let is_there = IS_THERE.for_postgres(name);
    if !transaction.query_one(is_there, &[]).await?.try_get::<_, bool>(0)? {
        transaction.batch_execute(&schema::create_schema(name)).await?;
    }
    let rows = transaction.query(VERSIONS.for_postgres(name), &[]).await?;
    let versions = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    let versions: HashMap<String, i64> = versions.collect::<Result<_, ProjectError>>()?;
    for projector in projectors {
        let version = i64::from(projector.version());
        if wanted(versions.get(projector.name()).copied(), version) {
            transaction.batch_execute(&tables(name, *projector)).await?;
            let start = START.for_postgres(name);
            transaction.execute(start, &[&projector.name(), &version]).await?;
        }
    }
    Ok(transaction.commit().await?)
}

/// Returns the statements that replace the tables of a projector by empty ones.
fn tables(name: SchemaName, projector: &dyn Projector) -> String {
    let drop = |table| format!("DROP TABLE IF EXISTS {};\n", name.table(table));
    let old: String = projector.tables().map(drop).collect();
    let new = projector.schema().iter().map(|table| schema::create_table(name, table));
    old + &new.collect::<String>()
}
