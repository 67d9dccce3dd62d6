//! `whence demo`: the whole journey, over real HTTP, against its own server.
//!
//! Alice logs in and gets a code; Bob follows her link, registers, and is credited to her. Each
//! step shows the request, the answer and the events that it left in the log, and fails the program
//! when it is not as it should be.

mod client;
mod screen;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use whence_events::{EmailAddress, Position, Recorded};

use crate::app::App;
use crate::app::config::Config;
use crate::http;
use crate::infra::clock::Clock;
use crate::infra::mail::Mailer;
use client::{Browser, DemoAnswer};
use screen::Screen;

const ALICE: &str = "alice@example.com";
const BOB: &str = "bob@example.com";

/// The time for what happens after an answer: recorded landings, onboarding.
const EVENT_TIMEOUT: Duration = Duration::from_secs(10);

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 \
                     (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
const LAPTOP: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// See it work: a whole journey, from a landing to the snapshot, against a server of its own
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct DemoArgs {}

/// Runs the journey; the error is about a step that did not do what it should.
pub(crate) async fn run(_: DemoArgs) -> anyhow::Result<()> {
    let directory = tempfile::Builder::new().prefix("whence-demo-").tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no free port")?;
    let address = listener.local_addr()?;
    let store = format!("sqlite:{}", directory.path().display());
    let listen = address.to_string();
    // For the server, the demo is a proxy on this machine, so that its headers may name a country.
    let flags = ["--store", &store, "--listen", &listen, "--trusted-proxy", "127.0.0.1"];
    let flags = flags.into_iter().chain(["--country-header", "cloudflare"]);
    let config = Config::from_flags(flags)?;
    let clock = Clock::system();
    let log = config.open_log(clock.clone()).await?;
    let mailer = Mailer::open("memory", &config.mail.sender)?;
    let app = App::open_with(config, clock, mailer, log).await?;
    let serving =
        tokio::spawn(http::serve(listener, http::router(app.clone()), std::future::pending()));

    let result = show(&app, address, directory.path()).await;
    serving.abort();
    // The runtime ends with this future, and must not while the read models are being written: what
    // works on them would then ask a clock that is gone.
    if let Ok(head) = app.engine.store.head().await {
        app.progress.wait_for(head).await;
    }
    result
}

async fn show(app: &Arc<App>, address: SocketAddr, directory: &Path) -> anyhow::Result<()> {
    let screen = Screen::new();
    screen.title("whence demo: who is this user, and whence did they come?")?;
    screen.note(&format!("a server at http://{address}, its log in {}", directory.display()))?;
    let mut demo = Demo { app: app.clone(), screen, seen: 0, step: 0 };
    demo.show_events().await?;
    demo.journey(address).await
}

struct Demo {
    app: Arc<App>,
    screen: Screen,
    /// The position of the last event that was shown.
    seen: Position,
    step: usize,
}

impl Demo {
    async fn journey(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let mut alice = Browser::new(address, &[("user-agent", LAPTOP)]);
        self.begin("Alice logs in with a code from her mail")?;
        self.log_in(&mut alice, ALICE).await?;

        self.begin("Behind the answer she got a referral code, a plan and a welcome mail")?;
        self.show_events_until("WelcomeEmailSent.v1").await?;
        let overview = self.get(&mut alice, "/v1/referrals/me").await?;
        let code = overview["primary_code"].as_str().context("Alice has no code")?;
        self.screen.fact(&format!("her link: {}", self.app.link(code)))?;

        let mut bob = Browser::new(
            address,
            &[("user-agent", PHONE), ("x-forwarded-for", "203.0.113.9"), ("cf-ipcountry", "DE")],
        );
        self.begin("Bob follows her link out of a newsletter, on a phone in Germany")?;
        self.land(&mut bob, code).await?;

        self.begin("Bob logs in for the first time: registered and attributed in one append")?;
        let user = self.log_in(&mut bob, BOB).await?;
        let kept = bob.cookie("ref_code").is_none();
        ensure!(kept, "the ref_code cookie was not taken back after its decision");
        self.show_events_until("WelcomeEmailSent.v1").await?;

        self.begin("Who am I?")?;
        let me = self.get(&mut bob, "/v1/auth/me").await?;
        ensure!(me["user"]["id"] == user["id"], "me is somebody else");

        self.begin("Whence did he come? The snapshot, as the portal family shows it")?;
        self.snapshot(&mut bob, code).await?;

        self.begin("Asked again, the answer is a reason: a user is attributed once")?;
        let again = self.post(&mut bob, "/v1/auth/attribute", None).await?;
        let expected = json!({ "attributed": false, "reason": "already_attributed" });
        ensure!(again == expected, "a second attribution answered {again}");
        self.show_events().await?;

        self.begin("Alice sees that somebody came")?;
        let overview = self.get(&mut alice, "/v1/referrals/me").await?;
        ensure!(overview["invitees"] == 1, "Alice has {} invitees", overview["invitees"]);
        self.screen.fact("invitees: 1")?;

        self.begin("Bob logs out, and his session is gone at once")?;
        let bye = self.post(&mut bob, "/v1/auth/logout", None).await?;
        ensure!(bye == json!({ "ok": true }), "logout answered {bye}");
        self.show_events().await?;
        let request = bob.request("GET", "/v1/auth/me", None);
        let refused = self.exchange(&mut bob, request, 401).await?;
        ensure!(refused.json()["error"] == "unauthenticated", "a session outlived its logout");

        self.screen
            .title(&format!("{} events, and all of the above follows from them.", self.seen))?;
        self.screen.note("whence serve    runs the service; its mails go to ./whence-data/mail")?;
        self.screen
            .note("README.md       has the same journey with curl; docs/flags.md has every flag")?;
        Ok(())
    }

    /// Logs a user in: start, mail, verify. Returns the user.
    async fn log_in(&mut self, browser: &mut Browser, email: &str) -> anyhow::Result<Value> {
        let started =
            self.post(browser, "/v1/auth/email/start", Some(json!({ "email": email }))).await?;
        self.show_events().await?;
        let address = EmailAddress::parse(email)?;
        let mails = self.app.mailer.memory().context("mails are not in memory")?;
        let code = mails.take_code(&address).context("no code was mailed")?;
        self.screen.mail(email, &format!("your code: {code}"))?;
        let body = json!({ "request_id": started["request_id"], "code": code });
        let verified = self.post(browser, "/v1/auth/email/verify", Some(body)).await?;
        for cookie in ["nl_session", "nl_csrf"] {
            ensure!(browser.cookie(cookie).is_some(), "verify did not set {cookie}");
        }
        ensure!(verified["user"]["email"] == email, "verify answered another user");
        self.show_events_until("SessionOpened.v1").await?;
        Ok(verified["user"].clone())
    }

    async fn land(&mut self, browser: &mut Browser, code: &str) -> anyhow::Result<()> {
        let path = format!("/r/{code}?utm_source=newsletter&utm_medium=email&utm_campaign=spring");
        let mut request = browser.request("GET", &path, None);
        request.header("referer", "https://blog.example.org/best-tools");
        let landed = self.exchange(browser, request, 302).await?;
        let location = landed.header("location").unwrap_or_default();
        ensure!(location.contains(&format!("ref={code}")), "the link led to {location}");
        for cookie in ["ref_code", "whence_touch"] {
            ensure!(browser.cookie(cookie).is_some(), "the landing did not plant {cookie}");
        }
        self.show_events_until("TouchRecorded.v2").await
    }

    async fn snapshot(&mut self, browser: &mut Browser, code: &str) -> anyhow::Result<()> {
        let token = self.post(browser, "/v1/auth/token", None).await?;
        let token = token["access_token"].as_str().context("no access token")?;
        let mut request = browser.request("GET", "/api/v1/users/attribution", None);
        request.header("authorization", &format!("Bearer {token}"));
        let answer = self.exchange(browser, request, 200).await?;
        let data = &answer.json()["data"];
        self.screen.json(data)?;
        for (field, expected) in [
            ("referralCode", code),
            ("firstReferrerUrl", "https://blog.example.org/best-tools"),
            ("utmSource", "newsletter"),
            ("utmMedium", "email"),
            ("utmCampaign", "spring"),
            ("registrationDevice", "mobile"),
            ("registrationCountry", "DE"),
        ] {
            ensure!(data[field] == expected, "{field} is {}, not {expected}", data[field]);
        }
        ensure!(data["referredBy"].is_string(), "the snapshot names no referrer");
        Ok(())
    }

    fn begin(&mut self, what: &str) -> anyhow::Result<()> {
        self.step += 1;
        self.screen.step(self.step, what)
    }

    async fn get(&mut self, browser: &mut Browser, path: &str) -> anyhow::Result<Value> {
        let request = browser.request("GET", path, None);
        Ok(self.exchange(browser, request, 200).await?.json())
    }

    async fn post(
        &mut self,
        browser: &mut Browser,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let request = browser.request("POST", path, body);
        Ok(self.exchange(browser, request, 200).await?.json())
    }

    /// Sends a request, shows it and its answer, and insists on the status.
    async fn exchange(
        &mut self,
        browser: &mut Browser,
        request: client::DemoRequest,
        status: u16,
    ) -> anyhow::Result<DemoAnswer> {
        self.screen.request(&request)?;
        let answer = browser.send(&request).await?;
        self.screen.answer(&answer)?;
        if answer.status != status {
            bail!("{} {} answered {}, not {status}", request.method, request.path, answer.status);
        }
        Ok(answer)
    }

    /// Shows the events since the last time.
    async fn show_events(&mut self) -> anyhow::Result<()> {
        for event in self.new_events().await? {
            self.show(&event)?;
        }
        Ok(())
    }

    /// Shows the events up to one of this type, once it is there; later ones are shown next time.
    async fn show_events_until(&mut self, event_type: &str) -> anyhow::Result<()> {
        let shown = async {
            loop {
                for event in self.new_events().await? {
                    self.show(&event)?;
                    if event.event.event_type() == event_type {
                        return anyhow::Ok(());
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(EVENT_TIMEOUT, shown)
            .await
            .with_context(|| format!("no {event_type} was recorded"))?
    }

    fn show(&mut self, event: &Recorded) -> anyhow::Result<()> {
        self.seen = event.position;
        self.screen.event(event)
    }

    async fn new_events(&self) -> anyhow::Result<Vec<Recorded>> {
        Ok(self.app.engine.store.read_all(self.seen, 1000).await?)
    }
}
