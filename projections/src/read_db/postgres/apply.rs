//! A run of the log as one transaction.

use std::pin::Pin;

use deadpool_postgres::ClientWrapper;
use futures::future::{BoxFuture, FutureExt as _, MaybeDone, maybe_done};
use futures::poll;
use postgres_types::ToSql;
use tokio::time::timeout;
use tokio_postgres::Statement;
use uuid::Uuid;
use whence_events::{Position, Recorded};

use super::bulk::BoundColumn;
use super::plan::{Group, Plan};
use super::tiles;
use super::writer::WriterConnection;
use super::{APPLY_TIMEOUT, PostgresReadDb};
use crate::projector::Projector;
use crate::read_db::error::{ProjectError, known};
use crate::read_db::sql::{SchemaName, Sql};
use crate::tiles::Tile;

/// A statement and its parameters.
struct BoundStatement<'a> {
    statement: Statement,
    columns: Vec<BoundColumn<'a>>,
}

impl BoundStatement<'_> {
    fn run<'a>(&'a self, client: &'a ClientWrapper) -> BoxFuture<'a, Answer> {
        let columns = self.columns.iter().map(|column| &**column as &(dyn ToSql + Sync));
        client.execute_raw(&self.statement, columns).boxed()
    }
}

/// The number of rows that a statement touched.
type Answer = Result<u64, tokio_postgres::Error>;

impl PostgresReadDb {
    pub(crate) async fn apply(
        &self,
        after: Position,
        events: &[Recorded],
    ) -> Result<(), ProjectError> {
        let (events, unknown) = known(events);
        let mut place = self.writer.lock().await;
        let mut writer = place.take_if(|writer| writer.is_writer).ok_or(ProjectError::NotWriter)?;
        // One that takes too long ends the connection with it, and gives the lock to another node.
        let applied = timeout(APPLY_TIMEOUT, writer.apply(self, after, events)).await;
        let Ok(result) = applied else { return Err(ProjectError::TimedOut) };
        *place = writer.after(&result).await;
        result?;
        unknown.map_or(Ok(()), Err)
    }
}

impl WriterConnection {
    async fn apply(
        &mut self,
        db: &PostgresReadDb,
        after: Position,
        events: &[Recorded],
    ) -> Result<(), ProjectError> {
        let mut edge = self.edge.take();
        let done = if let Some(done) = self.done.take() {
            done
        } else {
            edge = None;
            let positions = db.read_positions(&self.client).await?;
            positions.iter().map(|reached| reached.position).collect()
        };
        let mut plan = Plan::default();
        let mut moves = Moves::default();
        let mut changes = Vec::new();
        for (projector, done) in db.projectors.iter().zip(&done) {
            let new = &events[events.partition_point(|event| event.position <= *done)..];
            let Some(last) = new.last() else { continue };
            // The events in between are in no batch then: the tables are not those this run was cut for.
            if after > *done {
                return Err(ProjectError::TablesMoved(projector.name()));
            }
            for event in new {
                projector.project(event, &mut changes);
                changes.drain(..).for_each(|change| plan.add(change));
            }
            moves.add(*projector, *done, last);
        }
        let mut tiles = Vec::new();
        if !plan.leaves().is_empty() {
            let mut tree = match edge.take() {
                Some(edge) => edge,
                None => tiles::edge(&self.client, db.schema).await?,
            };
            tiles = tree.grow(plan.leaves());
            edge = Some(tree);
        }
        if !moves.names.is_empty() {
            self.commit(db.schema, &moves, &plan, &tiles).await?;
        }
        let end = events.last().map_or(0, |event| event.position);
        self.edge = edge;
        self.done = Some(done.into_iter().map(|done| done.max(end)).collect());
        Ok(())
    }

    async fn commit(
        &self,
        schema: SchemaName,
        moves: &Moves,
        plan: &Plan,
        changed: &[Tile],
    ) -> Result<(), ProjectError> {
        // The positions first: that holds off any other writer.
        let mut statements = vec![moves.statement(schema, &self.client).await?];
        for Group { statement: bulk, changes } in plan.groups() {
            for sql in bulk.texts() {
                let statement = self.client.prepare_cached(sql.for_postgres(schema)).await?;
                statements.push(BoundStatement { statement, columns: (bulk.columns)(changes) });
            }
        }
        if !changed.is_empty() {
            let statement = self.client.prepare_cached(tiles::WRITE.for_postgres(schema)).await?;
            statements.push(BoundStatement { statement, columns: tiles::columns(changed) });
        }
        let counts = send(&self.client, &statements).await?;
        if counts.first().is_none_or(|moved| *moved != moves.names.len() as u64) {
            return Err(ProjectError::TablesMoved(moves.names.first().copied().unwrap_or("none")));
        }
        Ok(self.client.batch_execute("COMMIT").await?)
    }
}

/// The moves of projectors from one position to another.
#[derive(Default)]
struct Moves {
    names: Vec<&'static str>,
    versions: Vec<i64>,
    from: Vec<i64>,
    to: Vec<i64>,
    events: Vec<Uuid>,
}

static MOVE: Sql = Sql::new(
    "UPDATE {checkpoints} c SET position = v.after, event_id = v.event_id
                   FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::uuid[])
                     AS v (projector, version, before, after, event_id)
                   WHERE c.projector = v.projector AND c.version = v.version
                     AND c.position = v.before",
);

impl Moves {
    fn add(&mut self, projector: &dyn Projector, from: Position, to: &Recorded) {
        self.names.push(projector.name());
        self.versions.push(projector.version().into());
        self.from.push(from.cast_signed());
        self.to.push(to.position.cast_signed());
        self.events.push(to.event_id.0);
    }

    /// Returns the statement that moves those that are where they were expected to be: of two writers,
    /// one moves none.
    async fn statement(
        &self,
        schema: SchemaName,
        client: &ClientWrapper,
    ) -> Result<BoundStatement<'_>, ProjectError> {
        let columns: Vec<BoundColumn<'_>> = vec![
            Box::new(&self.names),
            Box::new(&self.versions),
            Box::new(&self.from),
            Box::new(&self.to),
            Box::new(&self.events),
        ];
        let statement = client.prepare_cached(MOVE.for_postgres(schema)).await?;
        Ok(BoundStatement { statement, columns })
    }
}

/// Begins a transaction, runs the statements in it, and returns how many rows each of them touched.
///
/// All is sent before the first answer is waited for: one round trip, however many they are. A
/// statement is sent when it is polled first, so the order of these polls is the order of the
/// statements. After one that fails, the server refuses the others.
async fn send(
    client: &ClientWrapper,
    statements: &[BoundStatement<'_>],
) -> Result<Vec<u64>, tokio_postgres::Error> {
    let begin = client.batch_execute("BEGIN");
    let begin: BoxFuture<'_, Answer> = async { begin.await.map(|()| 0) }.boxed();
    let mut sent: Vec<MaybeDone<_>> = [begin]
        .into_iter()
        .chain(statements.iter().map(|statement| statement.run(client)))
        .map(maybe_done)
        .collect();
    for statement in &mut sent {
        let _ = poll!(&mut *statement);
    }
    let mut counts = Vec::with_capacity(statements.len());
    for statement in &mut sent {
        (&mut *statement).await;
        counts.extend(Pin::new(statement).take_output().transpose()?);
    }
    Ok(counts.split_off(1))
}
