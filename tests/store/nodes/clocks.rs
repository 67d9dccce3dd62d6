//! Nodes whose clocks are wrong.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use whence::app::App;
use whence::infra::clock::Clock;
use whence_events::{EmailAddress, Timestamp};

use crate::nodes::client::{Client, Cookies};
use crate::nodes::cluster::{Cluster, within};

/// Far more than the tail takes, on a machine that is busy otherwise.
const SOON: Duration = Duration::from_secs(10);

const DAY: Duration = Duration::from_hours(24);

/// A moment that the manual clocks begin at: 2026-01-01.
const BEGIN: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// A node inside of this process, whose clock is moved.
struct Inside {
    app: Arc<App>,
    clock: Clock,
    client: Client,
}

impl Inside {
    async fn of(cluster: &Cluster, clock: Clock) -> Self {
        let app = App::open(cluster.config(), clock.clone()).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()));
        let router = whence::http::router(app.clone());
        tokio::spawn(whence::http::serve(listener, router, std::future::pending()));
        client.ready().await;
        Self { app, clock, client }
    }

    fn code(&self, email: &str) -> String {
        let address = EmailAddress::parse(email).unwrap();
        self.app.mailer.memory().unwrap().take_code(&address).expect("a mail")
    }

    async fn log_in(&self, email: &str) -> Cookies {
        let request_id = self.client.started(email).await;
        let code = self.code(email);
        let answer = self.client.verify(&request_id, &code, &Cookies::new()).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.cookies
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_far_ahead_of_the_database_appends_nothing_and_says_so() {
    let cluster = Cluster::new().await;
    let right = Inside::of(&cluster, Clock::system()).await;
    let wrong = Inside::of(&cluster, Clock::system()).await;
    let user = wrong.log_in("ada@example.com").await;
    for days in [30, 1] {
        wrong.clock.shift(days * 86_400);
        let refused = wrong.client.start("glitch@example.com").await.unwrap();
        assert!(refused.is_not_now() && refused.error() == "unavailable", "{}", refused.body);
        // What needs no append is answered, by the right time.
        assert_eq!(wrong.client.me(&user).await.unwrap().status, 200);
        let ready = wrong.client.get("/readyz", &Cookies::new()).await.unwrap();
        let reason = ready.body["reason"].as_str().unwrap_or_default();
        assert_eq!(ready.status, 503, "{}", ready.body);
        assert!(reason.starts_with("the clock of this machine is "), "{reason}");
        right.client.started("bob@example.com").await;
    }
    wrong.clock.shift(0);
    wrong.client.ready().await;
    wrong.log_in("eve@example.com").await;
    // One that is wrong from the start is no better.
    let clock = Clock::system();
    clock.shift(30 * 86_400);
    let late = App::open(cluster.config(), clock.clone()).await.unwrap();
    assert!(clock.check().is_err());
    assert!(late.clock.now() < Clock::system().now() + DAY);
    let limit = Clock::system().now() + DAY;
    for event in cluster.log().await {
        assert!(event.recorded_at < limit && event.metadata.occurred_at < limit);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_node_shows_an_earlier_time_than_another_has_recorded() {
    let cluster = Cluster::new().await;
    let here = Inside::of(&cluster, Clock::system()).await;
    let ahead = Inside::of(&cluster, Clock::system()).await;
    // An hour is not far enough to be refused.
    ahead.clock.shift(3_600);
    ahead.client.started("ada@example.com").await;
    let hour = Duration::from_mins(59);
    let caught_up = async || here.clock.now() > Clock::system().now() + hour;
    within(SOON, "the other node's time", caught_up).await;
    let ready = here.client.get("/readyz", &Cookies::new()).await.unwrap();
    assert_eq!(ready.status, 200);
    assert!(ready.body["clock_ahead_seconds"].as_u64() > Some(3_500), "{}", ready.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_two_nodes_nothing_revives_and_everything_expires_after_a_jump() {
    for back in [false, true] {
        let cluster = Cluster::new().await;
        let here = Inside::of(&cluster, Clock::manual(BEGIN)).await;
        let there = Inside::of(&cluster, Clock::manual(BEGIN)).await;
        let pass = |span| [&here, &there].map(|node| node.clock.advance(span));
        let over = here.client.started("over@example.com").await;
        let over_code = here.code("over@example.com");
        pass(Duration::from_mins(10));
        // One node's clock jumps by thirty days for one request, or both are set back by as many.
        if back {
            let gone = here.client.verify(&over, &over_code, &Cookies::new()).await.unwrap();
            assert_eq!(gone.error(), "invalid_request");
            for node in [&here, &there] {
                node.clock.set(BEGIN - 30 * DAY);
            }
        } else {
            there.clock.set(BEGIN + 30 * DAY);
            there.client.started("glitch@example.com").await;
            there.clock.set(BEGIN + Duration::from_mins(10));
        }
        let least = if back { BEGIN } else { BEGIN + 30 * DAY };
        let knows = async || here.clock.now() >= least;
        within(SOON, "the other node's time", knows).await;
        for node in [&here, &there] {
            let gone = node.client.verify(&over, &over_code, &Cookies::new()).await.unwrap();
            assert_eq!(gone.error(), "invalid_request");
        }
        let user = here.log_in("user@example.com").await;
        let token = here.client.post("/v1/auth/token", json!({}), &user).await.unwrap();
        let token = token.body["access_token"].as_str().unwrap().to_owned();
        let bearer = Cookies::from([("bearer".to_owned(), token)]);
        let late = here.client.started("late@example.com").await;
        let late_code = here.code("late@example.com");
        for _ in 0..5 {
            there.client.started("busy@example.com").await;
        }
        assert_eq!(here.client.start("busy@example.com").await.unwrap().status, 429);
        pass(Duration::from_mins(10));
        let gone = there.client.verify(&late, &late_code, &Cookies::new()).await.unwrap();
        assert_eq!(gone.error(), "invalid_request");
        pass(Duration::from_mins(5));
        for node in [&here, &there] {
            let asked = node.client.get("/api/v1/users/attribution", &bearer).await.unwrap();
            assert_eq!(asked.status, 401);
        }
        pass(Duration::from_mins(45));
        here.client.started("busy@example.com").await;
        pass(30 * DAY);
        for node in [&here, &there] {
            assert_eq!(node.client.me(&user).await.unwrap().status, 401);
        }
    }
}
