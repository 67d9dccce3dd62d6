//! What clients were told.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures::StreamExt as _;
use serde_json::json;

use crate::crash::client::{Answer, Client};
use whence_test_support::mails::Mails;

pub(crate) type Cookies = BTreeMap<String, String>;

/// Everything that was acknowledged. What got no answer is in here nowhere.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Told>);

#[derive(Default)]
struct Told {
    /// Whose an address is.
    users: BTreeMap<String, String>,
    /// Sessions in use, and whose.
    sessions: Vec<(Cookies, String)>,
    ended: Vec<Cookies>,
    /// Logins that were started and not tried, with their codes.
    started: Vec<Started>,
}

#[derive(Clone)]
struct Started {
    email: String,
    request_id: String,
    code: String,
}

impl Ledger {
    /// A login was acknowledged.
    fn opened(&self, email: &str, answer: &Answer) {
        assert_eq!(answer.status, 200, "{}", answer.body);
        let user = answer.body["user"]["id"].as_str().unwrap().to_owned();
        let mut told = self.0.lock().unwrap();
        let known = told.users.entry(email.to_owned()).or_insert_with(|| user.clone());
        assert_eq!(*known, user, "{email} is another user now");
        told.sessions.push((answer.cookies.clone(), user));
    }

    pub(crate) fn sessions(&self) -> usize {
        self.0.lock().unwrap().sessions.len()
    }

    /// One client's work until its server dies: log in, leave some logins open, log some out.
    pub(crate) async fn work(&self, client: &Client, mails: &Mails, name: &str) -> Option<()> {
        for n in 0_u32.. {
            // Each address logs in a few times.
            let email = format!("{name}-{}@example.com", n / 3);
            let request_id = client.start(&email).await?;
            let code = mails.code(&email).expect("a mail before the answer");
            if n % 5 == 4 {
                self.0.lock().unwrap().started.push(Started { email, request_id, code });
                continue;
            }
            let answer = client.verify(&request_id, &code, &Cookies::new()).await?;
            if n % 4 == 3 {
                assert_eq!(answer.status, 200, "{}", answer.body);
                let left = client.post("/v1/auth/logout", json!({}), &answer.cookies).await?;
                assert_eq!(left.status, 200, "{}", left.body);
                self.0.lock().unwrap().ended.push(answer.cookies);
            } else {
                self.opened(&email, &answer);
            }
        }
        None
    }

    /// That a server knows all of it.
    pub(crate) async fn check(&self, client: &Client) {
        let (sessions, ended, started) = {
            let mut told = self.0.lock().unwrap();
            (told.sessions.clone(), told.ended.clone(), std::mem::take(&mut told.started))
        };
        let me = async |cookies: &Cookies| client.get("/v1/auth/me", cookies).await.unwrap();
        let checks = sessions.iter().map(async |(cookies, user)| {
            let answer = me(cookies).await;
            assert_eq!(answer.status, 200, "an acknowledged session is lost: {}", answer.body);
            assert_eq!(answer.body["user"]["id"], **user);
        });
        in_turn(checks).await;
        let checks = ended.iter().map(async |cookies| {
            assert_eq!(me(cookies).await.status, 401, "a session that was ended lives");
        });
        in_turn(checks).await;
        let checks = started.iter().map(async |Started { email, request_id, code }| {
            let answer = client.verify(request_id, code, &Cookies::new()).await.unwrap();
            self.opened(email, &answer);
        });
        in_turn(checks).await;
    }
}

/// All of them, a few at a time.
async fn in_turn(checks: impl Iterator<Item = impl Future<Output = ()>>) {
    futures::stream::iter(checks).buffer_unordered(16).collect::<Vec<()>>().await;
}
