//! An operator moves the account of a user who lost their mailbox: everybody is out, the new address
//! logs in, and the previous one can object.

use std::time::Duration;

use serde_json::{Value, json};
use whence::infra::mail::Mail;
use whence_events::{Actor, EmailAddress};

use crate::server::{Answer, Browser, Server, until};
use crate::service::email_change::change;
use crate::service::erasure::{grace, operated};
use crate::stores::on_every_store;

const WHY: &str = "called from the number of the contract";
const OLD: &str = "ada@example.com";
const NEW: &str = "ada@example.net";

async fn move_to(server: &Server, user: &str, email: &str) -> Answer {
    let body = json!({ "email": email, "reason": WHY });
    grace(server).post(&format!("/v1/admin/users/{user}/email"), body.to_string()).await
}

#[track_caller]
fn refused(answer: &Answer) -> (u16, String) {
    (answer.status, answer.error())
}

async fn user_id(browser: &mut Browser) -> String {
    browser.get("/v1/auth/me").await.json()["user"]["id"].as_str().unwrap().to_owned()
}

/// Logs in, and gives the id of the user or the error.
async fn login(server: &Server, email: &str) -> Result<String, String> {
    let mut browser = server.browser();
    let request_id = browser.start(email).await;
    let answer = browser.verify(&request_id, &server.code(email)).await;
    match answer.status {
        200 => Ok(answer.json()["user"]["id"].as_str().unwrap().to_owned()),
        _ => Err(answer.error()),
    }
}

/// Logs in by an app, with these fields beside the address, and gives the tokens.
async fn app_login(server: &Server, email: &str, mut fields: Value) -> Value {
    fields["email"] = email.into();
    let mut app = server.browser();
    let started = app.post("/api/v1/auth/login/start", fields.to_string()).await.json();
    let (request_id, code) = (&started["data"]["requestId"], server.code(email));
    let body = json!({ "requestId": request_id, "code": code, "tokenDelivery": "body" });
    app.post("/api/v1/auth/login", body.to_string()).await.json()
}

/// The texts of mails to an address about a move.
fn notices(server: &Server, email: &str) -> Vec<(String, String)> {
    let address = EmailAddress::parse(email).unwrap();
    let mails = std::iter::from_fn(|| server.app.mailer.memory().unwrap().take(&address));
    let notice = mails.filter_map(|stored| match &stored.mail {
        Mail::AddressChanged { link, .. } => {
            Some((link.clone(), stored.mail.render().unwrap().text))
        }
        _ => None,
    });
    notice.collect()
}

#[on_every_store]
async fn everybody_is_out_and_the_new_address_logs_in_as_the_same_user() {
    let server = operated().await;
    let mut ada = server.signed_in(OLD).await.with_csrf();
    let mut phone = server.signed_in(OLD).await;
    let user = user_id(&mut ada).await;
    let bearer = ada.post("/v1/auth/token", "").await.json()["access_token"].clone();
    let tokens = app_login(&server, OLD, json!({})).await;
    let refresh = json!({ "refreshToken": tokens["data"]["refreshToken"] }).to_string();
    let under_way = server.browser().start(OLD).await;
    let code = server.code(OLD);

    let done = move_to(&server, &user, NEW).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(done.json()["changed"], true);
    assert_eq!(done.json()["sessions_ended"].as_array().unwrap().len(), 3);
    assert_eq!(done.json()["objection_until"], "2026-01-04T00:00:00.000000Z");
    for browser in [&mut ada, &mut phone] {
        assert_eq!(browser.get("/v1/auth/me").await.status, 401);
        assert_eq!(browser.get("/v1/auth/forward").await.status, 401);
        assert_eq!(browser.get("/v1/auth/sessions").await.status, 401);
    }
    for token in [&bearer, &tokens["data"]["accessToken"]] {
        let token = token.as_str().unwrap();
        let mut app = server.browser();
        app.headers.push(("authorization", format!("Bearer {token}")));
        assert_eq!(app.get("/api/v1/users/profile").await.status, 401);
        assert_eq!(app.get("/v1/auth/forward").await.status, 401);
        let request = grace(&server).request("POST", "/v1/auth/introspect");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let told = grace(&server).send(request.body(format!("token={token}"))).await;
        assert_eq!(told.text, r#"{"active":false}"#);
    }
    assert_eq!(server.browser().post("/api/v1/auth/refresh", refresh).await.status, 401);
    // Neither a code that was mailed before, nor another one.
    let late = server.browser().verify(&under_way, &code).await;
    assert_eq!(refused(&late), (409, "email_moved".into()));
    assert_eq!(login(&server, OLD).await, Err("email_moved".into()));

    let mut new = server.signed_in(NEW).await;
    assert_eq!(user_id(&mut new).await, user);
    assert_eq!(new.get("/v1/auth/me").await.json()["user"]["email"], NEW);
    assert_eq!(new.get("/v1/auth/devices").await.json()["devices"].as_array().unwrap().len(), 1);
    let forgotten = server.types().await.iter().filter(|it| *it == "DeviceForgotten.v1").count();
    assert_eq!(forgotten, 3, "the devices of the lost mailbox");

    // Who got no answer asks again, and nothing more happens.
    let length = server.log().await.len();
    let again = move_to(&server, &user, &NEW.to_uppercase()).await.json();
    assert_eq!((&again["changed"], &again["position"]), (&json!(false), &json!(0)));
    assert_eq!(again["objection_until"], done.json()["objection_until"]);
    assert_eq!(server.log().await.len(), length);
    assert_eq!(new.get("/v1/auth/me").await.status, 200);

    let timeline = grace(&server).get(&format!("/v1/admin/users/{user}/timeline")).await.json();
    let lines = timeline.as_array().unwrap().iter();
    let told: Vec<_> = lines.filter(|line| line["text"].as_str().unwrap().contains(WHY)).collect();
    let [line] = told[..] else { panic!("{told:?}") };
    assert_eq!(line["actor"], "operator:grace");
    let text = line["text"].as_str().unwrap();
    assert!(text.starts_with("was moved to the address a"), "{text}");
    assert!(text.contains(" by an operator") && !text.contains(NEW), "{text}");
    let own = new.get("/v1/auth/export").await.text;
    assert!(own.contains(WHY) && !own.contains("grace"), "{own}");
}

#[on_every_store]
async fn the_previous_address_objects_to_a_deceived_operator() {
    let server = operated().await;
    let mut ada = server.signed_in(OLD).await;
    let user = user_id(&mut ada).await;
    assert_eq!(move_to(&server, &user, "eve@example.net").await.status, 200);
    let mut eve = server.signed_in("eve@example.net").await;
    assert_eq!(user_id(&mut eve).await, user);
    let told = notices(&server, OLD);
    let [(link, text)] = &told[..] else { panic!("{told:?}") };
    assert!(text.contains("The people who run the site changed it") && text.contains("72 hours"));
    let path = &link[link.find("/v1/auth/email/objection/").unwrap()..];
    assert_eq!(server.browser().post(path, "").await.status, 200);
    assert_eq!(eve.get("/v1/auth/me").await.status, 401);
    assert_eq!(login(&server, OLD).await, Ok(user.clone()));
    let eves = login(&server, "eve@example.net").await.unwrap();
    assert_ne!(eves, user, "the address is free");
    assert_eq!(server.browser().post(path, "").await.status, 404, "once");
    // The operator learned better, and the account moves once more.
    assert_eq!(move_to(&server, &user, NEW).await.status, 200);
    assert_eq!(login(&server, NEW).await, Ok(user));
}

#[on_every_store]
async fn a_mistyped_address_is_put_right_by_way_of_the_previous_one() {
    let server = operated().await;
    let mut ada = server.signed_in(OLD).await;
    let user = user_id(&mut ada).await;
    assert_eq!(move_to(&server, &user, "typo@example.net").await.status, 200);
    let other = move_to(&server, &user, NEW).await;
    assert_eq!(refused(&other), (409, "email_change_open".into()));
    let back = move_to(&server, &user, OLD).await;
    assert_eq!((back.status, back.json().get("objection_until")), (200, None), "{}", back.text);
    assert_eq!(login(&server, OLD).await, Ok(user.clone()));
    assert_ne!(login(&server, "typo@example.net").await.unwrap(), user);
    assert_eq!(move_to(&server, &user, NEW).await.status, 200);
    assert_eq!(login(&server, NEW).await, Ok(user.clone()));
    // After the time for objections it moves on, and the first address is anybody's.
    server.pass(Duration::from_hours(73));
    assert_eq!(move_to(&server, &user, "ada@example.org").await.status, 200);
    until("the address is free", async || {
        server.app.sweep_now().await;
        login(&server, OLD).await.is_ok_and(|id| id != user)
    })
    .await;
}

#[on_every_store]
async fn what_cannot_be_moved_is_told_and_nothing_changes() {
    let server = operated().await;
    let mut ada = server.signed_in(OLD).await.with_csrf();
    let user = user_id(&mut ada).await;
    let mut bob = server.signed_in("bob@example.com").await;
    let bobs = user_id(&mut bob).await;
    let gone = login(&server, "gone@example.com").await.unwrap();
    let erased = grace(&server).post(&format!("/v1/admin/users/{gone}/erase"), "").await;
    assert_eq!(erased.status, 200);
    assert_eq!(move_to(&server, &bobs, "bob@example.net").await.status, 200);
    server.settle().await;
    let length = server.log().await.len();
    let path = format!("/v1/admin/users/{user}/email");
    let typed =
        |email: &str, reason: Value| json!({ "email": email, "reason": reason }).to_string();
    let bodies = [
        (typed("nobody", json!(WHY)), "invalid_email"),
        (json!({ "reason": WHY }).to_string(), "invalid_email"),
        (typed(NEW, json!(" ")), "invalid_parameter"),
        (typed(NEW, json!("x".repeat(501))), "invalid_parameter"),
        (typed(NEW, json!("a\nb")), "invalid_parameter"),
        (json!({ "email": NEW }).to_string(), "invalid_parameter"),
        ("{".to_owned(), "invalid_json"),
        (typed(NEW, json!([])), "invalid_json"),
    ];
    for (body, error) in bodies {
        let answer = grace(&server).post(&path, body.clone()).await;
        assert_eq!(refused(&answer), (400, error.into()), "{body}");
    }
    let stranger = server.browser().post(&path, typed(NEW, json!(WHY))).await;
    assert_eq!(refused(&stranger), (401, "admin_token_invalid".into()));
    for (id, email, status, error) in [
        ("x", NEW, 400, "invalid_parameter"),
        ("0190f5c0-7a10-7c4e-8f00-000000000001", NEW, 404, "not_found"),
        (gone.as_str(), NEW, 404, "not_found"),
        (&user, " Ada@Example.com ", 409, "email_unchanged"),
        (&user, "bob@example.net", 409, "email_taken"),
        (&user, "bob@example.com", 409, "email_taken"),
        (&bobs, NEW, 409, "email_change_open"),
    ] {
        let answer = move_to(&server, id, email).await;
        assert_eq!(refused(&answer), (status, error.into()), "{id} {email}");
    }
    assert_eq!(server.log().await.len(), length);

    assert_eq!(ada.post("/v1/auth/erasure", "").await.status, 202);
    assert_eq!(refused(&move_to(&server, &user, NEW).await), (409, "erasure_requested".into()));
    let body = json!({ "reason": WHY }).to_string();
    let suspend = format!("/v1/admin/users/{user}/suspend");
    assert_eq!(grace(&server).post(&suspend, body).await.status, 200);
    assert_eq!(refused(&move_to(&server, &user, NEW).await), (409, "user_suspended".into()));
    let claims = server.types().await.iter().filter(|it| *it == "MailboxClaimed.v1").count();
    assert_eq!(claims, 4, "three sign-ups and the move of bob");
}

#[on_every_store]
async fn an_address_that_two_operators_and_a_newcomer_want_gets_one_owner() {
    let server = operated().await;
    let mut users = vec![];
    for name in ["ada", "bob"] {
        users.push(login(&server, &format!("{name}@example.com")).await.unwrap());
    }
    let prize = "prize@example.com";
    let mut newcomer = server.browser();
    let request_id = newcomer.start(prize).await;
    let code = server.code(prize);
    let (ada, bob, signed_up) = futures::join!(
        move_to(&server, &users[0], prize),
        move_to(&server, &users[1], prize),
        newcomer.verify(&request_id, &code)
    );
    let won: Vec<_> = [&ada, &bob].into_iter().map(|answer| answer.status == 200).collect();
    for lost in [&ada, &bob].into_iter().filter(|answer| answer.status != 200) {
        assert_eq!(refused(lost), (409, "email_taken".into()));
    }
    // Who reads the mail comes in as its owner, but not in the moment before the account is there.
    if signed_up.status != 200 {
        assert_eq!(refused(&signed_up), (409, "email_moved".into()));
    }
    server.settle().await;
    let owner = login(&server, prize).await.unwrap();
    match won[..] {
        [true, false] => assert_eq!(owner, users[0]),
        [false, true] => assert_eq!(owner, users[1]),
        [false, false] => assert!(!users.contains(&owner) && signed_up.status == 200),
        _ => panic!("two owners"),
    }
    for (user, (name, won)) in users.iter().zip(["ada", "bob"].into_iter().zip(won)) {
        let old = login(&server, &format!("{name}@example.com")).await;
        assert_eq!(old, if won { Err("email_moved".into()) } else { Ok(user.clone()) });
    }
}

#[on_every_store]
async fn two_orders_for_one_user_end_in_one_address() {
    let server = operated().await;
    let user = login(&server, OLD).await.unwrap();
    let addresses = ["one@example.com", "two@example.com", "one@example.com"];
    let orders = addresses.map(|email| move_to(&server, &user, email));
    let answers = futures::future::join_all(orders).await;
    let mut kept = None;
    for (answer, email) in answers.iter().zip(addresses) {
        if answer.status == 200 {
            assert!(kept.is_none_or(|kept| kept == email), "two addresses");
            kept = Some(email);
        } else {
            assert_eq!(refused(answer), (409, "email_change_open".into()));
        }
    }
    assert_eq!(login(&server, kept.unwrap()).await, Ok(user.clone()));
    let moved = server.types().await.iter().filter(|it| *it == "EmailChanged.v1").count();
    assert_eq!(moved, 1);
    // An address that was claimed in vain is released, and no account's but that of who signs up.
    server.pass(Duration::from_mins(2));
    let lost = addresses.into_iter().find(|email| Some(*email) != kept).unwrap();
    until("the other address is free", async || {
        server.app.sweep_now().await;
        login(&server, lost).await.is_ok_and(|id| id != user)
    })
    .await;
    let log = server.log().await;
    let by = log.iter().filter(|recorded| recorded.event.event_type() == "EmailChanged.v1");
    let by: Vec<_> = by.map(|recorded| recorded.metadata.actor.clone()).collect();
    assert_eq!(by, [Actor::Operator("grace".into())]);
}

#[on_every_store]
async fn what_others_did_with_the_address_before_is_not_the_users() {
    let server = operated().await;
    let said = json!({ "referrerUrl": "https://news.test/eve", "utmSource": "app" });
    assert!(app_login(&server, NEW, said).await["data"]["accessToken"].is_string());
    let mut eve = server.signed_in(NEW).await.with_csrf();
    assert_eq!(change(&server, &mut eve, "eve@example.org").await.status, 200);
    server.pass(Duration::from_hours(73));
    until("the address is free", async || {
        server.app.sweep_now().await;
        server.types().await.iter().any(|name| name == "MailboxReleased.v1")
    })
    .await;
    server.browser().start(NEW).await;
    let user = login(&server, OLD).await.unwrap();
    assert_eq!(move_to(&server, &user, NEW).await.status, 200);
    let own = server.signed_in(NEW).await.get("/v1/auth/export").await.json();
    let timeline = own["timeline"].as_array().unwrap().iter();
    let starts = timeline.filter(|line| line["type"] == "LoginStarted.v1").count();
    assert_eq!(starts, 2, "one with each address");
    let erased = server.app.erase_user(user.parse().unwrap(), "test").await.unwrap();
    assert_eq!(erased.removed.touches, 0);
}
