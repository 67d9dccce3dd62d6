//! The log that the documents show: five weeks of a small platform, always the same but for its ids.
//!
//! It is made by the service itself, over HTTP, with a clock that these tests move. Beside it lies the
//! same log after somebody changed the file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use whence::app::App;
use whence::app::config::Config;
use whence::infra::clock::Clock;
use whence::infra::mail::{Mailer, Sender};
use whence_events::{EmailAddress, Timestamp};

use crate::shell::Shell;

/// 2026-01-05T09:00:00Z, a Monday.
const BEGIN: i64 = 1_767_603_600;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Accounts besides those that the documents name.
const OTHERS: i64 = 36;

/// What a visitor's browser says.
const BROWSERS: [&str; 3] = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
];

/// Query and referring page of a landing without a code.
const LANDINGS: [(&str, &str); 6] = [
    ("", "https://www.google.com/"),
    ("?utm_source=newsletter&utm_medium=email&utm_campaign=spring", ""),
    ("?gclid=Cj0KCQ", "https://www.google.com/"),
    ("", "https://news.example/best-tools"),
    ("?utm_source=instagram&utm_medium=social", "https://www.instagram.com/"),
    ("", "https://chatgpt.com/"),
];

/// Returns a shell in whose directory the log is, as `whence-data` and changed as `tampered`.
pub(crate) fn shell() -> Shell {
    static PLATFORM: OnceLock<TempDir> = OnceLock::new();
    let platform = PLATFORM.get_or_init(|| {
        let directory = TempDir::new().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(fill(&directory.path().join("whence-data")));
        // Only a runtime that is gone has let go of the log.
        drop(runtime);
        copy(&directory.path().join("whence-data"), &directory.path().join("tampered"));
        tamper(&directory.path().join("tampered"));
        directory
    });
    let shell = Shell::new();
    for name in ["whence-data", "tampered"] {
        copy(&platform.path().join(name), &shell.directory().join(name));
    }
    shell
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in from.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}

/// Does what an intruder with the file would: the triggers go, event 5 is dated back, event 9 goes.
fn tamper(directory: &Path) {
    let log = rusqlite::Connection::open(directory.join("log.db")).unwrap();
    for name in
        ["events_never_change", "events_never_go", "streams_never_change", "streams_never_go"]
    {
        log.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    log.execute_batch(
        "UPDATE events SET occurred_at = occurred_at - 1000000 WHERE position = 5;
         DELETE FROM events WHERE position = 9;
         UPDATE events SET position = -position WHERE position > 9;
         UPDATE events SET position = -position - 1 WHERE position < 0;",
    )
    .unwrap();
}

/// What happens, and when.
enum Act {
    /// Somebody follows a link or opens a page.
    Land(Landing),
    /// Somebody logs in; the first time, they register.
    LogIn(String),
    /// Somebody asks for a code and mistypes it.
    Mistype(String),
    /// Somebody chooses a referral code.
    Choose(&'static str, &'static str),
}

struct Landing {
    who: String,
    /// Whose code is in the link.
    code_of: Option<&'static str>,
    query: &'static str,
    referrer: &'static str,
}

fn landing(
    who: &str,
    code_of: Option<&'static str>,
    query: &'static str,
    referrer: &'static str,
) -> Act {
    Act::Land(Landing { who: who.to_owned(), code_of, query, referrer })
}

/// Returns everything that happens, in order of time.
fn story() -> Vec<(i64, Act)> {
    let mut acts = vec![
        (0, Act::LogIn("alice".into())),
        (DAY, Act::LogIn("carol".into())),
        (DAY + 60, Act::Choose("carol", "carol-reads")),
        (
            2 * DAY,
            landing(
                "bob",
                Some("alice"),
                "?utm_source=newsletter&utm_campaign=spring",
                "https://blog.example.org/best-tools",
            ),
        ),
        (2 * DAY + 10, landing("bob", Some("carol"), "", "https://example.net/")),
        (2 * DAY + 40, Act::LogIn("bob".into())),
    ];
    for number in 0..OTHERS {
        let who = format!("visitor{number:02}");
        // More every week.
        let at = 3 * DAY + (number * OTHERS).isqrt() * 31 * DAY / OTHERS + number % 7 * 97 * 60;
        let (query, referrer) = LANDINGS[usize::try_from(number).unwrap() % LANDINGS.len()];
        let code_of = match number {
            3 | 8 | 13 | 21 | 30 => Some("alice"),
            5 | 17 | 29 => Some("carol"),
            11 | 23 => Some("bob"),
            _ => None,
        };
        acts.push((at, landing(&who, code_of, query, referrer)));
        let took = [40, 15 * 60, 5 * HOUR, 3 * DAY][usize::try_from(number % 4).unwrap()];
        // Some only look, some give up.
        match number % 9 {
            4 => {}
            7 => acts.push((at + took, Act::Mistype(who))),
            _ => {
                acts.push((at + took, Act::LogIn(who.clone())));
                let again = [(3, 7), (4, 14), (6, 21)];
                for (_, days) in again.into_iter().filter(|(every, _)| number % every == 0) {
                    acts.push((at + took + days * DAY, Act::LogIn(who.clone())));
                }
            }
        }
    }
    acts.retain(|(at, _)| *at < 35 * DAY);
    acts.sort_by_key(|(at, _)| *at);
    acts
}

struct Platform {
    app: Arc<App>,
    clock: Clock,
    url: String,
    client: reqwest::Client,
    /// The cookies of each visitor.
    jars: BTreeMap<String, BTreeMap<String, String>>,
    /// The codes of those who have one.
    codes: BTreeMap<String, String>,
}

async fn fill(directory: &Path) {
    let clock = Clock::manual(Timestamp::from_micros(BEGIN * 1_000_000));
    let store = format!("sqlite:{}", directory.display());
    let config = Config::from_flags([
        "--store",
        &store,
        "--checkpoint-seconds",
        "4000000000",
        "--checkpoints",
        directory.join("../unused").to_str().unwrap(),
        "--allowed-origin",
        "https://www.example.com",
        "--trusted-proxy",
        "127.0.0.1/32",
        "--country-header",
        "cloudflare",
        "--starts-per-client",
        "0",
        "--verifies-per-client",
        "0",
        // What becomes due by time would come in between at any place.
        "--keep-unverified-days",
        "0",
    ])
    .unwrap();
    let sender = Sender { name: "Example".into(), address: "login@example.com".into() };
    let mailer = Mailer::open("memory", &sender).unwrap();
    let log = config.open_log(clock.clone()).await.unwrap();
    let app = App::open_with(config, clock.clone(), mailer, log).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let router = whence::http::router(app.clone());
    let serving = tokio::spawn(whence::http::serve(listener, router, async {
        let _ = stopped.await;
    }));
    let client = reqwest::Client::builder();
    let client =
        client.redirect(reqwest::redirect::Policy::none()).user_agent("Browser/1").build().unwrap();
    let (jars, codes) = (BTreeMap::new(), BTreeMap::new());
    let mut platform = Platform { app, clock, url, client, jars, codes };
    for (number, (at, act)) in story().into_iter().enumerate() {
        platform.clock.set(Timestamp::from_micros((BEGIN + at) * 1_000_000));
        platform.act(act).await;
        // The first checkpoint is over the first day.
        if number == 0 {
            platform.sign(directory).await;
        }
    }
    platform.settle().await;
    platform.sign(directory).await;
    drop(platform);
    let _ = stop.send(());
    serving.await.unwrap();
}

impl Platform {
    async fn act(&mut self, act: Act) {
        match act {
            Act::Land(landing) => self.land(landing).await,
            Act::LogIn(who) => self.log_in(&who).await,
            Act::Mistype(who) => {
                let request = self.ask_for_a_code(&who).await;
                let body = json!({ "request_id": request, "code": "000000" });
                let answer = self.call(&who, "POST", "/v1/auth/email/verify", &body, "").await;
                assert_eq!(answer["error"], "invalid_code", "{answer}");
            }
            Act::Choose(who, slug) => {
                let body = json!({ "slug": slug });
                let answer = self.call(who, "POST", "/v1/referrals/code", &body, "").await;
                assert_eq!(answer["code"]["code"], slug, "{answer}");
                self.codes.insert(who.to_owned(), slug.to_owned());
            }
        }
    }

    /// Lands, and waits until that is in the log: it is appended after the answer.
    async fn land(&mut self, Landing { who, code_of, query, referrer }: Landing) {
        let before = self.size().await;
        if let Some(owner) = code_of {
            let path = format!("/r/{}{query}", self.codes[owner]);
            self.call(&who, "GET", &path, &Value::Null, referrer).await;
        } else {
            let location = format!("https://www.example.com/pricing{query}");
            let body = json!({ "location": location, "referrer": referrer });
            self.call(&who, "POST", "/v1/touch", &body, "").await;
        }
        while self.size().await == before {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn ask_for_a_code(&mut self, who: &str) -> Value {
        let body = json!({ "email": format!("{who}@example.com") });
        let mut answer = self.call(who, "POST", "/v1/auth/email/start", &body, "").await;
        answer["request_id"].take()
    }

    async fn log_in(&mut self, who: &str) {
        let request = self.ask_for_a_code(who).await;
        let address = EmailAddress::parse(&format!("{who}@example.com")).unwrap();
        let code = self.app.mailer.memory().unwrap().take_code(&address).unwrap();
        let body = json!({ "request_id": request, "code": code });
        let answer = self.call(who, "POST", "/v1/auth/email/verify", &body, "").await;
        assert!(answer["user"].is_object(), "{answer}");
        if !self.codes.contains_key(who) {
            self.settle().await;
            let overview = self.call(who, "GET", "/v1/referrals/me", &Value::Null, "").await;
            let code = overview["primary_code"].as_str().unwrap().to_owned();
            self.codes.insert(who.to_owned(), code);
        }
    }

    /// Waits until nothing is appended any more: onboarding comes after the answer.
    async fn settle(&mut self) {
        let mut size = String::new();
        let mut quiet = 0;
        while quiet < 3 {
            tokio::time::sleep(Duration::from_millis(15)).await;
            let now = self.size().await;
            quiet = if now == size { quiet + 1 } else { 0 };
            size = now;
        }
    }

    /// How many events the tree over the log holds.
    async fn size(&self) -> String {
        self.checkpoint().await.lines().nth(1).unwrap_or("").to_owned()
    }

    async fn checkpoint(&self) -> String {
        let url = format!("{}/v1/log/checkpoint", self.url);
        self.client.get(url).send().await.unwrap().text().await.unwrap()
    }

    /// Leaves a checkpoint where the service does.
    async fn sign(&self, directory: &Path) {
        let note = self.checkpoint().await;
        let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
        let directory = directory.join("checkpoints");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(format!("checkpoint-{size:012}")), &note).unwrap();
        std::fs::write(directory.join("latest"), &note).unwrap();
    }

    /// A call with the cookies of a visitor; null when the answer is no JSON.
    async fn call(
        &mut self,
        who: &str,
        method: &str,
        path: &str,
        body: &Value,
        referrer: &str,
    ) -> Value {
        let number: usize = who.bytes().map(usize::from).sum();
        let jar = self.jars.entry(who.to_owned()).or_default();
        let cookies: Vec<_> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let url = format!("{}{path}", self.url);
        let mut request = self.client.request(method.parse().unwrap(), url);
        request = request.header("cookie", cookies.join("; "));
        request = request.header("user-agent", BROWSERS[number % BROWSERS.len()]);
        request = request.header("x-forwarded-for", format!("203.0.113.{}", number % 250));
        request = request.header("cf-ipcountry", ["DE", "FR", "AT"][number % 3]);
        request = request.header("accept", "text/html");
        if let Some(csrf) = jar.get("nl_csrf") {
            request = request.header("x-csrf-token", csrf);
        }
        if !referrer.is_empty() {
            request = request.header("referer", referrer);
        }
        if !body.is_null() {
            request = request.header("origin", "https://www.example.com");
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        for line in answer.headers().get_all("set-cookie") {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            jar.insert(name.to_owned(), value.to_owned());
        }
        jar.retain(|_, value| !value.is_empty());
        serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default()
    }
}
