//! A run of the log as one transaction.

use std::pin::Pin;

use deadpool_postgres::ClientWrapper;
use futures::future::{BoxFuture, FutureExt as _, MaybeDone, maybe_done};
use futures::poll;
use tokio::time::timeout;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;
use whence_events::{Position, Recorded};

use super::lead::Seat;
use super::plan::Plan;
use super::sets::Column;
use super::tiles;
use super::{APPLY, PostgresReadDb, ProjectError, read_checkpoints};
use crate::Projector;
use crate::log_tree::Tile;
use crate::read_db::known;

/// A statement and its parameters.
struct Request<'a> {
    statement: Statement,
    columns: Vec<Column<'a>>,
}

impl Request<'_> {
    fn run<'a>(&'a self, client: &'a ClientWrapper) -> BoxFuture<'a, Answer> {
        let columns = self.columns.iter().map(|column| &**column as &(dyn ToSql + Sync));
        client.execute_raw(&self.statement, columns).boxed()
    }
}

/// How many rows a statement touched.
type Answer = Result<u64, tokio_postgres::Error>;

impl PostgresReadDb {
    pub(in crate::read_db) async fn apply(
        &self,
        after: Position,
        events: &[Recorded],
    ) -> Result<(), ProjectError> {
        let (events, unknown) = known(events);
        let mut place = self.seat.lock().await;
        let mut seat = place.take_if(|seat| seat.leads).ok_or(ProjectError::NotLeading)?;
        // One that takes too long ends the connection with it, and gives the lock to another node.
        let applied = timeout(APPLY, seat.apply(&self.projectors, after, events)).await;
        let Ok(result) = applied else { return Err(ProjectError::TimedOut) };
        *place = seat.after(&result).await;
        result?;
        unknown.map_or(Ok(()), Err)
    }
}

impl Seat {
    async fn apply(
        &mut self,
        projectors: &[Box<dyn Projector>],
        after: Position,
        events: &[Recorded],
    ) -> Result<(), ProjectError> {
        let mut edge = self.edge.take();
        let done = if let Some(done) = self.done.take() {
            done
        } else {
            edge = None;
            let checkpoints = read_checkpoints(&self.client, projectors).await?;
            checkpoints.iter().map(|checkpoint| checkpoint.position).collect()
        };
        let mut plan = Plan::default();
        let mut moves = Moves::default();
        let mut changes = Vec::new();
        let mut tiles = Vec::new();
        for (projector, done) in projectors.iter().zip(&done) {
            let new = &events[events.partition_point(|event| event.position <= *done)..];
            let Some(last) = new.last() else { continue };
            // What lies between is nowhere then: the tables are not those this run was cut for.
            if after > *done {
                return Err(ProjectError::TablesMoved(projector.name()));
            }
            if projector.is_log_tree() {
                let mut tree = match edge.take() {
                    Some(edge) => edge,
                    None => tiles::edge(&self.client).await?,
                };
                tiles = tree.grow(new);
                edge = Some(tree);
            }
            for event in new {
                projector.project(event, &mut changes);
                changes.drain(..).for_each(|change| plan.add(change));
            }
            moves.add(projector.as_ref(), *done, last);
        }
        if !moves.names.is_empty() {
            self.commit(&moves, &plan, &tiles).await?;
        }
        let end = events.last().map_or(0, |event| event.position);
        self.edge = edge;
        self.done = Some(done.into_iter().map(|done| done.max(end)).collect());
        Ok(())
    }

    async fn commit(
        &self,
        moves: &Moves,
        plan: &Plan,
        changed: &[Tile],
    ) -> Result<(), ProjectError> {
        // The checkpoints first: that holds off whoever else would write.
        let mut requests = vec![moves.request(&self.client).await?];
        for group in plan.groups() {
            for sql in group.set.sql {
                let statement = self.client.prepare_cached(sql).await?;
                requests.push(Request { statement, columns: (group.set.columns)(&group.changes) });
            }
        }
        if !changed.is_empty() {
            let statement = self.client.prepare_cached(tiles::WRITE).await?;
            requests.push(Request { statement, columns: tiles::columns(changed) });
        }
        let counts = send(&self.client, &requests).await?;
        if counts.first().is_none_or(|moved| *moved != moves.names.len() as u64) {
            return Err(ProjectError::TablesMoved(moves.names.first().copied().unwrap_or("none")));
        }
        Ok(self.client.batch_execute("COMMIT").await?)
    }
}

/// Checkpoints on their way.
#[derive(Default)]
struct Moves {
    names: Vec<&'static str>,
    versions: Vec<i64>,
    from: Vec<i64>,
    to: Vec<i64>,
    events: Vec<uuid::Uuid>,
}

impl Moves {
    fn add(&mut self, projector: &dyn Projector, from: Position, to: &Recorded) {
        self.names.push(projector.name());
        self.versions.push(projector.version().into());
        self.from.push(from.cast_signed());
        self.to.push(to.position.cast_signed());
        self.events.push(to.event_id.0);
    }

    /// Moves those that stand where they were thought to: of two writers, one moves none.
    async fn request(&self, client: &ClientWrapper) -> Result<Request<'_>, ProjectError> {
        let sql = "UPDATE read.checkpoints c SET position = v.after, event_id = v.event_id
                   FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::uuid[])
                     AS v (projector, version, before, after, event_id)
                   WHERE c.projector = v.projector AND c.version = v.version
                     AND c.position = v.before";
        let columns: Vec<Column<'_>> = vec![
            Box::new(&self.names),
            Box::new(&self.versions),
            Box::new(&self.from),
            Box::new(&self.to),
            Box::new(&self.events),
        ];
        Ok(Request { statement: client.prepare_cached(sql).await?, columns })
    }
}

/// Begins a transaction and runs the requests in it; how many rows each of them touched.
///
/// All is sent before the first answer is waited for: one round trip, however many they are. A
/// request is sent when it is polled first, so the order of these polls is the order of the
/// statements. After one that fails, the server refuses the others.
async fn send(
    client: &ClientWrapper,
    requests: &[Request<'_>],
) -> Result<Vec<u64>, tokio_postgres::Error> {
    let begin = client.batch_execute("BEGIN");
    let begin: BoxFuture<'_, Answer> = async { begin.await.map(|()| 0) }.boxed();
    let mut sent: Vec<MaybeDone<_>> = [begin]
        .into_iter()
        .chain(requests.iter().map(|request| request.run(client)))
        .map(maybe_done)
        .collect();
    for request in &mut sent {
        let _ = poll!(&mut *request);
    }
    let mut counts = Vec::with_capacity(requests.len());
    for request in &mut sent {
        (&mut *request).await;
        counts.extend(Pin::new(request).take_output().transpose()?);
    }
    Ok(counts.split_off(1))
}
