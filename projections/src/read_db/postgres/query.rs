//! Queries of a Postgres database.

use deadpool_postgres::Object;
use futures::TryStreamExt as _;
use postgres_types::ToSql;
use tokio::time::timeout;
use uuid::Uuid;

use super::PostgresReadDb;
use super::writer::QUERY_TIMEOUT;
use crate::read_db::error::QueryError;
use crate::read_db::select::{Row, Select, Value};

impl PostgresReadDb {
    pub(crate) async fn first<T>(
        &self,
        select: &Select<T>,
        values: &[Value<'_>],
    ) -> Result<Option<T>, QueryError> {
        self.rows(select, values).await?.first().map(|row| (select.read)(row)).transpose()
    }

    pub(crate) async fn all<T>(
        &self,
        select: &Select<T>,
        values: &[Value<'_>],
    ) -> Result<Vec<T>, QueryError> {
        self.rows(select, values).await?.iter().map(|row| (select.read)(row)).collect()
    }

    async fn rows<T>(
        &self,
        select: &Select<T>,
        values: &[Value<'_>],
    ) -> Result<Vec<tokio_postgres::Row>, QueryError> {
        let client = self.pool.get().await?;
        let answer = timeout(QUERY_TIMEOUT, async {
            let statement = client.prepare_cached(select.sql.for_postgres(self.schema)).await?;
            let rows = client.query_raw(&statement, values.iter().map(Value::as_parameter)).await?;
            rows.try_collect::<Vec<_>>().await
        });
        if let Ok(rows) = answer.await {
            return Ok(rows?);
        }
        // It may never answer again: nothing else gets this connection.
        drop(Object::take(client));
        Err(QueryError::TimedOut)
    }
}

impl Value<'_> {
    fn as_parameter(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Uuid(id) => id,
            Self::Int(number) => number,
            Self::Text(text) => text,
        }
    }
}

impl Row for tokio_postgres::Row {
    fn uuid_or_null(&self, column: usize) -> Result<Option<Uuid>, QueryError> {
        Ok(self.try_get(column)?)
    }

    fn bytes_or_null(&self, column: usize) -> Result<Option<&[u8]>, QueryError> {
        Ok(self.try_get(column)?)
    }

    fn int_or_null(&self, column: usize) -> Result<Option<i64>, QueryError> {
        Ok(self.try_get(column)?)
    }

    fn text_or_null(&self, column: usize) -> Result<Option<&str>, QueryError> {
        Ok(self.try_get(column)?)
    }

    fn flag(&self, column: usize) -> Result<bool, QueryError> {
        Ok(self.try_get(column)?)
    }
}
