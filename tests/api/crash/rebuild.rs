//! A rebuild dies at chosen steps: the tables of each projector are all old or all new.
//!
//! [`child`] rebuilds, and dies where it is told to.

use tempfile::TempDir;
use whence::engine::rebuild::{Replay, Step};
use whence::infra::clock::Clock;
use whence::infra::keys::{Keys, MasterKey};
use whence::store::Location;
use whence_projections::{Purpose, ReadDb, projectors};

use crate::crash::child::{die, killed, spawn};
use crate::crash::log;
use crate::server::{START, until};
use whence_test_support::postgres::database;

/// Says to [`child`] where and when: `store step`.
const TOLD: &str = "WHENCE_TEST_REBUILD";

const KEY: &str = "abababababababababababababababababababababababababababababababab";

/// What is done of a rebuild, and how many projectors have new tables then.
const STEPS: [(&str, usize); 6] = [
    ("Folded", 0),
    ("Comparing(\"identity\")", 0),
    ("Held(\"attribution\")", 0),
    ("Replaced(\"identity\")", 0),
    ("Swapped(\"identity\")", 1),
    ("Replaced(\"attribution\")", 1),
];

fn names() -> Vec<&'static str> {
    projectors().iter().map(|projector| projector.name()).collect()
}

/// No test by itself: the process that dies, when it is told to be that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    #[expect(clippy::disallowed_methods, reason = "how the test tells its child what to do")]
    let Ok(told) = std::env::var(TOLD) else { return };
    let (store, step) = told.split_once(' ').unwrap();
    let location = Location::parse(store, None).unwrap();
    let fingerprint = Keys::derive(&MasterKey::parse(KEY).unwrap()).fingerprint();
    let log = location.open_to_read(fingerprint, Clock::manual(START)).await.unwrap();
    let reads = location.open_read_db_shared().await.unwrap();
    let replay = Replay::open(&log, &reads, Purpose::Rebuild, &names(), 20).await.unwrap();
    let mut watch = |at: Step| {
        if format!("{at:?}").starts_with(step) {
            die();
        }
    };
    let _ = replay.rebuild(&mut watch).await;
}

/// Live tables that lack a row of each of two projectors, so that old and new ones differ.
const OLD: [&str; 2] = ["DELETE FROM users", "DELETE FROM referral_codes"];

/// Whether the tables of identity and of attribution are new ones.
fn new(rows: &[String]) -> [bool; 2] {
    let any = |table: &str| rows.iter().any(|row| row.starts_with(table));
    [any("users: "), any("referral_codes: ")]
}

async fn dies_at_each_step(store: &str, spoil: impl AsyncFn()) {
    let config = whence::app::config::Config::from_flags([
        "--store",
        store,
        "--master-key",
        KEY,
        "--mail",
        "memory",
    ]);
    let config = config.unwrap();
    let clock = Clock::manual(START);
    let events = log::made(&config, &clock).await;
    for (step, swapped) in STEPS {
        spoil().await;
        let process = spawn("crash::rebuild::child", TOLD, format!("{store} {step}"));
        killed(process, step).await;
        let reads = config.storage.store.open_read_db().await.unwrap();
        let rows = reads.dump().await.unwrap();
        assert_eq!(new(&rows), [swapped > 0, false], "{step}");
        rebuild_again(&config, &reads, &clock).await;
        let rows = reads.dump().await.unwrap();
        assert_eq!(rows, log::rebuilt(&events).await, "{step}");
    }
}

/// A database notices a moment later that a process is gone.
async fn rebuild_again(config: &whence::app::config::Config, reads: &ReadDb, clock: &Clock) {
    let fingerprint = Keys::derive(&config.storage.master_key).fingerprint();
    let log = config.storage.store.open_to_read(fingerprint, clock.clone()).await.unwrap();
    until("it is rebuilt", async || {
        match Replay::open(&log, reads, Purpose::Rebuild, &names(), 20).await {
            Ok(replay) => replay.rebuild(&mut |_| ()).await.is_ok(),
            Err(_) => false,
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_at_each_step_of_a_rebuild_in_sqlite() {
    let directory = TempDir::new().unwrap();
    let store = format!("sqlite:{}", directory.path().display());
    let spoil = async || {
        let file = rusqlite::Connection::open(directory.path().join("read.db")).unwrap();
        for sql in OLD {
            file.execute_batch(sql).unwrap();
        }
    };
    dies_at_each_step(&store, spoil).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn death_at_each_step_of_a_rebuild_in_postgres() {
    let database = database().await;
    let spoil = async || {
        let sql = format!("SET search_path = read; {}", OLD.join("; "));
        whence_test_support::postgres::execute(database.url(), &sql).await;
    };
    dies_at_each_step(database.url(), spoil).await;
}
