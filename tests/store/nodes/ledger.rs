//! Work for nodes that something happens to, and what its clients were told.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;

use crate::nodes::client::{Answer, Client, Cookies};
use crate::nodes::cluster::{Face, Node};
use whence_test_support::mails::Mails;

/// Everything that was acknowledged. What got no answer, or a 503, is in here nowhere.
#[derive(Default)]
pub(crate) struct Ledger {
    told: Mutex<Told>,
    over: AtomicBool,
}

#[derive(Default)]
struct Told {
    /// Whose an address is.
    users: BTreeMap<String, String>,
    /// Sessions in use, and whose.
    sessions: Vec<(Cookies, String)>,
    ended: Vec<Cookies>,
    /// When a login was acknowledged.
    logins: Vec<Instant>,
    not_now: usize,
    slowest: Duration,
    /// Answers that nobody should get.
    wrong: Vec<String>,
}

/// The node is gone.
struct Gone;

impl Ledger {
    /// Clients' work until it is over, or until their node dies.
    pub(crate) async fn work(&self, client: Client, mails: &Mails, name: &str) {
        for n in 0_u32.. {
            if self.over.load(Ordering::SeqCst)
                || self.log_in(&client, mails, name, n).await.is_err()
            {
                return;
            }
        }
    }

    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(crate) fn logins(&self) -> usize {
        self.told.lock().unwrap().logins.len()
    }

    /// Until there were so many more.
    pub(crate) async fn until_more(&self, logins: usize) {
        let enough = self.logins() + logins;
        for _ in 0..12_000 {
            if self.logins() >= enough {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("no more logins: {:?}", self.told.lock().unwrap().wrong);
    }

    /// One login with what belongs to it: some end, each is used.
    async fn log_in(&self, client: &Client, mails: &Mails, name: &str, n: u32) -> Result<(), Gone> {
        // Each address logs in a few times.
        let email = format!("{name}-{}@example.com", n / 3);
        let Some(started) = self.ask("start", client.start(&email)).await? else { return Ok(()) };
        let request_id = started.body["request_id"].as_str().unwrap().to_owned();
        let code = mails.code(&email).expect("a mail before the answer");
        let none = Cookies::new();
        let verify = client.verify(&request_id, &code, &none);
        let Some(verified) = self.ask("verify", verify).await? else { return Ok(()) };
        let user = verified.body["user"]["id"].as_str().unwrap().to_owned();
        self.opened(&email, &user);
        let cookies = verified.cookies;
        if n % 4 == 3 {
            if self.ask("logout", client.logout(&cookies)).await?.is_some() {
                self.told.lock().unwrap().ended.push(cookies);
            }
            return Ok(());
        }
        self.ask("me", client.me(&cookies)).await?;
        if n.is_multiple_of(5) {
            self.ask("attribution", client.snapshot(&cookies)).await?;
        }
        let earlier = {
            let mut told = self.told.lock().unwrap();
            told.sessions.push((cookies, user));
            let some = n as usize * 7919 % told.sessions.len();
            told.sessions[some].0.clone()
        };
        self.ask("me of another", client.me(&earlier)).await?;
        Ok(())
    }

    fn opened(&self, email: &str, user: &str) {
        let mut told = self.told.lock().unwrap();
        told.logins.push(Instant::now());
        let known = told.users.entry(email.to_owned()).or_insert_with(|| user.to_owned()).clone();
        if known != user {
            told.wrong.push(format!("{email} is another user now"));
        }
    }

    /// The answer when it is yes. Otherwise it has to be one that says when to come again.
    async fn ask(
        &self,
        what: &str,
        answer: impl Future<Output = Option<Answer>>,
    ) -> Result<Option<Answer>, Gone> {
        let since = Instant::now();
        let answer = answer.await.ok_or(Gone)?;
        self.noted(what, &answer, since.elapsed());
        if answer.status == 200 {
            return Ok(Some(answer));
        }
        // As a client would, only sooner.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(None)
    }

    fn noted(&self, what: &str, answer: &Answer, took: Duration) {
        let mut told = self.told.lock().unwrap();
        told.slowest = told.slowest.max(took);
        told.not_now += usize::from(answer.status != 200);
        if answer.status != 200 && !answer.is_not_now() {
            told.wrong.push(format!("{what}: {} {}", answer.status, answer.body));
        }
    }

    /// That nobody was told anything wrong, and that a node knows all that was acknowledged.
    pub(crate) async fn check(&self, node: &Node) {
        let (sessions, ended) = {
            let told = self.told.lock().unwrap();
            assert!(told.wrong.is_empty(), "wrong answers: {:#?}", told.wrong);
            (told.sessions.clone(), told.ended.clone())
        };
        let checks = sessions.iter().map(async |(cookies, user)| {
            let answer = node.client.me(cookies).await.unwrap();
            assert_eq!(answer.status, 200, "an acknowledged session is lost: {}", answer.body);
            assert_eq!(answer.body["user"]["id"], **user);
        });
        futures::stream::iter(checks).buffer_unordered(16).collect::<Vec<()>>().await;
        let checks = ended.iter().map(async |cookies| {
            let status = node.client.me(cookies).await.unwrap().status;
            assert_eq!(status, 401, "a session that was ended lives");
        });
        futures::stream::iter(checks).buffer_unordered(16).collect::<Vec<()>>().await;
    }

    /// What its clients saw, for people.
    pub(crate) fn say(&self, what: &str) {
        let told = self.told.lock().unwrap();
        let pauses = told.logins.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0]));
        eprintln!(
            "{what}: {} logins, {} answers of not now, no login for {:?}, slowest answer {:?}",
            told.logins.len(),
            told.not_now,
            pauses.max().unwrap_or_default(),
            told.slowest,
        );
    }
}

/// Both nodes at work, until `happens` has.
pub(crate) async fn under_load(ledger: &Ledger, nodes: &[Face], happens: impl Future<Output = ()>) {
    const CLIENTS: usize = 6;
    let work = nodes.iter().flat_map(|node| {
        (0..CLIENTS).map(async |n| {
            let name = format!("{}-{n}", node.name);
            ledger.work(node.client.clone(), &node.mails, &name).await;
        })
    });
    let happens = async {
        ledger.until_more(20).await;
        happens.await;
        ledger.end();
    };
    futures::join!(futures::future::join_all(work), happens);
}
