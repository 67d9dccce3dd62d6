//! The country database is replaced under a running service, as its updaters do it.

use std::path::{Path, PathBuf};

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use whence_test_support::mails::Mails;

use crate::support::{Service, send_signal};

const SOUND: &[u8] = include_bytes!("../../data/maxmind/GeoLite2-Country-Test.mmdb");

/// The database with another country in the place of Sweden.
fn with_sweden_as(country: &[u8; 2]) -> Vec<u8> {
    let mut bytes = SOUND.to_vec();
    for at in 0..bytes.len() - 3 {
        if &bytes[at..at + 3] == b"\x42SE" {
            bytes[at + 1..at + 3].copy_from_slice(country);
        }
    }
    bytes
}

/// A service with a country database behind a proxy on this machine.
struct Country {
    directory: TempDir,
    service: Service,
    newcomers: u32,
}

impl Country {
    async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("geo.mmdb"), SOUND).unwrap();
        let flags = ["--trusted-proxy", "127.0.0.1", "--geoip", "geo.mmdb"];
        let others = ["--mail", "directory:mail", "--log", "whence=info"];
        let service = Service::start(directory.path(), &[&flags[..], &others].concat());
        service.until_ready().await;
        Self { directory, service, newcomers: 0 }
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("geo.mmdb")
    }

    fn replace(&self, bytes: &[u8]) {
        let new: &Path = &self.directory.path().join("new.mmdb");
        std::fs::write(new, bytes).unwrap();
        std::fs::rename(new, self.database()).unwrap();
    }

    async fn send(&self, request: RequestBuilder) -> (Value, String) {
        let answer = request.header("x-forwarded-for", "89.160.20.112").send().await.unwrap();
        let cookies = answer.headers().get_all("set-cookie").iter();
        let cookies = cookies.filter_map(|line| line.to_str().ok()?.split(';').next());
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let text = answer.text().await.unwrap();
        (serde_json::from_str(&text).expect(&text), cookies)
    }

    /// The country of somebody who registers now from a Swedish address.
    async fn of_a_newcomer(&mut self) -> String {
        self.newcomers += 1;
        let email = format!("user{}@example.com", self.newcomers);
        let (client, base) = (Client::new(), format!("http://{}", self.service.address));
        let start = client.post(format!("{base}/v1/auth/email/start"));
        let (started, _) = self.send(start.json(&json!({ "email": email }))).await;
        let code = Mails::in_directory(&self.directory.path().join("mail")).code(&email);
        let body = json!({ "request_id": started["request_id"], "code": code });
        let verify = client.post(format!("{base}/v1/auth/email/verify"));
        let (_, cookies) = self.send(verify.json(&body)).await;
        let csrf = cookies.split("nl_csrf=").nth(1).unwrap().split(';').next().unwrap();
        let token = client.post(format!("{base}/v1/auth/token"));
        let token = token.header("cookie", &cookies).header("x-csrf-token", csrf);
        let (token, _) = self.send(token).await;
        let snapshot = client.get(format!("{base}/api/v1/users/attribution"));
        let snapshot = snapshot.bearer_auth(token["access_token"].as_str().unwrap());
        let (snapshot, _) = self.send(snapshot).await;
        snapshot["data"]["registrationCountry"].as_str().unwrap_or("none").to_owned()
    }

    async fn is_outdated(&self) -> bool {
        let base = format!("http://{}", self.service.address);
        let (ready, _) = self.send(Client::new().get(format!("{base}/readyz"))).await;
        assert_eq!(ready["status"], "ok", "{ready}");
        ready["country_database_outdated"] == true
    }
}

#[tokio::test]
async fn a_new_country_database_is_read_while_the_service_runs() {
    let mut country = Country::start().await;
    assert_eq!(country.of_a_newcomer().await, "SE");

    // The file is found changed, with nobody saying so.
    country.replace(&with_sweden_as(b"NO"));
    country.service.line_with("the country database was read again");
    assert_eq!(country.of_a_newcomer().await, "NO");

    // One that is no database changes nothing, and is said.
    country.replace(&SOUND[..SOUND.len() / 3]);
    let said = country.service.line_with("read before stays in use");
    assert!(said.contains("geo.mmdb is not a usable mmdb file"), "{said}");
    assert!(country.is_outdated().await);
    assert_eq!(country.of_a_newcomer().await, "NO");

    country.replace(&with_sweden_as(b"FI"));
    country.service.line_with("the country database was read again");
    assert!(!country.is_outdated().await);
    assert_eq!(country.of_a_newcomer().await, "FI");
    let (code, _) = country.service.stop();
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn a_hangup_reads_the_country_database_again_and_ends_nothing() {
    let mut country = Country::start().await;
    for _ in 0..3 {
        send_signal(country.service.id(), "HUP");
        country.service.line_with("the country database was read again");
    }
    assert_eq!(country.of_a_newcomer().await, "SE");
    std::fs::remove_file(country.database()).unwrap();
    send_signal(country.service.id(), "HUP");
    let said = country.service.line_with("read before stays in use");
    assert!(said.contains("geo.mmdb cannot be read"), "{said}");
    assert_eq!(country.of_a_newcomer().await, "SE");
    let (code, _) = country.service.stop();
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn a_hangup_does_not_end_a_service_without_a_country_database() {
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), &[]);
    send_signal(service.id(), "HUP");
    service.until_ready().await;
    send_signal(service.id(), "HUP");
    assert_eq!(service.readiness().await, 200);
    let (code, _) = service.stop();
    assert_eq!(code, Some(0));
}
