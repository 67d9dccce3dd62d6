//! A client that survives the death of its server, and a reader of the mails it left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Value, json};

/// An answer that came whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) cookies: BTreeMap<String, String>,
}

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        Self { http: reqwest::Client::new(), url: url.to_owned() }
    }

    /// `None`: nobody knows whether the server did it.
    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        cookies: &BTreeMap<String, String>,
    ) -> Option<Answer> {
        let line: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let csrf = cookies.get("nl_csrf").cloned().unwrap_or_default();
        let request = request.header("cookie", line.join("; ")).header("x-csrf-token", csrf);
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let lines = response.headers().get_all("set-cookie").into_iter();
        let pairs = lines.filter_map(|line| line.to_str().ok()?.split(';').next()?.split_once('='));
        let cookies = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let body = serde_json::from_slice(&response.bytes().await.ok()?).ok()?;
        Some(Answer { status, body, cookies })
    }

    pub(crate) async fn get(
        &self,
        path: &str,
        cookies: &BTreeMap<String, String>,
    ) -> Option<Answer> {
        self.send(self.http.get(format!("{}{path}", self.url)), cookies).await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        body: Value,
        cookies: &BTreeMap<String, String>,
    ) -> Option<Answer> {
        let request = self.http.post(format!("{}{path}", self.url)).body(body.to_string());
        self.send(request, cookies).await
    }

    pub(crate) async fn start(&self, email: &str) -> Option<String> {
        let answer =
            self.post("/v1/auth/email/start", json!({ "email": email }), &BTreeMap::new()).await?;
        assert_eq!(answer.status, 200, "{}", answer.body);
        Some(answer.body["request_id"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn verify(
        &self,
        request_id: &str,
        code: &str,
        cookies: &BTreeMap<String, String>,
    ) -> Option<Answer> {
        let body = json!({ "request_id": request_id, "code": code });
        self.post("/v1/auth/email/verify", body, cookies).await
    }

    /// Waits until the service is up, and its read models are as far as its log.
    pub(crate) async fn ready(&self) {
        for _ in 0..1000 {
            if let Some(answer) = self.get("/readyz", &BTreeMap::new()).await
                && answer.status == 200
                && answer.body["head"] == answer.body["projected"]
            {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the service does not come up");
    }
}

/// The mails that one process wrote, whose numbers begin at 1.
pub(crate) struct Mails {
    directory: PathBuf,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    /// The lowest number that was not there yet.
    low: u64,
    codes: BTreeMap<u64, Option<(String, String)>>,
}

impl Mails {
    pub(crate) fn in_directory(directory: &Path) -> Self {
        let read = Mutex::new(Read { low: 1, codes: BTreeMap::new() });
        Self { directory: directory.to_owned(), read }
    }

    /// The newest code that was mailed to an address. Looks a little past the first gap, because
    /// mails are numbered before they are written.
    pub(crate) fn code(&self, email: &str) -> Option<String> {
        let mut read = self.read.lock().unwrap();
        for number in read.low..read.low + 256 {
            if read.codes.contains_key(&number) {
                continue;
            }
            if let Ok(bytes) = std::fs::read(self.directory.join(format!("{number:08}.eml"))) {
                read.codes.insert(number, login_code(&bytes));
            }
        }
        while read.codes.contains_key(&read.low) {
            read.low += 1;
        }
        let newest = read.codes.values().rev().flatten().find(|(to, _)| to == email);
        newest.map(|(_, code)| code.clone())
    }
}

/// Address and code of a login mail.
fn login_code(bytes: &[u8]) -> Option<(String, String)> {
    let mail = mail_parser::MessageParser::default().parse(bytes)?;
    let to = mail.to()?.first()?.address()?.to_owned();
    let text = mail.body_text(0)?;
    let mut words = text.split_whitespace();
    let code = words.find(|word| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit()))?;
    Some((to, code.to_owned()))
}
