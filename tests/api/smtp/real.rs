//! Against `mailin-embedded`, an SMTP server that is not lettre's.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use mail_parser::{Message, MessageParser, MimeHeaders as _};
use mailin_embedded::response::{AUTH_OK, INTERNAL_ERROR, INVALID_CREDENTIALS, NO_MAILBOX, OK};
use mailin_embedded::{AuthMechanism, Handler, Response, Server, SslConfig};
use whence::infra::mail::Limits;
use whence_events::DeliveryFailure;

use crate::smtp::{address, limits, login_code, mailer};

/// What the server saw; shared with the handlers of its connections.
#[derive(Default)]
struct Seen {
    hellos: usize,
    logins: usize,
    senders: usize,
    mails: Vec<(Vec<String>, Vec<u8>)>,
}

#[derive(Clone, Default)]
struct Inbox {
    seen: Arc<Mutex<Seen>>,
    to: Vec<String>,
    data: Vec<u8>,
}

impl Handler for Inbox {
    fn helo(&mut self, _: IpAddr, _: &str) -> Response {
        self.seen.lock().unwrap().hellos += 1;
        OK
    }

    fn mail(&mut self, _: IpAddr, _: &str, from: &str) -> Response {
        assert_eq!(from, "login@example.com");
        self.seen.lock().unwrap().senders += 1;
        OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        if to.starts_with("nobody@") { NO_MAILBOX } else { OK }
    }

    fn data_start(&mut self, _: &str, _: &str, _: bool, to: &[String]) -> Response {
        (self.to, self.data) = (to.to_vec(), Vec::new());
        OK
    }

    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.data.extend_from_slice(bytes);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        if self.to.iter().any(|to| to.starts_with("later@")) {
            return INTERNAL_ERROR;
        }
        let mail = (std::mem::take(&mut self.to), std::mem::take(&mut self.data));
        self.seen.lock().unwrap().mails.push(mail);
        OK
    }

    fn auth_plain(&mut self, _: &str, user: &str, password: &str) -> Response {
        self.seen.lock().unwrap().logins += 1;
        if (user, password) == ("ada", "p+w é") { AUTH_OK } else { INVALID_CREDENTIALS }
    }
}

fn start(ssl: SslConfig, login: bool) -> (u16, Arc<Mutex<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let inbox = Inbox::default();
    let seen = Arc::clone(&inbox.seen);
    let mut server = Server::new(inbox);
    server.with_num_threads(16).with_tcp_listener(listener).with_ssl(ssl).unwrap();
    if login {
        server.with_auth(AuthMechanism::Plain);
    }
    // Serves until the process ends.
    std::thread::spawn(move || server.serve().unwrap());
    (port, seen)
}

/// A server with STARTTLS, which may want a login first, and the certificate to trust it by.
fn start_with_tls(login: bool) -> (u16, Arc<Mutex<Seen>>, Limits) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (cert_path, key_path) = (path("cert.pem"), path("key.pem"));
    std::fs::write(&cert_path, made.cert.pem()).unwrap();
    std::fs::write(&key_path, made.signing_key.serialize_pem()).unwrap();
    let ssl = SslConfig::SelfSigned { cert_path, key_path };
    // This server lets rustls choose, which cannot choose between two.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (port, seen) = start(ssl, login);
    (port, seen, Limits { extra_roots: made.cert.pem().into_bytes(), ..limits(5_000) })
}

fn parse(bytes: &[u8]) -> Message<'_> {
    MessageParser::default().parse(bytes).unwrap()
}

#[tokio::test]
async fn a_mail_arrives_with_both_parts_and_its_headers() {
    let (port, seen) = start(SslConfig::None, false);
    let mailer = mailer("", port, "", &limits(5_000));
    mailer.send(&address("ada@example.org"), &login_code("042424")).await.unwrap();

    let seen = seen.lock().unwrap();
    let [(to, bytes)] = seen.mails.as_slice() else { panic!("{} mails", seen.mails.len()) };
    assert_eq!(to, &["ada@example.org"]);
    let mail = parse(bytes);
    let from = mail.from().unwrap().first().unwrap();
    assert_eq!((from.name(), from.address()), (Some("Exämple"), Some("login@example.com")));
    assert_eq!(mail.to().unwrap().first().unwrap().address(), Some("ada@example.org"));
    assert_eq!(mail.subject(), Some("Your login code for Exämple & Co"));
    assert_eq!(mail.header_raw("Auto-Submitted").unwrap().trim(), "auto-generated");
    assert!(mail.message_id().unwrap().ends_with("@example.com") && mail.date().is_some());
    assert!(mail.content_type().is_some_and(|kind| kind.subtype() == Some("alternative")));
    for (part, site) in [
        (mail.body_text(0).unwrap(), "Exämple & Co"),
        (mail.body_html(0).unwrap(), "Exämple &#38; Co"),
    ] {
        assert!(part.contains("042424") && part.contains(site), "{part}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_sends_at_once_share_few_connections() {
    let (port, seen) = start(SslConfig::None, false);
    let mailer = mailer("", port, "", &Limits { connections: 4, ..limits(30_000) });
    let sends = (0..100).map(|n| {
        let mailer = mailer.clone();
        tokio::spawn(async move {
            let (to, mail) = (format!("u{n}@example.org"), login_code(&format!("{n:06}")));
            mailer.send(&address(&to), &mail).await
        })
    });
    for sent in join_all(sends).await {
        sent.unwrap().unwrap();
    }
    let seen = seen.lock().unwrap();
    assert!(seen.hellos <= 4, "{} connections", seen.hellos);
    let by_person: HashMap<_, _> =
        seen.mails.iter().map(|(to, bytes)| (to[0].as_str(), parse(bytes))).collect();
    assert_eq!((seen.mails.len(), by_person.len()), (100, 100));
    for n in 0..100 {
        let mail = &by_person[format!("u{n}@example.org").as_str()];
        assert!(mail.body_text(0).unwrap().contains(&format!("    {n:06}")));
    }
}

#[tokio::test]
async fn a_refusal_has_its_class_and_leaves_the_connection_usable() {
    let (port, seen) = start(SslConfig::None, false);
    let mailer = mailer("", port, "", &limits(5_000));
    let mut outcomes = Vec::new();
    for to in ["nobody@example.org", "ada@example.org", "later@example.org"] {
        outcomes.push(mailer.send(&address(to), &login_code("042424")).await);
    }
    let expected = [Err(DeliveryFailure::Rejected), Ok(()), Err(DeliveryFailure::Deferred)];
    assert_eq!(outcomes, expected);
    let seen = seen.lock().unwrap();
    assert_eq!((seen.hellos, seen.mails.len()), (1, 1));
}

#[tokio::test]
async fn with_a_trusted_certificate_it_logs_in_and_sends() {
    let (port, seen, limits) = start_with_tls(true);
    let mailer = mailer("ada:p%2Bw%20%C3%A9@", port, "", &limits);
    mailer.send(&address("ada@example.org"), &login_code("042424")).await.unwrap();
    let seen = seen.lock().unwrap();
    // The second hello is the one inside of TLS.
    assert_eq!((seen.hellos, seen.logins, seen.mails.len()), (2, 1, 1));
}

#[tokio::test]
async fn a_wrong_password_is_untrusted() {
    let (port, seen, limits) = start_with_tls(true);
    let mailer = mailer("ada:wrong@", port, "", &limits);
    let sent = mailer.send(&address("ada@example.org"), &login_code("042424")).await;
    assert_eq!(sent, Err(DeliveryFailure::Untrusted));
    let seen = seen.lock().unwrap();
    assert_eq!((seen.logins, seen.senders), (1, 0));
}

#[tokio::test]
async fn an_unknown_certificate_is_untrusted_and_gets_no_password() {
    let (port, seen, _) = start_with_tls(true);
    let mailer = mailer("ada:p%2Bw%20%C3%A9@", port, "", &limits(5_000));
    let sent = mailer.send(&address("ada@example.org"), &login_code("042424")).await;
    assert_eq!(sent, Err(DeliveryFailure::Untrusted));
    let seen = seen.lock().unwrap();
    assert_eq!((seen.logins, seen.senders), (0, 0));
}

#[tokio::test]
async fn a_local_relay_with_a_certificate_of_its_own_is_used_with_tls() {
    let (port, seen, _) = start_with_tls(false);
    let mailer = mailer("", port, "", &limits(5_000));
    mailer.send(&address("ada@example.org"), &login_code("042424")).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!((seen.hellos, seen.mails.len()), (2, 1));
}
