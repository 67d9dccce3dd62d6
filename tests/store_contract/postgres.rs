//! The log in Postgres.

use crate::database;

#[tokio::test]
async fn a_database_is_its_own() {
    let (one, other) = (database::database().await, database::database().await);
    database::execute(one.url(), "CREATE TABLE t ()").await;
    database::execute(other.url(), "CREATE TABLE t ()").await;
}
