//! No secret and no personal datum in log lines, in the log, or in the read models.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tempfile::TempDir;
use tracing_subscriber::fmt::MakeWriter;
use whence::infra::mail::Mailer;

use crate::server::{Browser, Server, sender};
use crate::service::broken::{Faults, down, unwritten};
use crate::service::login::wrong;
use crate::stores::on_every_store;

const EMAIL: &str = "confidential.person@private-domain.example";
const IP: &str = "203.0.113.177";
const AGENT: &str = "PeculiarAgent/7.31";

/// Everything that this process logs, from all threads and tests.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn lines() -> &'static Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = Lines::default();
        // Without times, whose digits could look like a code.
        let builder = tracing_subscriber::fmt().without_time().with_ansi(false);
        let filter = "info,whence=trace,whence_events=trace,whence_projections=trace";
        builder.with_env_filter(filter).with_writer(lines.clone()).init();
        lines
    })
}

/// What must not be found anywhere.
struct Secrets {
    codes: Vec<String>,
    others: Vec<Vec<u8>>,
}

impl Secrets {
    #[track_caller]
    fn are_not_in(&self, bytes: &[u8], place: &str) {
        let has = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
        for secret in &self.others {
            assert!(!has(secret), "{place} holds {}", String::from_utf8_lossy(secret));
        }
        // Six digits may come about by chance, once.
        let found = self.codes.iter().filter(|code| has(code.as_bytes())).count();
        assert!(found < 2, "{place} holds {found} codes");
    }
}

fn private_browser(server: &Server) -> Browser {
    let mut browser = server.browser();
    browser.headers = vec![("x-forwarded-for", IP.into()), ("user-agent", AGENT.into())];
    browser
}

/// Logins and all the ways they fail; what must not be found afterwards.
async fn busy_day(server: &Server, faults: &Faults) -> Secrets {
    let mut codes = vec![];
    let mut others: Vec<Vec<u8>> = [EMAIL, "confidential.person", "private-domain", IP, AGENT]
        .map(|text| text.as_bytes().to_vec())
        .to_vec();
    for _ in 0..4 {
        let mut browser = private_browser(server);
        let request_id = browser.start(EMAIL).await;
        let code = server.code(EMAIL);
        browser.verify(&request_id, wrong(&code)).await;
        faults.set(unwritten(3));
        assert_eq!(browser.verify(&request_id, &code).await.status, 503);
        faults.clear();
        assert_eq!(browser.verify(&request_id, &code).await.status, 200);
        browser.get("/v1/auth/me").await;
        let token = browser.cookies["nl_session"].clone();
        let csrf = browser.cookies["nl_csrf"].clone();
        let mut browser = browser.with_csrf();
        let bearer = browser.post("/v1/auth/token", "").await.json();
        faults.set(down);
        assert_eq!(browser.post("/v1/auth/logout", "").await.status, 500);
        faults.clear();
        browser.post("/v1/auth/logout", "").await;
        // The first 16 bytes are the session's id, which is no secret.
        others.push(URL_SAFE_NO_PAD.decode(&token).unwrap()[16..].to_vec());
        let bearer = bearer["access_token"].as_str().unwrap().as_bytes().to_vec();
        others.extend([token.as_bytes()[22..].to_vec(), csrf.into_bytes(), bearer]);
        codes.push(code);
    }
    for body in [format!("{{\"email\":\"{EMAIL}"), format!("{{\"email\":\"{EMAIL}\"}}")] {
        for _ in 0..3 {
            private_browser(server).post("/v1/auth/email/start", body.clone()).await;
        }
    }
    Secrets { codes, others }
}

#[on_every_store]
async fn nothing_is_told_that_is_nobodys_business() {
    let lines = lines();
    // What other tests logged before knows nothing of these secrets, and has digits that look like a code.
    let before = lines.0.lock().unwrap().len();
    let faults = Faults::none();
    let flags = ["--trusted-proxy", "127.0.0.1"];
    let server = Server::over(&flags, faults.wrap()).await;
    let secrets = busy_day(&server, &faults).await;

    // A mail that does not go out is logged by those who know whom it was for.
    let directory = TempDir::new().unwrap();
    let way = format!("directory:{}", directory.path().join("mail").display());
    let vanished = Mailer::open(&way, &sender()).unwrap();
    directory.close().unwrap();
    let refused = Mailer::open("smtp://user:hunter2-secret@127.0.0.1:9?tls=none", &sender());
    for (mailer, status) in [(vanished, 500), (refused.unwrap(), 503)] {
        let server = Server::mailing(mailer).await;
        let body = format!("{{\"email\":\"{EMAIL}\"}}");
        let answer = private_browser(&server).post("/v1/auth/email/start", body).await;
        assert_eq!(answer.status, status);
    }

    server.settle().await;
    let logged = lines.0.lock().unwrap()[before..].to_vec();
    let text = String::from_utf8_lossy(&logged).into_owned();
    assert!(text.contains("the event store did not do it"), "failures are logged: {text}");
    assert!(text.contains("a mail was not written"), "{text}");
    assert!(!text.contains("hunter2"));
    secrets.are_not_in(&logged, "a log line");
    let mut files = 0;
    for (name, bytes) in server.home.stored().await {
        // The schema proves that these are the right ones, read as they are.
        files += usize::from(bytes.windows(6).any(|window| window == b"CREATE"));
        secrets.are_not_in(&bytes, &name);
    }
    assert!(files >= 2, "log and read models");
}
