//! Addresses that nobody verified are forgotten in time.

use std::time::Duration;

use whence_events::{Client, EmailAddress, Event, MailboxEvent, Pii, StreamId};

use crate::server::Server;
use crate::service::broken::{Call, Faults};
use crate::stores::on_every_store;

const DAY: Duration = Duration::from_hours(24);

/// Every address that a code was asked for, as far as it can be read, in order.
async fn readable(server: &Server) -> Vec<String> {
    let mut found = vec![];
    for recorded in server.log().await {
        let Event::Mailbox(MailboxEvent::LoginStarted(started)) = &recorded.event else { continue };
        let (stream, version) = (&recorded.stream, recorded.version);
        let email: Option<EmailAddress> =
            server.app.engine.vault.open(stream, version, "email", &started.email).await.unwrap();
        let client: Option<Client> =
            server.app.engine.vault.open(stream, version, "client", &started.client).await.unwrap();
        assert_eq!(email.is_some(), client.is_some());
        found.push(email.map_or("gone".to_owned(), |email| email.as_str().to_owned()));
    }
    found
}

async fn forgotten(server: &Server) -> usize {
    server.settle().await;
    let forgotten = server.app.forget_unverified_now().await;
    server.settle().await;
    forgotten
}

#[on_every_store]
async fn an_address_that_nobody_verified_is_forgotten_after_thirty_days() {
    let server = Server::start().await;
    server.browser().start("typo@example.com").await;
    let ada = server.signed_in("ada@example.com").await;
    // Of somebody who is known, a stranger may ask for codes.
    server.browser().start("ada@example.com").await;
    server.pass(29 * DAY + Duration::from_secs(86_399));
    assert_eq!(forgotten(&server).await, 0);
    let known = "ada@example.com";
    assert_eq!(readable(&server).await, ["typo@example.com", known, known]);
    server.pass(Duration::from_secs(1));
    assert_eq!(forgotten(&server).await, 1);
    assert_eq!(readable(&server).await, ["gone", known, known]);
    let before = server.log().await.len();
    assert_eq!(forgotten(&server).await, 0);
    assert_eq!(server.log().await.len(), before, "once");
    drop(ada);
}

#[on_every_store]
async fn asking_again_keeps_it_for_longer_and_works_after_it_was_forgotten() {
    let server = Server::start().await;
    server.browser().start("bob@example.com").await;
    server.pass(20 * DAY);
    server.browser().start("bob@example.com").await;
    server.pass(20 * DAY);
    assert_eq!(forgotten(&server).await, 0);
    server.pass(10 * DAY);
    assert_eq!(forgotten(&server).await, 1);
    // Under the next key.
    let mut bob = server.browser();
    let request_id = bob.start("bob@example.com").await;
    let again = "bob@example.com";
    assert_eq!(readable(&server).await, ["gone", "gone", again]);
    let code = server.code("bob@example.com");
    assert_eq!(bob.verify(&request_id, &code).await.status, 200);
    server.pass(1000 * DAY);
    assert_eq!(forgotten(&server).await, 0, "it is somebody's now");
    assert_eq!(readable(&server).await.pop().as_deref(), Some(again));
}

#[on_every_store]
async fn a_code_of_a_forgotten_address_is_over() {
    let server = Server::with(&["--keep-unverified-days", "1"]).await;
    let mut eve = server.browser();
    let request_id = eve.start("eve@example.com").await;
    let code = server.code("eve@example.com");
    server.pass(DAY);
    assert_eq!(forgotten(&server).await, 1);
    assert_eq!(eve.verify(&request_id, &code).await.error(), "invalid_request");
}

#[on_every_store]
async fn no_days_keep_it_for_ever() {
    let server = Server::with(&["--keep-unverified-days", "0"]).await;
    server.browser().start("typo@example.com").await;
    server.pass(3650 * DAY);
    assert_eq!(forgotten(&server).await, 0);
    assert_eq!(readable(&server).await, ["typo@example.com"]);
}

/// The key goes first and the event comes second: whatever happens in between is done again.
#[on_every_store]
async fn what_is_interrupted_is_completed_by_the_next_round() {
    let faults = Faults::none();
    let server = Server::over(&[], faults.wrap()).await;
    server.browser().start("typo@example.com").await;
    server.pass(31 * DAY);
    server.settle().await;
    faults.set(|call| matches!(call, Call::Append(_)));
    assert_eq!(server.app.forget_unverified_now().await, 0);
    assert_eq!(readable(&server).await, ["gone"], "and not on record");
    faults.clear();
    assert_eq!(forgotten(&server).await, 1);
    let log = server.log().await;
    let last = log.last().unwrap();
    assert_eq!(last.event.event_type(), "MailboxForgotten.v1");
    assert!(matches!(last.stream, StreamId::Mailbox(_)));
    assert_eq!(forgotten(&server).await, 0);
    // Nobody can read it, whatever the state of the events.
    assert!(matches!(&log[1].event, Event::Mailbox(MailboxEvent::LoginStarted(started))
        if matches!(started.email, Pii::Sealed(_))));
}
