//! The wire to Postgres: TLS, and a network that swallows what it is given.
#![expect(clippy::unwrap_used, reason = "helpers of tests as well: no network, no test")]

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use whence::infra::postgres::PostgresUrl;
use whence::store::{Appended, EventStore as _, StoreError};

use crate::contract::postgres::{FINGERPRINT, Postgres, open};
use crate::contract::postgres_faults::{eventually, unavailable};
use crate::contract::{append, new_stream};
use whence_test_support::postgres::script;

/// Whether a connection is encrypted, or why there is none.
async fn encrypted(url: &str) -> Result<bool, String> {
    let url = PostgresUrl::parse(url).map_err(|error| error.to_string())?;
    let (client, _driver) = url.connect(&[]).await.map_err(|error| error.to_string())?;
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    Ok(client.query_one(sql, &[]).await.unwrap().get(0))
}

/// A root of one's own, and a server's certificate by it; the files' names.
fn certificates(folder: &TempDir, server: &str) -> [String; 3] {
    let mut root = CertificateParams::new(vec![]).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![server.to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &root).unwrap();
    let files = [("root", root.pem()), ("crt", certificate.pem()), ("key", key.serialize_pem())];
    files.map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

#[tokio::test]
async fn tls_is_used_where_it_is_offered_and_checked_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let [root, certificate, key] = certificates(&folder, "localhost");
    script(&["remove", "encrypted"]);
    let url = script(&["cluster", "encrypted", "--tls", &certificate, &key]);
    let named = url.replace("127.0.0.1", "localhost");
    let plain = script(&["start"]);
    let asked = [
        encrypted(&url).await,
        encrypted(&format!("{url}?sslmode=disable")).await,
        encrypted(&format!("{named}?sslmode=verify-full&sslrootcert={root}")).await,
        encrypted(&format!("{named}?sslmode=require&sslrootcert={root}")).await,
        encrypted(&plain).await,
    ];
    let refused = [
        // Another name, roots that do not know it, and no TLS at all.
        encrypted(&format!("{url}?sslmode=verify-full&sslrootcert={root}")).await,
        encrypted(&format!("{named}?sslmode=require&sslrootcert={certificate}")).await,
        encrypted(&format!("{plain}?sslmode=require&sslrootcert={root}")).await,
    ];
    script(&["remove", "encrypted"]);
    assert_eq!(asked, [Ok(true), Ok(false), Ok(true), Ok(true), Ok(false)]);
    let reasons = ["not valid for name", "invalid peer certificate", "does not support TLS"];
    for (refused, why) in refused.into_iter().zip(reasons) {
        let said = refused.unwrap_err();
        assert!(said.contains(why), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_whose_answer_was_lost_is_found_again() {
    let log = Postgres::default();
    let wire = Wire::to(log.url().await).await;
    let store = open(&wire.url, FINGERPRINT).await.unwrap();
    let beside = open(log.url().await, FINGERPRINT).await.unwrap();
    let (stream, mut tail) = (new_stream(), store.tail());
    store.append(append(&stream, 0, 1)).await.unwrap();
    wire.answers.send_replace(Flow::Swallowed);
    let lost = append(&stream, 1, 2);
    unavailable(store.append(lost.clone())).await;
    // Failed, but written.
    eventually(async || beside.head().await.unwrap() == 3).await;
    assert!(matches!(store.head().await, Err(StoreError::Unavailable(_))));
    eventually(async || !store.is_current()).await;

    wire.answers.send_replace(Flow::Free);
    let mut again = None;
    eventually(async || {
        again = store.append(lost.clone()).await.ok();
        again.is_some()
    })
    .await;
    assert_eq!(again, Some(Appended::Again { last: 3 }));
    assert_eq!(store.read_stream(&stream, 0, 10).await.unwrap().len(), 3);
    // The tail tells it once as well.
    let told = [tail.recv().await.unwrap(), tail.recv().await.unwrap()];
    assert_eq!(told.map(|batch| (batch.after, batch.events.len())), [(0, 1), (1, 2)]);
    store.append(append(&stream, 3, 1)).await.unwrap();
    assert_eq!(tail.recv().await.unwrap().after, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_request_that_never_arrived_is_unavailable_and_not_written() {
    let log = Postgres::default();
    let wire = Wire::to(log.url().await).await;
    let store = open(&wire.url, FINGERPRINT).await.unwrap();
    let stream = new_stream();
    store.append(append(&stream, 0, 1)).await.unwrap();
    wire.requests.send_replace(Flow::Swallowed);
    let lost = append(&stream, 1, 2);
    // More than fit into one batch, so that some wait behind others that take their time.
    let others = (0..600).map(|_| store.append(append(&new_stream(), 0, 1)));
    let others = futures::future::join_all(others);
    let (others, ()) = tokio::join!(others, unavailable(store.append(lost.clone())));
    assert!(others.iter().all(|other| matches!(other, Err(StoreError::Unavailable(_)))));
    wire.requests.send_replace(Flow::Free);
    eventually(async || matches!(store.append(lost.clone()).await, Ok(Appended::Now { last: 3 })))
        .await;
    assert_eq!(store.head().await.unwrap(), 3);
}

#[derive(Clone, Copy, PartialEq)]
enum Flow {
    Free,
    /// Taken, and never passed on.
    Swallowed,
}

/// A way to a server, on which either direction can be blocked.
struct Wire {
    url: String,
    requests: watch::Sender<Flow>,
    answers: watch::Sender<Flow>,
}

impl Wire {
    async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().to_string();
        let there = url.split(['@', '/']).nth(3).unwrap().to_owned();
        let (requests, answers) = (watch::channel(Flow::Free).0, watch::channel(Flow::Free).0);
        let wire = Self { url: url.replace(&there, &here), requests, answers };
        let (requests, answers) = (wire.requests.subscribe(), wire.answers.subscribe());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&there).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(pump(from_client, to_server, requests.clone()));
                tokio::spawn(pump(from_server, to_client, answers.clone()));
            }
        });
        wire
    }
}

/// Once something of a connection was swallowed, nothing more of it passes.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, flow: watch::Receiver<Flow>) {
    let mut bytes = vec![0; 1 << 16];
    let mut dead = false;
    while let Ok(count) = from.read(&mut bytes).await
        && count > 0
    {
        dead = dead || *flow.borrow() == Flow::Swallowed;
        if !dead && to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
    if dead {
        // Nor does the other side hear that it is over.
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
}
