//! The runner over a real log: whatever became of the tables, they come back, and nothing is missed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak, mpsc};

use tempfile::TempDir;
use whence::engine::progress::Progress;
use whence::engine::runner;
use whence::engine::runner::Observer;
use whence::infra::clock::Clock;
use whence::infra::random::{new_correlation_id, new_event_id, new_request_id, random_bytes};
use whence::store::{Append, EventStore, NewEvent, SqliteStore};
use whence_events::{
    Actor, CodeVerified, Event, MailboxEvent, Metadata, Position, Recorded, StreamId, Timestamp,
};
use whence_projections::ReadDb;

use crate::replay::history::history;

#[tokio::test(flavor = "multi_thread")]
async fn read_models_that_were_deleted_come_back() {
    let place = Place::with_history(150).await;
    let running = place.run(Quiet);
    running.reach_head().await;
    let rows = running.reads.dump().await.unwrap();
    assert!(!rows.is_empty());
    running.stop().await;

    place.delete_read_models();
    let running = place.run(Quiet);
    running.reach_head().await;
    assert_eq!(running.reads.dump().await.unwrap(), rows);
    running.stop().await;
    // And when they are there they are used, not made anew.
    let running = place.run(Quiet);
    assert_eq!(running.reads.dump().await.unwrap(), rows);
    running.reach_head().await;
    assert_eq!(running.reads.dump().await.unwrap(), rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn read_models_of_another_log_are_made_anew() {
    // Longer than the log, as after going back to an old copy of it; and shorter.
    for (theirs, ours) in [(150, 60), (60, 150), (100, 100), (100, 0)] {
        let other = Place::with_history(theirs).await;
        let running = other.run(Quiet);
        running.reach_head().await;
        running.stop().await;

        let place = Place::with_history(ours).await;
        std::fs::copy(other.read_path(), place.read_path()).unwrap();
        let running = place.run(Quiet);
        running.reach_head().await;
        running.append(1).await;
        running.reach_head().await;
        assert_eq!(running.reads.dump().await.unwrap(), running.fresh_fold().await);
        assert!(running.progress.stopped().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_read_models_are_made_anew() {
    let place = Place::with_history(100).await;
    let running = place.run(Quiet);
    running.reach_head().await;
    let rows = running.reads.dump().await.unwrap();
    running.stop().await;
    let whole = std::fs::read(place.read_path()).unwrap();

    let garbage: Vec<u8> = (0..64).flat_map(|_| random_bytes::<512>()).collect();
    let mut no_schema = whole.clone();
    no_schema[100..4096].fill(0xff);
    let cut = whole[..whole.len() / 2].to_vec();
    for (damage, bytes) in [("garbage", garbage), ("no schema", no_schema), ("cut", cut)] {
        place.delete_read_models();
        std::fs::write(place.read_path(), bytes).unwrap();
        let running = place.run(Quiet);
        running.reach_head().await;
        assert_eq!(running.reads.dump().await.unwrap(), rows, "{damage}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_falls_behind_the_tail_misses_nothing() {
    let place = Place::with_history(0).await;
    let (observer, seen, release) = Slow::new();
    let running = place.run(observer);
    // The first of them holds the runner, so that the tail, which keeps 1024 batches, runs over.
    for _ in 0..1500 {
        running.append(1).await;
    }
    drop(release);
    running.reach_head().await;
    for _ in 0..50 {
        running.append(2).await;
    }
    running.reach_head().await;
    let head = running.store.head().await.unwrap();
    assert_eq!(head, 1600);
    let rows = running.reads.dump().await.unwrap();
    assert_eq!(rows, running.fresh_fold().await);
    assert_no_gap(&seen.lock().unwrap(), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_newer_version_stops_the_runner_and_says_so() {
    let place = Place::with_history(80).await;
    let log = rusqlite::Connection::open(place.log_path()).unwrap();
    let from_the_future = "INSERT INTO events
        SELECT 81, stream, (SELECT max(version) + 1 FROM events i WHERE i.stream = e.stream),
               event_id, 'FromTheFuture.v1', '{}', occurred_at, recorded_at, correlation_id,
               causation_id, actor
        FROM events e WHERE position = 80";
    assert_eq!(log.execute(from_the_future, []).unwrap(), 1);
    drop(log);
    let running = place.run(Quiet);
    while running.progress.stopped().is_none() {
        tokio::task::yield_now().await;
    }
    let why = running.progress.stopped().unwrap();
    assert_eq!(why, "event 81 is of the unknown type FromTheFuture.v1");
    let before = running.store.read_all(0, 80).await.unwrap();
    let expected = ReadDb::sqlite(&place.folder.path().join("expected.db")).unwrap();
    expected.apply(&before).await.unwrap();
    assert_eq!(running.reads.dump().await.unwrap(), expected.dump().await.unwrap());
    // A stopped runner ends with the store all the same.
    running.stop().await;
}

/// A log and its read models.
struct Place {
    folder: TempDir,
}

impl Place {
    /// A log with a history in it, closed again.
    #[expect(clippy::unwrap_used, reason = "a helper of tests: no log, no test")]
    async fn with_history(events: usize) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        let store = place.open();
        let steps: Vec<_> = (0..4 * events).map(|_| random_bytes()).collect();
        for event in history(&steps, events).into_iter().take(events) {
            let (event_id, expected_length) = (event.event_id, event.version);
            let events = vec![NewEvent::new(event_id, event.event, event.metadata).unwrap()];
            let append = Append { stream: event.stream, expected_length, events, new_key: None };
            store.append(append).await.unwrap();
        }
        place
    }

    #[expect(clippy::unwrap_used, reason = "a helper of tests: no log, no test")]
    fn open(&self) -> Arc<dyn EventStore> {
        let fingerprint = whence_events::Mac([7; 16]);
        Arc::new(SqliteStore::open(&self.log_path(), fingerprint, Clock::system()).unwrap())
    }

    #[expect(clippy::unwrap_used, reason = "a helper of tests: no runner, no test")]
    fn run(&self, observer: impl Observer) -> Running {
        let store = self.open();
        let reads = Arc::new(ReadDb::sqlite(&self.read_path()).unwrap());
        let progress = runner::start(&store, reads.clone(), observer);
        let wal = self.folder.path().join("read.db-wal");
        Running { store, reads, progress, wal }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log.db")
    }

    fn read_path(&self) -> PathBuf {
        self.folder.path().join("read.db")
    }

    fn delete_read_models(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut file = self.read_path().into_os_string();
            file.push(suffix);
            let _ = std::fs::remove_file(Path::new(&file));
        }
    }
}

struct Running {
    store: Arc<dyn EventStore>,
    reads: Arc<ReadDb>,
    progress: Arc<Progress>,
    /// There while the tables are open.
    wal: PathBuf,
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: no answer, no test")]
impl Running {
    /// Waits for the tables; each wait is bounded, so a few of them are.
    async fn reach_head(&self) {
        let head = self.store.head().await.unwrap();
        for _ in 0..10 {
            if self.progress.wait_for(head).await {
                return;
            }
        }
        panic!("at {} of {head}: {:?}", self.progress.projected(), self.progress.stopped());
    }

    /// Appends a new stream.
    async fn append(&self, events: usize) {
        let new_event = |_| {
            let event: Event = MailboxEvent::from(CodeVerified {
                request_id: new_request_id(),
                device_id: None,
                device_class: None,
            })
            .into();
            let metadata = Metadata {
                occurred_at: Timestamp::from_micros(1_773_500_966_535_897),
                correlation_id: new_correlation_id(),
                causation_id: None,
                actor: Actor::System,
            };
            NewEvent::new(new_event_id(), event, metadata).unwrap()
        };
        let stream = StreamId::Mailbox(whence_events::EmailKey(random_bytes()));
        let events = (0..events).map(new_event).collect();
        let append = Append { stream, expected_length: 0, events, new_key: None };
        self.store.append(append).await.unwrap();
    }

    /// The rows that the whole log gives.
    async fn fresh_fold(&self) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let reads = ReadDb::sqlite(&folder.path().join("read.db")).unwrap();
        reads.apply(&self.store.read_all(0, 1_000_000).await.unwrap()).await.unwrap();
        reads.dump().await.unwrap()
    }

    /// Lets go of the log, and waits until the runner has let go of the tables.
    async fn stop(self) {
        let Self { store, reads, progress: _, wal } = self;
        let runner = Weak::clone(&Arc::downgrade(&reads));
        drop((store, reads));
        // Nobody has them any more a moment before they are closed.
        while runner.strong_count() > 0 || wal.exists() {
            tokio::task::yield_now().await;
        }
    }
}

struct Quiet;

impl Observer for Quiet {
    fn committed(&self, _: &[Recorded]) {}
    async fn projected(&self, _: &[Recorded]) {}
    fn lost(&self) {}
}

/// Told of commits (`true`) and of projections, in the order in which it was told.
type Seen = Arc<Mutex<Vec<(bool, Position)>>>;

/// Does not return from its first call until it is released.
struct Slow {
    released: Mutex<mpsc::Receiver<()>>,
    seen: Seen,
}

impl Slow {
    fn new() -> (Self, Seen, mpsc::Sender<()>) {
        let (release, released) = mpsc::channel();
        let seen = Seen::default();
        (Self { released: Mutex::new(released), seen: seen.clone() }, seen, release)
    }

    #[expect(clippy::unwrap_used, reason = "a helper of tests: nobody panics with the lock")]
    fn note(&self, committed: bool, events: &[Recorded]) {
        let mut seen = self.seen.lock().unwrap();
        seen.extend(events.iter().map(|event| (committed, event.position)));
    }
}

impl Observer for Slow {
    fn committed(&self, events: &[Recorded]) {
        let _ = self.released.lock().expect("nobody panics with it").recv();
        self.note(true, events);
    }

    async fn projected(&self, events: &[Recorded]) {
        self.note(false, events);
    }

    fn lost(&self) {}
}

/// Every event was told of, first as committed and then as projected, and none before the one
/// before it.
#[track_caller]
fn assert_no_gap(seen: &[(bool, Position)], head: Position) {
    let (mut committed, mut projected) = (0, 0);
    for (is_commit, position) in seen {
        let latest = if *is_commit { &mut committed } else { &mut projected };
        assert!(*position <= *latest + 1, "{latest} and then {position}");
        *latest = (*latest).max(*position);
        assert!(projected <= committed, "{position} was projected before it was committed");
    }
    assert_eq!((committed, projected), (head, head));
}
