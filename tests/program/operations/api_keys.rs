//! `whence api-key` as the real program: on a log that no service has open, and beside a service.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Service, whence};

const TOKEN: &str = "0123456789abcdefghij0123";

fn run(directory: &Path, arguments: &[&str]) -> (bool, String, String) {
    let output = whence(directory).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn done(directory: &Path, arguments: &[&str]) -> String {
    let (done, said, wrong) = run(directory, arguments);
    assert!(done, "{wrong}");
    said
}

async fn status(service: &Service, key: &str) -> u16 {
    let path = "api/v1/users/0191e0f4-0000-7000-8000-000000000001/attribution";
    let request = reqwest::Client::new().get(format!("http://{}/{path}", service.address));
    request.bearer_auth(key).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_with_and_without_a_service() {
    let home = TempDir::new().unwrap();
    let directory = home.path();
    let service = Service::start(directory, &["--admin-token", TOKEN]);
    let url = format!("http://{}", service.address);
    let beside = ["--server", &url, "--admin-token", TOKEN];
    let issue = ["api-key", "issue", "the shop", "--scope", "attribution:read"];
    let said = done(directory, &[&issue, &beside[..]].concat());
    let first = said.lines().next().unwrap().to_owned();
    assert_eq!(status(&service, &first).await, 404, "let in, and there is no such user");
    let listed = done(directory, &[&["api-key", "list", "--json"], &beside[..]].concat());
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    let rotate = ["api-key", "rotate", &id, "--grace-hours", "2"];
    let said = done(directory, &[&rotate, &beside[..]].concat());
    let second = said.lines().next().unwrap().to_owned();
    assert!(said.contains("The secret before counts until "), "{said}");
    assert_eq!((status(&service, &first).await, status(&service, &second).await), (404, 404));
    done(directory, &[&["api-key", "end-grace", &id], &beside[..]].concat());
    assert_eq!((status(&service, &first).await, status(&service, &second).await), (401, 404));
    drop(service);

    // The same on the log itself.
    let said = done(directory, &["api-key", "rotate", &id, "--at-once"]);
    let third = said.lines().next().unwrap().to_owned();
    let said = done(directory, &["api-key", "list"]);
    assert!(said.contains(&id) && said.contains("active") && said.contains("the shop"), "{said}");
    assert!(!said.contains(&third[26..]), "no secret is listed");
    let other = done(directory, &issue);
    let other = other.lines().next().unwrap();
    let said = done(directory, &["api-key", "revoke", &id, "--reason", "leaked"]);
    assert_eq!(said, format!("API key {id} is changed.\n"));
    let said = done(directory, &["api-key", "revoke", &id, "--reason", "leaked"]);
    assert_eq!(said, format!("API key {id} was so already.\n"));
    let (ok, _, wrong) = run(directory, &["api-key", "rotate", &id]);
    assert!(!ok && wrong.contains("the key was revoked"), "{wrong}");
    let service = Service::start(directory, &["--admin-token", TOKEN]);
    assert_eq!((status(&service, &third).await, status(&service, other).await), (401, 404));
    let exported = done(directory, &["export", "events", "--format", "jsonl"]);
    assert!(exported.contains("api-key-") && exported.contains("ApiKeyRevoked.v1"), "{exported}");
    for key in [&first, &second, &third] {
        assert!(!exported.contains(&key[26..]), "the log has no secret");
    }
    drop(service);
    let said = done(directory, &["replay", "--check"]);
    assert!(said.contains("api-keys     checked at"), "{said}");
}

#[test]
fn a_wrong_word_is_one_sentence_and_makes_no_key() {
    let home = TempDir::new().unwrap();
    let directory = home.path();
    drop(Service::start(directory, &[]));
    let long = "a".repeat(65);
    for (arguments, expected) in [
        (vec!["issue", "a", "--scope", "users:write"], "users:write: the scopes are users:read, "),
        (vec!["issue", " ", "--scope", "users:read"], "the name of a key is 1 to 64 characters"),
        (vec!["issue", &long, "--scope", "users:read"], "the name of a key is 1 to 64 characters"),
        (vec!["issue", "a"], "--scope"),
        (vec!["issue", "a", "--scope", "users:read", "--expires-in-days", "0"], "1 at least"),
        (vec!["rotate", "x"], "x: no id of an API key"),
        (vec!["rotate", "whk_x"], "name the key by its id"),
        (vec!["rotate", "0191e0f4-0000-7000-8000-000000000001"], "there is no such key"),
        (vec!["revoke", "0191e0f4-0000-7000-8000-000000000001", "--reason", " "], "a reason is"),
        (vec!["end-grace", "0191e0f4-0000-7000-8000-000000000001"], "there is no such key"),
    ] {
        let (ok, said, wrong) = run(directory, &[&["api-key"], &arguments[..]].concat());
        assert!(!ok && said.is_empty() && wrong.contains(expected), "{arguments:?}: {wrong}");
        assert_eq!(wrong.lines().count(), 1, "{wrong}");
    }
    assert_eq!(done(directory, &["api-key", "list"]), "There is no API key.\n");
}
