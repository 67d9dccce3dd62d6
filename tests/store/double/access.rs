//! Users, their rights, and TLS.

use eventstore::{Error, ReadAllOptions, ReadStreamOptions, StreamState};
use tempfile::TempDir;
use tokio::time::timeout;
use whence_test_support::kurrentdb_double::{Authority, Certificate, Double};

use super::{LIMIT, append, client, drained, ours};

/// What a user may do: append, read a stream, read `$all`.
async fn rights(url: &str) -> [bool; 3] {
    let client = client(url);
    let denied = |error: Error| assert!(matches!(error, Error::AccessDenied), "{error:?}");
    let appended = append(&client, "ours-1", 1, StreamState::Any).await.map_err(denied).is_ok();
    let read =
        async { drained(client.read_stream("ours-1", &ReadStreamOptions::default()).await?).await };
    let read = read.await.map_err(denied).is_ok();
    let options = ReadAllOptions::default().filter(ours());
    let all = async { drained(client.read_all(&options).await?).await };
    [appended, read, all.await.map_err(denied).is_ok()]
}

#[tokio::test]
async fn users_may_do_what_their_groups_and_lists_say() {
    let double = Double::single().await.unwrap();
    assert_eq!(rights(&double.url()).await, [true; 3]);
    double.add_user("admin", "changeit", &["$admins"]);
    double.add_user("ann", "secret", &[]);
    double.add_user("bob", "secret", &["readers"]);
    assert_eq!(rights(&double.url()).await, [false; 3]);
    assert_eq!(rights(&double.url_as("admin", "wrong")).await, [false; 3]);
    assert_eq!(rights(&double.url_as("admin", "changeit")).await, [true; 3]);
    assert_eq!(rights(&double.url_as("ann", "secret")).await, [true, true, false]);
    double.set_metadata("$all", r#"{"$acl": {"$r": ["ann", "readers", "$admins"]}}"#);
    assert_eq!(rights(&double.url_as("ann", "secret")).await, [true; 3]);
    assert_eq!(rights(&double.url_as("bob", "secret")).await, [true; 3]);
    double.set_metadata("ours-1", r#"{"$acl": {"$w": "$admins"}}"#);
    assert_eq!(rights(&double.url_as("bob", "secret")).await, [false, true, true]);
    assert_eq!(rights(&double.url_as("admin", "changeit")).await, [true; 3]);
}

/// Returns whether a client that trusts an authority can append.
async fn is_trusted(url: &str, authority: &Authority) -> bool {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("ca.crt");
    std::fs::write(&file, authority.pem()).unwrap();
    // Of two attempts the client makes one.
    let options = "maxDiscoverAttempts=2&discoveryInterval=10";
    let client = client(&format!("{url}&tlsCaFile={}&{options}", file.display()));
    let appended = append(&client, "ours-1", 1, StreamState::Any);
    timeout(LIMIT, appended).await.unwrap().is_ok()
}

#[tokio::test]
async fn a_double_shows_the_certificate_that_a_test_gives() {
    let (authority, other) = (Authority::new(), Authority::new());
    let certificate: Certificate = authority.certificate("127.0.0.1");
    let double = Double::with_tls(&certificate).await.unwrap();
    assert!(double.url().ends_with("?tls=true"));
    assert!(is_trusted(&double.url(), &authority).await);
    assert!(!is_trusted(&double.url(), &other).await);
    // Without TLS nobody answers there.
    let plain = double.url().replace("tls=true", "tls=false");
    assert!(!is_trusted(&plain, &authority).await);
    double.show_certificate(&authority.expired_certificate("127.0.0.1")).unwrap();
    assert!(!is_trusted(&double.url(), &authority).await);
    double.show_certificate(&authority.certificate("elsewhere.example")).unwrap();
    assert!(!is_trusted(&double.url(), &authority).await);
    double.show_certificate(&certificate).unwrap();
    assert!(is_trusted(&double.url(), &authority).await);
    // And with TLS nobody at a port without it.
    let plain = Double::single().await.unwrap();
    assert!(!is_trusted(&plain.url().replace("tls=false", "tls=true"), &authority).await);
}
