//! A server of its own for each test, on a port of its own, and a browser to speak to it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(unreachable_pub, reason = "the modules of one binary")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use whence::app::App;
use whence::app::config::{Config, ConnectionLimits};
use whence::infra::clock::Clock;
use whence::infra::mail::{Mailer, Sender};
use whence::store::{EventStore, SqliteOpenError};
use whence_events::{EmailAddress, Recorded, Timestamp};

use crate::specification;
use crate::stores::Home;

/// When every test begins: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// A running service.
pub struct Server {
    pub app: Arc<App>,
    pub clock: Clock,
    pub url: String,
    pub home: Home,
    _serving: Serving,
}

/// The task that answers requests; it ends with this value.
struct Serving(tokio::task::JoinHandle<()>);

impl Server {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With more flags of `whence serve`.
    pub async fn with(flags: &[&str]) -> Self {
        Self::over(flags, |store| store).await
    }

    /// Over a store that is wrapped first.
    pub async fn over(
        flags: &[&str],
        wrap: impl FnOnce(Arc<dyn EventStore>) -> Arc<dyn EventStore>,
    ) -> Self {
        let home = Home::new().await;
        Self::at(home, Clock::manual(START), flags, wrap).await
    }

    /// Over a home that may hold a log already.
    pub async fn at(
        home: Home,
        clock: Clock,
        flags: &[&str],
        wrap: impl FnOnce(Arc<dyn EventStore>) -> Arc<dyn EventStore>,
    ) -> Self {
        let way = flags.iter().skip_while(|flag| **flag != "--mail").nth(1).unwrap_or(&"memory");
        let mailer = Mailer::open(way, &sender()).unwrap();
        Self::open(home, clock, flags, mailer, wrap).await
    }

    /// With another way for mails to leave.
    pub async fn mailing(mailer: Mailer) -> Self {
        let home = Home::new().await;
        Self::open(home, Clock::manual(START), &[], mailer, |store| store).await
    }

    /// Ends this one and starts another over the same home, whose clock tells `now`.
    pub async fn restarted(self, now: Timestamp) -> Self {
        self.restarted_with(now, &[]).await
    }

    /// Ends this one and starts another over the same home with these flags.
    pub async fn restarted_with(self, now: Timestamp, flags: &[&str]) -> Self {
        let mailer = self.app.mailer.clone();
        let (home, _) = self.stop();
        Self::open(home, Clock::manual(now), flags, mailer, |store| store).await
    }

    async fn open(
        home: Home,
        clock: Clock,
        flags: &[&str],
        mailer: Mailer,
        wrap: impl FnOnce(Arc<dyn EventStore>) -> Arc<dyn EventStore>,
    ) -> Self {
        let own = home.flags(&clock, flags);
        let all = own.iter().map(String::as_str).chain(flags.iter().copied());
        let config = Config::from_flags(all).unwrap();
        Self::of(home, clock, config, mailer, wrap).await
    }

    /// In SQLite, with other bounds of connections.
    pub async fn bounded(flags: &[&str], bound: impl FnOnce(&mut ConnectionLimits)) -> Self {
        let (home, clock) = (Home::sqlite(), Clock::manual(START));
        let own = home.flags(&clock, flags);
        let all = own.iter().map(String::as_str).chain(flags.iter().copied());
        let mut config = Config::from_flags(all).unwrap();
        bound(&mut config.limits.connections);
        let mailer = Mailer::open("memory", &sender()).unwrap();
        Self::of(home, clock, config, mailer, |store| store).await
    }

    async fn of(
        home: Home,
        clock: Clock,
        config: Config,
        mailer: Mailer,
        wrap: impl FnOnce(Arc<dyn EventStore>) -> Arc<dyn EventStore>,
    ) -> Self {
        let store = open_log(&config, &clock).await;
        let store = wrap(store);
        let app = App::open_with(config, clock.clone(), mailer, store).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = whence::http::router(app.clone());
        let task = tokio::spawn(whence::http::serve(listener, router, std::future::pending()));
        Self { app, clock, url, home, _serving: Serving(task) }
    }

    /// Stops it, and gives what a restart needs. Browsers have to be dropped before: their open
    /// connections keep the log in use.
    pub fn stop(self) -> (Home, Clock) {
        (self.home, self.clock)
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Browser {
        Browser::new(&self.url)
    }

    /// Moves time forward.
    pub fn pass(&self, span: Duration) {
        self.clock.set(self.clock.now() + span);
    }

    /// The newest code that was mailed to an address.
    pub fn code(&self, email: &str) -> String {
        let address = EmailAddress::parse(email).unwrap();
        self.app.mailer.memory().unwrap().take_code(&address).expect("a code was mailed")
    }

    /// A browser that has just logged in.
    pub async fn signed_in(&self, email: &str) -> Browser {
        let mut browser = self.browser();
        self.log_in(&mut browser, email).await;
        browser
    }

    /// Logs in and gives the answer of verify.
    pub async fn log_in(&self, browser: &mut Browser, email: &str) -> Answer {
        let request_id = browser.start(email).await;
        let code = self.code(email);
        let answer = browser.verify(&request_id, &code).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer
    }

    /// Every event there is.
    pub async fn log(&self) -> Vec<Recorded> {
        self.app.engine.store.read_all(0, 100_000).await.unwrap()
    }

    /// The stored types of every event there is.
    pub async fn types(&self) -> Vec<String> {
        self.log().await.iter().map(|event| event.event.event_type().to_owned()).collect()
    }

    /// Until the read models have everything that is in the log now.
    pub async fn settle(&self) {
        let head = self.app.engine.store.head().await.unwrap();
        assert!(self.app.progress.wait_for(head).await);
    }

    /// Until every onboarding is over, also those of registrations of a moment ago.
    pub async fn everybody_onboarded(&self) {
        self.settle().await;
        until("everybody is onboarded", async || {
            self.app.sweep_now().await;
            self.app.engine.read_db.onboardings(1).await.unwrap().is_empty()
        })
        .await;
    }

    /// Until a user's onboarding is over: their primary code.
    pub async fn onboarded(&self, browser: &mut Browser) -> String {
        for _ in 0..500 {
            let overview = browser.get("/v1/referrals/me").await;
            let welcomed = self.app.engine.read_db.onboardings(100).await.unwrap().is_empty();
            if let (Some(code), true) = (overview.json()["primary_code"].as_str(), welcomed) {
                return code.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the onboarding does not end");
    }
}

/// Opens the log once the server before has let go of it.
async fn open_log(config: &Config, clock: &Clock) -> Arc<dyn EventStore> {
    for _ in 0..500 {
        match config.open_log(clock.clone()).await {
            Err(error) if matches!(error.downcast_ref(), Some(SqliteOpenError::InUse(_))) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            opened => return opened.unwrap(),
        }
    }
    panic!("the log stays in use");
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Who the tests' mails are from.
pub fn sender() -> Sender {
    Sender { name: "Test".into(), address: "login@example.com".into() }
}

/// A client with cookies.
#[derive(Clone)]
pub struct Browser {
    client: reqwest::Client,
    url: String,
    pub cookies: BTreeMap<String, String>,
    /// Sent with every request.
    pub headers: Vec<(&'static str, String)>,
}

impl Browser {
    /// A browser without cookies that goes to the server at a URL.
    pub fn new(url: &str) -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            // A client that names no browser is a bot.
            .user_agent("Browser/1")
            .timeout(Duration::from_mins(1))
            .build()
            .unwrap();
        Self { client, url: url.to_owned(), cookies: BTreeMap::new(), headers: vec![] }
    }

    /// The same browser at another server, which shares its host.
    pub fn elsewhere(mut self, url: String) -> Self {
        self.url = url;
        self
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(self.client.get(format!("{}{path}", self.url))).await
    }

    pub async fn post(&mut self, path: &str, body: impl Into<String>) -> Answer {
        let request = self.client.post(format!("{}{path}", self.url));
        self.send(request.header("content-type", "application/json").body(body.into())).await
    }

    /// Any request to a path.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().unwrap();
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Sends with this browser's cookies and headers, and keeps the cookies that come back.
    pub async fn send(&mut self, mut request: reqwest::RequestBuilder) -> Answer {
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
            request = request.header("cookie", pairs.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.build().unwrap();
        let (method, path) = (request.method().to_string(), request.url().path().to_owned());
        let answer = Answer::of(self.client.execute(request).await.unwrap()).await;
        specification::check(&method, &path, &answer);
        for line in answer.all("set-cookie") {
            let (pair, attributes) = line.split_once(';').unwrap_or((&line, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Asks for a code: the request id.
    pub async fn start(&mut self, email: &str) -> String {
        let body = serde_json::json!({ "email": email }).to_string();
        let answer = self.post("/v1/auth/email/start", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["request_id"].as_str().unwrap().to_owned()
    }

    pub async fn verify(&mut self, request_id: &str, code: &str) -> Answer {
        let body = serde_json::json!({ "request_id": request_id, "code": code }).to_string();
        self.post("/v1/auth/email/verify", body).await
    }

    /// Sends the session's CSRF token along from now on.
    pub fn with_csrf(mut self) -> Self {
        let token = self.cookies["nl_csrf"].clone();
        self.headers.push(("x-csrf-token", token));
        self
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub text: String,
    pub headers: reqwest::header::HeaderMap,
}

impl Answer {
    async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect(&self.text)
    }

    /// The value of `error`.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or("").to_owned()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    /// Every line of a header.
    pub fn all(&self, name: &str) -> Vec<String> {
        let lines = self.headers.get_all(name).into_iter();
        lines.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    /// Status and body in one text, ids and times masked, for snapshots.
    pub fn shown(&self) -> String {
        format!("{} {}", self.status, masked(&self.text))
    }
}

/// The one text that all of these are, for a snapshot of answers to a list of requests.
#[track_caller]
pub fn all_alike(mut texts: Vec<String>) -> String {
    let first = texts.pop().expect("at least one");
    for text in texts {
        assert_eq!(text, first);
    }
    first
}

/// Puts `<uuid>` and `<time>` where there is one.
pub fn masked(text: &str) -> String {
    let quoted: Vec<_> = text
        .split('"')
        .map(|part| {
            if part.len() == 36 && uuid::Uuid::try_parse(part).is_ok() {
                "<uuid>"
            } else if part.parse::<Timestamp>().is_ok() {
                "<time>"
            } else {
                part
            }
        })
        .collect();
    quoted.join("\"")
}

/// Waits until something holds that the service does in the background.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}
