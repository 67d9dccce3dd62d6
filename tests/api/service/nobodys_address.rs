//! An address that somebody typed in, and that nobody ever proved to own, can be erased.

use serde_json::json;
use whence_events::{Actor, EmailAddress, Event, MailboxEvent, StreamId};

use crate::server::Server;
use crate::service::erasure::{grace, operated};
use crate::stores::on_every_store;

const ERASE: &str = "/v1/admin/users/erase";

async fn has_key(server: &Server, email: &str) -> bool {
    let email = EmailAddress::parse(email).unwrap();
    let stream = StreamId::Mailbox(server.app.engine.keys.email_key(&email));
    let key = server.app.engine.store.read_key(&stream).await.unwrap();
    key.is_some_and(|key| key.wrapped.is_some())
}

#[on_every_store]
async fn an_address_of_nobody_is_forgotten_with_who_asked_on_record() {
    let server = operated().await;
    let request_id = server.browser().start("carol@example.com").await;
    let code = server.code("carol@example.com");
    assert!(has_key(&server, "carol@example.com").await);
    let body = json!({ "email": "carol@example.com" }).to_string();
    assert_eq!(server.browser().post(ERASE, &*body).await.status, 401, "operators only");

    let answer = grace(&server).post(ERASE, &*body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json(), json!({ "address_forgotten": true }));
    assert!(!has_key(&server, "carol@example.com").await);
    let by = server.log().await.iter().find_map(|recorded| match &recorded.event {
        Event::Mailbox(MailboxEvent::MailboxForgotten(_)) => Some(recorded.metadata.actor.clone()),
        _ => None,
    });
    assert_eq!(by, Some(Actor::Operator("grace".into())));
    let late = server.browser().verify(&request_id, &code).await;
    assert_eq!(late.error(), "invalid_request");
    assert_eq!(grace(&server).post(ERASE, &*body).await.status, 404, "nothing is left");
}

#[on_every_store]
async fn an_address_that_is_typed_in_after_its_user_is_erased_goes_as_well() {
    let server = operated().await;
    server.signed_in("dan@example.com").await;
    let body = json!({ "email": "dan@example.com" }).to_string();
    let first = grace(&server).post(ERASE, &*body).await.json();
    assert_eq!((&first["run"], &first["address_forgotten"]), (&json!("now"), &json!(false)));
    server.browser().start("dan@example.com").await;
    assert!(has_key(&server, "dan@example.com").await);
    let second = grace(&server).post(ERASE, &*body).await.json();
    assert_eq!((&second["run"], &second["address_forgotten"]), (&json!("already"), &json!(true)));
    assert!(!has_key(&server, "dan@example.com").await);
}
