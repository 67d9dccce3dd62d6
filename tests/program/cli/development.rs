//! `whence serve --development`: what people who build against the service get, and nobody else.

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Service;

/// A service, and the port that browsers reach as `localhost`.
fn serve(flags: &[&str]) -> (TempDir, Service, u16) {
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), flags);
    let port = service.address.port();
    (directory, service, port)
}

async fn post(url: &str, body: Value, origin: &str) -> Response {
    let request = Client::new().post(url).header("origin", origin).json(&body);
    request.send().await.unwrap()
}

/// Logs in with a code, from a page of this origin: the status of each step.
async fn log_in(base: &str, email: &str, code: &str, origin: &str) -> (u16, u16) {
    let url = format!("{base}/v1/auth/email/start");
    let start = post(&url, json!({ "email": email }), origin).await;
    let started = start.status().as_u16();
    let answer: Value = start.json().await.unwrap();
    let body = json!({ "request_id": answer["request_id"], "code": code });
    let verified = post(&format!("{base}/v1/auth/email/verify"), body, origin).await;
    (started, verified.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_at_localhost_and_says_loudly_what_it_is() {
    let (_directory, service, port) = serve(&["--development"]);
    let message = service.started["fields"]["message"].as_str().unwrap().to_owned();
    let expected = format!(
        "whence is up at http://localhost:{port} for development, data in ./whence-data, mails at \
         http://localhost:{port}/dev/mail"
    );
    assert_eq!(message, expected);
    for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        let answer = reqwest::get(format!("http://{address}/healthz")).await.unwrap();
        assert_eq!(answer.status(), 200, "{address}");
    }
    let (_, said) = service.stop();
    assert!(said.contains("WARN") && said.contains("never serve people this way"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_this_machine_log_in_with_the_code_of_a_test_address() {
    let (_directory, _service, port) = serve(&["--development"]);
    let base = format!("http://localhost:{port}");
    let page = "http://localhost:5173";
    // More often than an address gets codes in an hour.
    for _ in 0..7 {
        let steps = log_in(&base, "test+012345@example.com", "012345", page).await;
        assert_eq!(steps, (200, 200));
    }
    assert_eq!(log_in(&base, "test+012345@example.com", "012346", page).await, (200, 400));
    assert_eq!(log_in(&base, "ada+012345@example.com", "012345", page).await, (200, 400));
    for origin in [page, "http://127.0.0.1:3000", "http://[::1]:8000", "https://localhost"] {
        let me = Client::new().get(format!("{base}/v1/auth/me")).header("origin", origin);
        let me = me.send().await.unwrap();
        assert_eq!(me.headers()["access-control-allow-origin"], origin);
        assert_eq!(me.headers()["access-control-allow-credentials"], "true");
        let touch = json!({ "location": format!("{origin}/?utm_source=x"), "referrer": "" });
        assert_eq!(post(&format!("{base}/v1/touch"), touch, origin).await.status(), 204);
    }
    for origin in ["http://localhost.evil.test", "https://evil.test", "null"] {
        let me = Client::new().get(format!("{base}/v1/auth/me")).header("origin", origin);
        let me = me.send().await.unwrap();
        assert!(!me.headers().contains_key("access-control-allow-origin"), "{origin}");
        let body = json!({ "email": "test+012345@example.com" });
        let start = post(&format!("{base}/v1/auth/email/start"), body, origin).await;
        assert_eq!(start.status(), 403, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_are_shown_to_people_and_programs() {
    let (_directory, _service, port) = serve(&["--development", "--site-name", "A<b>&\"c"]);
    let base = format!("http://localhost:{port}");
    for email in ["ada@example.com", "test+111111@example.com"] {
        let body = json!({ "email": email });
        let start = post(&format!("{base}/v1/auth/email/start"), body, &base).await;
        assert_eq!(start.status(), 200);
    }
    let json = async |path: &str| -> Value {
        let request = Client::new().get(format!("{base}{path}"));
        let answer = request.header("accept", "application/json").send().await.unwrap();
        answer.json().await.unwrap()
    };
    let all = json("/dev/mail").await;
    assert_eq!(all, json("/dev/mail.json").await);
    assert_eq!(all["mails"][0]["to"], "test+111111@example.com");
    assert_eq!(all["mails"][0]["code"], "111111");
    assert_eq!(all["mails"][1]["to"], "ada@example.com");
    let adas = json("/dev/mail.json?to=ada@example.com").await;
    assert_eq!(adas["mails"].as_array().unwrap().len(), 1);
    let code = adas["mails"][0]["code"].as_str().unwrap();
    assert_eq!(log_in(&base, "bob@example.com", code, &base).await.0, 200);

    let page = async |path: &str| {
        let request = Client::new().get(format!("{base}{path}")).header("accept", "text/html");
        request.send().await.unwrap()
    };
    let list = page("/dev/mail").await.text().await.unwrap();
    let newest = list.find("bob@example.com").unwrap();
    assert!(newest < list.find("ada@example.com").unwrap(), "the newest comes first");
    assert!(!list.contains("<b>") && list.contains("A&#60;b&#62;"), "{list}");
    let id = all["mails"][0]["id"].as_str().unwrap();
    let one = page(&format!("/dev/mail/{id}")).await;
    let policy = one.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let one = one.text().await.unwrap();
    assert!(one.contains("    111111") && one.contains(" sandbox srcdoc=\"&#60;"), "{one}");
    for gone in ["/dev/mail/00000099", "/dev/mail/..%2f..%2fmaster.key", "/dev/mail/x", "/dev"] {
        assert_eq!(page(gone).await.status(), 404, "{gone}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_name_of_this_machine_is_answered() {
    let (_directory, service, _) = serve(&["--development"]);
    for path in ["/dev/mail.json", "/v1/auth/me", "/healthz"] {
        let request = Client::new().get(format!("http://{}{path}", service.address));
        let answer = request.header("host", "rebound.evil.test").send().await.unwrap();
        assert_eq!(answer.status(), 400, "{path}");
        assert!(answer.text().await.unwrap().contains("invalid_host"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_flag_there_is_nothing_of_it() {
    // Nor with it, where a public URL says that others come.
    nothing_of_it(&[], None).await;
    let elsewhere = "http://login.example.com";
    nothing_of_it(&["--development", "--public-url", elsewhere], Some(elsewhere)).await;
}

async fn nothing_of_it(flags: &[&str], origin: Option<&str>) {
    let (_directory, service, _) = serve(flags);
    let base = format!("http://{}", service.address);
    for path in ["/dev/mail", "/dev/mail.json", "/dev/mail/00000001"] {
        assert_eq!(reqwest::get(format!("{base}{path}")).await.unwrap().status(), 404, "{path}");
    }
    let origin = origin.unwrap_or(&base);
    assert_eq!(log_in(&base, "test+012345@example.com", "012345", origin).await, (200, 400));
    let body = json!({ "email": "ada@example.com" });
    let url = format!("{base}/v1/auth/email/start");
    assert_eq!(post(&url, body, "http://localhost:5173").await.status(), 403);
}
