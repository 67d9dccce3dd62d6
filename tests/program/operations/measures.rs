//! `whence user` and `whence code` as the real program, beside a service and without one.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use whence_test_support::mails::mails_in;

use crate::support::{Service, whence};

const TOKEN: &str = "0123456789abcdefghij0123";

/// What a command printed, and why it failed.
fn said(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn run(directory: &Path, arguments: &[&str]) -> Result<String, String> {
    said(whence(directory).args(arguments))
}

/// The newest code in the mails of a directory.
fn mailed_code(directory: &Path) -> String {
    let mails = mails_in(&directory.join("whence-data/mail"));
    let code = |mail: &String| {
        let mut lines = mail.lines().map(str::trim);
        lines.find(|l| l.len() == 6 && l.bytes().all(|b| b.is_ascii_digit())).map(str::to_owned)
    };
    mails.iter().rev().find_map(code).unwrap()
}

struct Visitor {
    client: reqwest::Client,
    base: String,
    cookies: String,
}

impl Visitor {
    /// Logs in; `Err` holds the error code of verify.
    async fn log_in(service: &Service, directory: &Path, email: &str) -> Result<Self, String> {
        let (client, base) = (reqwest::Client::new(), format!("http://{}", service.address));
        let start = client.post(format!("{base}/v1/auth/email/start"));
        let start = start.json(&json!({ "email": email })).send().await.unwrap();
        let started: Value = start.json().await.unwrap();
        let code = mailed_code(directory);
        let body = json!({ "request_id": started["request_id"], "code": code });
        let verify = client.post(format!("{base}/v1/auth/email/verify")).json(&body);
        let answer = verify.send().await.unwrap();
        let cookies = answer.headers().get_all("set-cookie").iter();
        let cookies: Vec<_> = cookies
            .map(|line| line.to_str().unwrap().split(';').next().unwrap().to_owned())
            .collect();
        if answer.status() != 200 {
            let body: Value = answer.json().await.unwrap();
            return Err(body["error"].as_str().unwrap().to_owned());
        }
        Ok(Self { client, base, cookies: cookies.join("; ") })
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.client.get(format!("{}{path}", self.base));
        let answer = request.header("cookie", &self.cookies).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// The primary code, once there is one.
    async fn code(&self) -> String {
        for _ in 0..500 {
            if let Some(code) = self.get("/v1/referrals/me").await.1["primary_code"].as_str() {
                return code.to_owned();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("no primary code");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_are_given_by_a_service_and_on_a_log_that_nobody_has_open() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let service = Service::start(path, &["--admin-token", &format!("grace={TOKEN}")]);
    let (ada, bob) = ("ada@example.com", "bob@example.com");
    for email in [ada, bob] {
        Visitor::log_in(&service, path, email).await.ok().unwrap();
    }
    let url = format!("http://{}", service.address);
    let ask = |arguments: &[&str]| {
        let mut command = whence(path);
        command.args(["code"]).args(arguments).env("WHENCE_SERVER", &url);
        said(command.env("WHENCE_ADMIN_TOKEN", TOKEN))
    };
    assert!(ask(&["handles", ada]).unwrap().ends_with(" has no handle.\n"));
    let given = ask(&["claim-handle", ada, "Support"]).unwrap();
    assert!(given.ends_with(" is the creator support.\n"), "{given}");
    let taken = ask(&["claim-handle", bob, "support"]).unwrap_err();
    assert!(taken.contains("handle_taken") || taken.contains("Another user"), "{taken}");
    assert_eq!(service.stop().0, Some(0));

    // Without a service.
    let here = |arguments: &[&str]| run(path, &[&["code"], arguments].concat());
    let given = here(&["claim-handle", bob, "bob", "--operator", "lin", "--json"]).unwrap();
    let given: Value = serde_json::from_str(&given).unwrap();
    assert_eq!(given["handles"], json!(["bob"]));
    for (handle, sentence) in [
        ("support", "another user has this handle"),
        ("supp0rt", "another user has a handle that looks like this one"),
        ("b\u{f6}b", "b\u{f6}b: no handle"),
    ] {
        let refused = here(&["claim-handle", bob, handle]).unwrap_err();
        assert_eq!(refused, format!("whence: {sentence}\n"));
    }
    assert_eq!(
        here(&["handles", "eve@example.com"]).unwrap_err(),
        "whence: there is no user with this address\n"
    );
    assert!(here(&["handles", bob]).unwrap().ends_with(" is the creator bob.\n"));
    let story = run(path, &["audit", "user", bob]).unwrap();
    assert!(story.contains("operator lin"), "{story}");
    assert!(run(path, &["replay", "--check"]).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measures_are_taken_by_a_service_and_on_a_log_that_nobody_has_open() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let flags = ["--admin-token", &format!("grace={TOKEN}")];
    let service = Service::start(path, &flags);
    let email = "bob@example.com";
    let bob = Visitor::log_in(&service, path, email).await.ok().unwrap();
    let code = bob.code().await;
    let url = format!("http://{}", service.address);
    let ask = |arguments: &[&str]| {
        let mut command = whence(path);
        command.args(arguments).env("WHENCE_SERVER", &url);
        said(command.env("WHENCE_ADMIN_TOKEN", TOKEN))
    };
    let listed = ask(&["user", "sessions", email]).unwrap();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(listed.contains("127.0.0.*") && !listed.contains("127.0.0.1"), "{listed}");
    let missing = ask(&["user", "suspend", email]).unwrap_err();
    assert!(missing.contains("--reason"), "{missing}");
    let disabled = ask(&["code", "disable", &code, "--reason", "bought clicks"]).unwrap();
    assert!(disabled.starts_with(&format!("Code {code} of user ")), "{disabled}");
    assert_eq!(bob.get("/v1/referrals/me").await.1["disabled_codes"], json!([code]));
    let ended = ask(&["user", "revoke", email, "--reason", "a lost phone"]).unwrap();
    assert!(ended.ends_with("sessions ended: 1.\n"), "{ended}");
    assert_eq!(bob.get("/v1/auth/me").await.0, 401);
    let unlocked = ask(&["user", "unlock", email, "--reason", "they called"]).unwrap();
    assert!(unlocked.contains("unlock"), "{unlocked}");
    assert_eq!(service.stop().0, Some(0));

    // Without a service.
    let reason = ["--operator", "lin", "--reason", "spam in their name"];
    let here = |arguments: &[&str]| run(path, &[arguments, &reason].concat());
    let suspended = here(&["user", "suspend", email, "--json"]).unwrap();
    let suspended: Value = serde_json::from_str(&suspended).unwrap();
    assert_eq!((&suspended["measure"], &suspended["changed"]), (&json!("suspend"), &json!(true)));
    let again = here(&["user", "suspend", email]).unwrap();
    assert!(again.ends_with(" was suspended already.\n"), "{again}");
    assert!(here(&["code", "enable", &code]).unwrap().ends_with(" is in use again.\n"));
    let unknown = here(&["code", "disable", "nobodys"]).unwrap_err();
    assert_eq!(unknown, "whence: there is no such code\n");
    assert_eq!(run(path, &["user", "sessions", email]).unwrap(), "No session is in use.\n");
    let story = run(path, &["audit", "user", email]).unwrap();
    for line in
        ["was suspended by an operator: spam in their name", "a lost phone", "bought clicks"]
    {
        assert!(story.contains(line), "{story}");
    }
    assert!(story.contains("operator lin") && story.contains("operator grace"), "{story}");
    let checked = run(path, &["replay", "--check"]);
    assert!(checked.is_ok(), "{checked:?}");

    let service = Service::start(path, &flags);
    let refused = Visitor::log_in(&service, path, email).await.err();
    assert_eq!(refused.as_deref(), Some("account_suspended"));
    assert_eq!(service.stop().0, Some(0));
    assert!(here(&["user", "reinstate", email]).unwrap().ends_with(" may log in again.\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_moves_by_a_service_and_on_a_log_that_nobody_has_open() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let flags = ["--admin-token", &format!("grace={TOKEN}")];
    let service = Service::start(path, &flags);
    let (ada, bob, new) = ("ada@example.com", "bob@example.com", "new@example.com");
    let visitor = Visitor::log_in(&service, path, ada).await.ok().unwrap();
    let user = visitor.get("/v1/auth/me").await.1["user"]["id"].clone();
    Visitor::log_in(&service, path, bob).await.ok().unwrap();
    let url = format!("http://{}", service.address);
    let ask = |arguments: &[&str]| {
        let mut command = whence(path);
        command.args(["user", "email"]).args(arguments).env("WHENCE_SERVER", &url);
        said(command.env("WHENCE_ADMIN_TOKEN", TOKEN))
    };
    let reason = ["--reason", "they came with a passport"];
    let missing = ask(&[ada, new]).unwrap_err();
    assert!(missing.contains("--reason"), "{missing}");
    let nothing = ask(&[ada, "nothing", reason[0], reason[1]]).unwrap_err();
    assert_eq!(nothing, "whence: nothing: no e-mail address\n");
    let taken = ask(&[ada, bob, reason[0], reason[1]]).unwrap_err();
    assert!(taken.ends_with(" says: Another account has this address.\n"), "{taken}");
    let moved = ask(&[ada, new, reason[0], reason[1]]).unwrap();
    assert!(moved.contains(" has another address; sessions ended: 1.\n"), "{moved}");
    assert_eq!(visitor.get("/v1/auth/me").await.0, 401);
    let visitor = Visitor::log_in(&service, path, new).await.ok().unwrap();
    assert_eq!(visitor.get("/v1/auth/me").await.1["user"]["id"], user);
    assert_eq!(service.stop().0, Some(0));

    // Without a service: back, and on to another one. The mail goes out when there is a service again.
    let operator = ["--operator", "lin", "--reason", "it was mistyped"];
    let here = |arguments: &[&str]| run(path, &[&["user", "email"], arguments, &operator].concat());
    let open = here(&[new, "ada@example.net"]).unwrap_err();
    assert!(open.contains("can only move back"), "{open}");
    let back = here(&[new, ada]).unwrap();
    assert!(back.ends_with(" has the earlier address; sessions ended: 1.\n"), "{back}");
    let on = here(&[ada, "ada@example.net", "--json"]).unwrap();
    let on: Value = serde_json::from_str(&on).unwrap();
    assert_eq!((&on["changed"], on["objection_until"].is_string()), (&json!(true), true));
    let again = here(&[ada, "ada@example.net"]).unwrap();
    assert!(again.contains(" was moved to this address already.\n"), "{again}");
    let story = run(path, &["audit", "user", user.as_str().unwrap()]).unwrap();
    for line in ["they came with a passport", "it was mistyped", "operator lin", "operator grace"] {
        assert!(story.contains(line), "{story}");
    }
    let checked = run(path, &["replay", "--check"]);
    assert!(checked.is_ok(), "{checked:?}");
    let service = Service::start(path, &flags);
    let visitor = Visitor::log_in(&service, path, "ada@example.net").await.ok().unwrap();
    assert_eq!(visitor.get("/v1/auth/me").await.1["user"]["id"], user);
    let refused = Visitor::log_in(&service, path, ada).await.err();
    assert_eq!(refused.as_deref(), Some("email_moved"));
    assert_eq!(service.stop().0, Some(0));
}
