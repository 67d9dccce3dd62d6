//! Whole copies between all kinds of stores.

use tempfile::TempDir;
use whence::infra::clock::Clock;
use whence::infra::random::new_user_id;
use whence::store::{Location, Side, StoreError};
use whence_events::StreamId;
use whence_projections::Purpose;

use crate::operations::logs::{append, copy, everything, fill, keys, open};
use whence_test_support::postgres::database;

#[tokio::test(flavor = "multi_thread")]
async fn a_round_trip_over_postgres_gives_the_same_bytes() {
    let directory = TempDir::new().unwrap();
    let place = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    fill(&directory.path().join("one"), 700).await;
    let database = database().await;
    let said = copy(directory.path(), "sqlite:one", database.url(), &[]).unwrap();
    assert!(said.contains("2100 events of 700 streams, 2100 of them copied now"), "{said}");
    assert!(said.contains("707 keys, 14 of them destroyed"), "{said}");
    let back = copy(directory.path(), database.url(), "sqlite:two", &[]).unwrap();
    // The same digests, of log and vault.
    let digests = |said: &str| -> Vec<String> {
        said.lines().filter(|line| line.contains("sha256")).map(str::to_owned).collect()
    };
    assert_eq!(digests(&said), digests(&back));
    assert_eq!(digests(&said).len(), 2);
    let source = everything(&place("one"), None).await;
    assert_eq!((source.0.len(), source.1.len()), (2100, 707));
    assert_eq!(source.1.iter().filter(|key| key.wrapped.is_none()).count(), 14);
    assert!(source == everything(database.url(), None).await, "Postgres holds something else");
    assert!(source == everything(&place("two"), None).await, "it came back as something else");
    // Once more: nothing is left to do.
    let again = copy(directory.path(), "sqlite:one", database.url(), &[]).unwrap();
    assert!(again.contains("2100 events of 700 streams, 0 of them copied now"), "{again}");
}

#[cfg(feature = "kurrentdb")]
#[tokio::test(flavor = "multi_thread")]
async fn a_round_trip_over_kurrentdb_gives_the_same_bytes() {
    let directory = TempDir::new().unwrap();
    let place = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    fill(&directory.path().join("one"), 100).await;
    let double = whence_test_support::kurrentdb_double::Double::single().await.unwrap();
    // Somebody else writes to the same server.
    double.write("others-1", "Other", "{}", "{}");
    let (url, vault) = (double.url(), database().await);
    let beside = ["--read-db", vault.url()];
    let said = copy(directory.path(), "sqlite:one", &url, &beside).unwrap();
    assert!(said.contains("300 events of 100 streams, 300 of them copied now"), "{said}");
    let source = everything(&place("one"), None).await;
    assert!(source == everything(&url, Some(vault.url())).await, "KurrentDB holds something else");
    copy(directory.path(), &url, "sqlite:two", &beside).unwrap();
    assert!(source == everything(&place("two"), None).await, "it came back as something else");
    let again = copy(directory.path(), "sqlite:one", &url, &beside).unwrap();
    assert!(again.contains("0 of them copied now"), "{again}");
}

/// A page of one stream is more than KurrentDB takes in one append.
#[cfg(feature = "kurrentdb")]
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_large_events_is_copied_in_parts() {
    let directory = TempDir::new().unwrap();
    let place = format!("sqlite:{}", directory.path().join("one").display());
    fill(&directory.path().join("one"), 2).await;
    let location = Location::Sqlite(directory.path().join("one"));
    let store = location.open(keys().fingerprint(), Clock::system()).await.unwrap();
    let stream = StreamId::User(new_user_id());
    let mut large = append(&stream, 0, 500);
    for event in &mut large.events {
        event.data = format!(r#"{{"text":"{}"}}"#, "x".repeat(4_000)).into_bytes().into();
    }
    store.append(large).await.unwrap();
    drop(store);
    let double = whence_test_support::kurrentdb_double::Double::single().await.unwrap();
    let (url, vault) = (double.url(), database().await);
    let beside = ["--read-db", vault.url()];
    let said = copy(directory.path(), "sqlite:one", &url, &beside).unwrap();
    assert!(said.contains("506 events of 3 streams, 506 of them copied now"), "{said}");
    assert!(double.calls().appends < 20, "{:?}", double.calls());
    let source = everything(&place, None).await;
    assert!(source == everything(&url, Some(vault.url())).await, "KurrentDB holds something else");
    // What another program wrote is not in the copy, and that is said.
    double.write(&format!("whence.{stream}"), "OrderPlaced", "", "{}");
    let said = copy(directory.path(), &url, "sqlite:two", &beside).unwrap();
    assert!(said.contains("not of whence, and not copied: "), "{said}");
    assert!(said.contains(&stream.to_string()), "{said}");
}

/// What the source has got since is all that is copied, and a key that it has destroyed since is
/// destroyed in the target.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_copy_brings_what_is_new() {
    let directory = TempDir::new().unwrap();
    let one = format!("sqlite:{}", directory.path().join("one").display());
    fill(&directory.path().join("one"), 10).await;
    let database = database().await;
    copy(directory.path(), "sqlite:one", database.url(), &[]).unwrap();
    let source = open(&one, None, Side::Source).await;
    let key = source.keys(None, 10).await.unwrap().into_iter().find(|key| key.wrapped.is_some());
    let subject = key.unwrap().subject;
    source.log().append(append(&subject, 3, 5)).await.unwrap();
    source.log().destroy_key(&subject, None).await.unwrap();
    drop(source);
    let said = copy(directory.path(), "sqlite:one", database.url(), &[]).unwrap();
    assert!(said.contains("35 events of 10 streams, 5 of them copied now"), "{said}");
    assert!(said.contains("11 keys, 2 of them destroyed"), "{said}");
    assert!(everything(&one, None).await == everything(database.url(), None).await);
}

/// Whoever has written meanwhile is noticed by the import itself, in every store.
#[cfg(feature = "kurrentdb")]
#[tokio::test(flavor = "multi_thread")]
async fn an_import_goes_to_the_end_and_nowhere_else() {
    let directory = TempDir::new().unwrap();
    let place = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    fill(&directory.path().join("one"), 4).await;
    std::fs::create_dir(directory.path().join("two")).unwrap();
    let (database, vault) = (database().await, database().await);
    let double = whence_test_support::kurrentdb_double::Double::single().await.unwrap();
    let events = open(&place("one"), None, Side::Source).await.log().read_all(0, 100).await;
    let events = events.unwrap();
    for (to, beside) in
        [(place("two"), None), (database.url().to_owned(), None), (double.url(), Some(vault.url()))]
    {
        let target = open(&to, beside, Side::Target).await;
        let conflict = |done| matches!(done, Err(StoreError::Conflict { .. }));
        assert!(conflict(target.import(1, &events).await), "{to}: behind what is not there");
        let half = target.import(0, &events[..6]).await.unwrap();
        assert!(conflict(target.import(0, &events[6..]).await), "{to}: before the end");
        assert!(conflict(target.import(half + 1, &events[6..]).await), "{to}: behind the end");
        assert_eq!(
            target.import(half, &events[6..]).await.unwrap(),
            target.log().head().await.unwrap()
        );
        let there = target.log().read_all(0, 100).await.unwrap();
        assert!(there.iter().map(|e| e.event_id).eq(events.iter().map(|e| e.event_id)), "{to}");
    }
}

/// Wherever a copy was broken off: in the middle of a page, with all keys or with none.
#[cfg(feature = "kurrentdb")]
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_goes_on_behind_any_beginning() {
    let directory = TempDir::new().unwrap();
    let one = format!("sqlite:{}", directory.path().join("one").display());
    fill(&directory.path().join("one"), 12).await;
    let source = everything(&one, None).await;
    for (begun, keys) in [(1, 0), (17, 13), (35, 7)] {
        let name = format!("sqlite:{}", directory.path().join(begun.to_string()).display());
        std::fs::create_dir(directory.path().join(begun.to_string())).unwrap();
        let (database, vault) = (database().await, database().await);
        let double = whence_test_support::kurrentdb_double::Double::single().await.unwrap();
        for (to, beside) in
            [(name, None), (database.url().to_owned(), None), (double.url(), Some(vault.url()))]
        {
            let target = open(&to, beside, Side::Target).await;
            target.import(0, &source.0[..begun]).await.unwrap();
            target.import_keys(&source.1[..keys]).await.unwrap();
            drop(target);
            let more: Vec<_> = beside.iter().flat_map(|url| ["--read-db", url]).collect();
            let said = copy(directory.path(), "sqlite:one", &to, &more).unwrap();
            let rest = format!("36 events of 12 streams, {} of them copied now", 36 - begun);
            assert!(said.contains(&rest), "{to}: {said}");
            assert!(source == everything(&to, beside).await, "{to}");
        }
    }
}

/// What it is given while it copies is left for another run, and the copy says so or has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_may_be_in_use() {
    let directory = TempDir::new().unwrap();
    fill(&directory.path().join("one"), 300).await;
    let (live, to) = (database().await, database().await);
    copy(directory.path(), "sqlite:one", live.url(), &[]).unwrap();
    let source = open(live.url(), None, Side::Source).await;
    let stream = StreamId::User(new_user_id());
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writing = async {
        let mut length = 0;
        while stopped.try_recv().is_err() {
            source.log().append(append(&stream, length, 1)).await.unwrap();
            length += 1;
        }
        length
    };
    let copying = async {
        let (place, from, to) = (directory.path(), live.url(), to.url());
        let said = tokio::task::block_in_place(|| copy(place, from, to, &[]));
        stop.send(()).unwrap();
        said.unwrap()
    };
    // The writer gets a thread of its own, for the copy blocks this one.
    let (length, said) = std::thread::scope(|scope| {
        let runtime = tokio::runtime::Handle::current();
        let writer = scope.spawn(move || runtime.block_on(writing));
        let said =
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(copying));
        (writer.join().unwrap(), said)
    });
    assert!(length > 0, "nothing was written meanwhile");
    assert!(said.contains(" events came meanwhile: run it again"), "{said}");
    copy(directory.path(), live.url(), to.url(), &[]).unwrap();
    assert!(everything(live.url(), None).await == everything(to.url(), None).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_and_a_rebuild_do_not_refuse_each_other() {
    // Log and read models are in one database, and each takes an advisory lock there.
    let (directory, database) = (TempDir::new().unwrap(), database().await);
    fill(&directory.path().join("one"), 1).await;
    let location = Location::parse(database.url(), None).unwrap();
    let reads = location.open_read_db().await.unwrap();
    let copying = open(database.url(), None, Side::Target).await;
    let rebuilding = reads.scratch(Purpose::Rebuild, &["identity"]).await.unwrap();
    drop(copying);
    copy(directory.path(), "sqlite:one", database.url(), &[]).unwrap();
    rebuilding.clear().await.unwrap();
}
