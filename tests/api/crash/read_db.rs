//! The read models are disposable: damage to their file costs nothing.

use std::path::Path;
use std::time::Duration;

use whence::infra::clock::Clock;

use crate::crash::log;
use crate::server::{START, Server};
use crate::stores::Home;

/// A stopped service with some history, and the rows it had.
async fn history() -> (Home, Clock, Vec<String>) {
    let server = Server::at(Home::sqlite(), Clock::manual(START), &[], |store| store).await;
    let mut ada = server.signed_in("ada@example.com").await;
    let code = server.onboarded(&mut ada).await;
    for n in 0..40 {
        server.pass(Duration::from_mins(1));
        let mut browser = server.browser();
        browser.get(&format!("/r/{code}?utm_source=x{n}")).await;
        server.log_in(&mut browser, &format!("u{n}@example.com")).await;
        server.onboarded(&mut browser).await;
    }
    drop(ada);
    server.settle().await;
    let rows = server.app.engine.read_db.dump().await.unwrap();
    let (directory, clock) = server.stop();
    (directory, clock, rows)
}

/// Restarts after the damage, and wants the same rows and a working service.
async fn heals(what: &str, damage: impl FnOnce(&Path)) {
    let (directory, clock, rows) = history().await;
    // Until the service has let go of its files.
    let events = {
        let mut tries = 0;
        while std::fs::exists(directory.path().join("read.db-wal")).unwrap() && tries < 500 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            tries += 1;
        }
        log::read(directory.path()).await
    };
    damage(&directory.path().join("read.db"));
    let server = Server::at(directory, clock, &[], |store| store).await;
    server.settle().await;
    assert_eq!(server.app.progress.stopped(), None, "{what}");
    let now =
        server.app.engine.read_db.dump().await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(now, rows, "{what}");
    assert_eq!(rows, log::rebuilt(&events).await, "{what}");
    let mut browser = server.signed_in("u7@example.com").await;
    assert_eq!(browser.get("/v1/auth/me").await.status, 200);
    assert_eq!(browser.get("/readyz").await.status, 200);
}

fn overwrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    assert!(bytes.len() > 16 * 4096, "{}", bytes.len());
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_deleted_file_is_made_anew() {
    heals("deleted", |path| std::fs::remove_file(path).unwrap()).await;
}

#[tokio::test]
async fn a_truncated_file_is_made_anew() {
    heals("empty", |path| overwrite(path, Vec::clear)).await;
    heals("half a header", |path| overwrite(path, |bytes| bytes.truncate(50))).await;
    heals("cut in a page", |path| overwrite(path, |bytes| bytes.truncate(5000))).await;
    heals("half", |path| overwrite(path, |bytes| bytes.truncate(bytes.len() / 2))).await;
}

#[tokio::test]
async fn a_file_of_garbage_is_made_anew() {
    let garbage = |bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(64) {
            let random: [u8; 64] = whence::infra::random::random_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    };
    heals("garbage", |path| overwrite(path, |bytes| garbage(bytes))).await;
    heals("garbage behind the first page", |path| {
        overwrite(path, |bytes| garbage(&mut bytes[4096..]));
    })
    .await;
    // Damage that opening the file does not meet (garbage in a page in the middle) is not healed:
    // looking for it would read the whole file at each start.
}

/// Tables of a log that is not this one.
#[tokio::test]
async fn read_models_of_another_log_are_made_anew() {
    let (other, ..) = history().await;
    let other_reads = other.path().join("read.db");
    heals("another log's", |path| {
        std::fs::copy(&other_reads, path).unwrap();
    })
    .await;
}
