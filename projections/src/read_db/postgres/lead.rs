//! One node projects: the one whose connection holds an advisory lock.
//!
//! The lock and the writes go through one connection. A session that the server has given up has
//! therefore lost both, and whoever gets the lock next sees all that was committed before.

use deadpool_postgres::{ClientWrapper, Object};
use tokio::time::timeout;
use whence_events::Position;

use super::{ANSWER, PostgresReadDb, ProjectError, open};
use crate::log_tree::Edge;

/// Held, for as long as its session lasts, by who projects.
pub(crate) const PROJECTING: i64 = 0x7768_656e_6365_0002;

/// A machine that is gone, or a process that stands still, says nothing: the server has to end its
/// session by itself, and would by default take hours to, or not do it at all. Whoever leads or would
/// asks something twice a second.
const MAY_VANISH: &str = "SET idle_session_timeout = '10s'; SET tcp_user_timeout = '10s'";

/// Rows are found by their keys, whatever the statistics say: they are wrong of a table that was
/// empty a second ago, and a statement is planned once.
const SETTINGS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off";

/// The connection that may write, or would.
pub(super) struct Seat {
    pub(super) client: ClientWrapper,
    pub(super) leads: bool,
    /// How far each projector is, in their order, as far as that is known.
    pub(super) done: Option<Vec<Position>>,
    /// Where the log's tree grows; of no worth when `done` is not known.
    pub(super) edge: Option<Edge>,
}

impl PostgresReadDb {
    /// Whether this one writes. Asks to be the one, where there is none.
    pub(in crate::read_db) async fn lead(&self) -> Result<bool, ProjectError> {
        let mut place = self.seat.lock().await;
        let seat = match place.take() {
            Some(seat) if seat.leads && seat.answers().await => {
                *place = Some(seat);
                return Ok(true);
            }
            Some(seat) if !seat.leads && !seat.client.is_closed() => Some(seat),
            Some(_) | None => None,
        };
        // Whatever fails from here on ends the connection, and gives the lock back.
        let asked = timeout(ANSWER, self.ask_to_lead(seat)).await;
        let mut seat = asked.map_err(|_| ProjectError::TimedOut)??;
        if seat.leads {
            // No limit but the server's: tables may be made.
            open::make_anew(&mut seat.client, &self.projectors).await?;
            tracing::info!("this node projects");
        }
        let leads = seat.leads;
        *place = Some(seat);
        Ok(leads)
    }

    async fn ask_to_lead(&self, seat: Option<Seat>) -> Result<Seat, ProjectError> {
        let mut seat = match seat {
            Some(seat) => seat,
            None => self.new_seat().await?,
        };
        let sql = "SELECT pg_try_advisory_lock($1)";
        let statement = seat.client.prepare_cached(sql).await?;
        seat.leads = seat.client.query_one(&statement, &[&PROJECTING]).await?.try_get(0)?;
        if seat.leads {
            seat.client.batch_execute(SETTINGS).await?;
        }
        Ok(seat)
    }

    /// Empties all tables.
    pub(in crate::read_db) async fn reset(&self) -> Result<(), ProjectError> {
        let tables = self.projectors.iter().flat_map(|projector| projector.tables());
        let tables: Vec<_> = tables.map(|table| format!("read.{table}")).collect();
        let sql = format!(
            "BEGIN;
             UPDATE read.checkpoints SET position = 0, event_id = NULL;
             TRUNCATE {};
             COMMIT",
            tables.join(", ")
        );
        let mut place = self.seat.lock().await;
        let mut seat = place.take_if(|seat| seat.leads).ok_or(ProjectError::NotLeading)?;
        seat.done = None;
        let result = seat.client.batch_execute(&sql).await.map_err(ProjectError::from);
        *place = seat.after(&result).await;
        result
    }

    /// A connection outside of the pool: none of its borrowers may end up with the lock.
    async fn new_seat(&self) -> Result<Seat, ProjectError> {
        let client = Object::take(self.pool.get().await?);
        client.batch_execute(MAY_VANISH).await?;
        Ok(Seat { client, leads: false, done: None, edge: None })
    }
}

impl Seat {
    /// Whether its session goes on, and the lock with it.
    async fn answers(&self) -> bool {
        matches!(timeout(ANSWER, self.client.check_connection()).await, Ok(Ok(())))
    }

    /// This one after an attempt to write, with nothing half done; none when its session is over.
    pub(super) async fn after<T>(self, result: &Result<T, ProjectError>) -> Option<Self> {
        if result.is_err() {
            self.client.batch_execute("ROLLBACK").await.ok()?;
        }
        Some(self)
    }
}
