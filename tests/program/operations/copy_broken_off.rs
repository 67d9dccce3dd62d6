//! Copies that are broken off go on where they were.

use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::operations::logs::{KEY, copy, everything, fill};
use crate::support::{send_signal, whence};
use whence_test_support::postgres::database;

/// Breaks a copy off once the target has some of the events, and gives how many it has then.
async fn broken_off(directory: &TempDir, to: &str, signal: &str) -> i64 {
    let mut command = whence(directory.path());
    command.args(["copy", "--from", "sqlite:one", "--to", to, "--master-key", KEY]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (client, connection) = tokio_postgres::connect(to, NoTls).await.unwrap();
    tokio::spawn(connection);
    let head = async || {
        let there = "SELECT to_regclass('log.head') IS NOT NULL";
        if !client.query_one(there, &[]).await.unwrap().get::<_, bool>(0) {
            return 0;
        }
        client.query_one("SELECT position FROM log.head", &[]).await.unwrap().get(0)
    };
    while head().await == 0 {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before it was broken off");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    send_signal(child.id(), signal);
    child.wait().unwrap();
    head().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_killed_is_run_again() {
    let directory = TempDir::new().unwrap();
    fill(&directory.path().join("one"), 10_000).await;
    let one = format!("sqlite:{}", directory.path().join("one").display());
    for signal in ["KILL", "INT"] {
        let database = database().await;
        let head = broken_off(&directory, database.url(), signal).await;
        assert!(head < 30_000, "{signal}: nothing was left to copy");
        let said = copy(directory.path(), "sqlite:one", database.url(), &[]).unwrap();
        let rest = format!("30000 events of 10000 streams, {} of them copied now", 30_000 - head);
        assert!(said.contains(&rest), "{signal} at {head}: {said}");
        assert!(everything(&one, None).await == everything(database.url(), None).await);
    }
}
