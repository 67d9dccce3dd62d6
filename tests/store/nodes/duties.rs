//! One node projects and welcomes; when it is gone another one does.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures::future::join_all;

use crate::nodes::client::Cookies;
use crate::nodes::cluster::{Cluster, Node, within};
use whence_test_support::mails::mails_in;

/// The welcome mails of all nodes: to whom, and under which ids.
fn welcomes(directory: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let nodes = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    for mails in nodes.filter(|path| path.is_dir()) {
        for mail in mails_in(&mails) {
            let mail = mail_parser::MessageParser::default().parse(&mail).unwrap();
            let text = mail.body_text(0).unwrap();
            let digits = |word: &str| word.len() == 6 && word.bytes().all(|b| b.is_ascii_digit());
            if !text.split_whitespace().any(digits) {
                let to = mail.to().unwrap().first().unwrap().address().unwrap().to_owned();
                found.entry(to).or_default().push(mail.message_id().unwrap().to_owned());
            }
        }
    }
    found
}

async fn register(nodes: &[&Node], name: &str, users: usize) -> Vec<String> {
    let emails: Vec<_> = (0..users).map(|n| format!("{name}{n}@example.com")).collect();
    let logins = emails.iter().enumerate().map(|(n, email)| async move {
        nodes[n % nodes.len()].log_in(email, &Cookies::new()).await;
    });
    join_all(logins).await;
    emails
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_welcomed_once_however_many_nodes_there_are() {
    let cluster = Cluster::new().await;
    let nodes = [cluster.node().await, cluster.node().await, cluster.node().await];
    let emails = register(&nodes.each_ref(), "u", 60).await;
    let done = async || cluster.count("WelcomeEmailSent.v1").await == emails.len();
    within(Duration::from_secs(20), "everybody is welcome", done).await;
    let welcomes = welcomes(cluster.directory.path());
    assert_eq!(welcomes.keys().collect::<Vec<_>>().len(), emails.len());
    assert!(welcomes.values().all(|ids| ids.len() == 1), "{welcomes:?}");
    for step in ["ReferralCodeIssued.v1", "SubscriptionProvisioned.v1"] {
        assert_eq!(cluster.count(step).await, emails.len(), "{step}");
    }
    cluster.check(&nodes[2]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_node_that_projects_is_killed_another_takes_over() {
    let cluster = Cluster::new().await;
    let (mut first, second) = (cluster.node().await, cluster.node().await);
    assert_eq!(cluster.projecting().await.as_ref(), Some(&first.name));
    let mut emails = register(&[&first, &second], "before", 40).await;
    // Some of their onboardings are under way.
    first.kill();
    let killed = std::time::Instant::now();
    let only = [&second];
    let others = register(&only, "after", 20);
    let takes_over = async {
        let leads = async || cluster.projecting().await.as_ref() == Some(&second.name);
        within(Duration::from_secs(10), "another one projects", leads).await;
        eprintln!("another node projects after {:?}", killed.elapsed());
        second.client.ready().await;
        eprintln!("and the tables are up with the log after {:?}", killed.elapsed());
    };
    let (others, ()) = futures::join!(others, takes_over);
    emails.extend(others);
    // What was left by the first is found by the sweep, which leaves a while to whoever is at it.
    let done = async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        cluster.count("WelcomeEmailSent.v1").await == emails.len()
    };
    within(Duration::from_secs(90), "everybody is welcome", done).await;
    let welcomes = welcomes(cluster.directory.path());
    assert_eq!(welcomes.len(), emails.len());
    for (to, ids) in &welcomes {
        // The one that died may have sent a mail that it could not put on record: the same one.
        assert!(ids.iter().all(|id| *id == ids[0]), "{to}: {ids:?}");
    }
    for step in ["ReferralCodeIssued.v1", "SubscriptionProvisioned.v1"] {
        assert_eq!(cluster.count(step).await, emails.len(), "{step}");
    }
    cluster.check(&second).await;
}
