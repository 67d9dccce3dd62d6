//! Mailboxes with letters outside of ASCII, against a mail server of another make with SMTPUTF8 and
//! without.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_parser::MessageParser;
use serde_json::Value;
use whence_events::DeliveryFailure;
use whence_test_support::tool::running_script;

use crate::smtp::{address, limits, login_code, mailer};

/// A running mail server; dropping it ends it.
pub(crate) struct OtherMake {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
    pub(crate) port: u16,
}

/// A mail as the server took it.
pub(crate) struct Taken {
    pub(crate) to: String,
    pub(crate) options: Vec<String>,
    pub(crate) text: Vec<u8>,
}

impl OtherMake {
    pub(crate) fn start(kind: &str) -> Self {
        let mut command = running_script("smtp-server");
        command.arg(kind).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = said.next().expect("scripts/prepare --tests installs the server").unwrap();
        Self { child, said, port: port.parse().unwrap() }
    }

    /// The next mail.
    pub(crate) fn next(&mut self) -> Taken {
        let mail: Value = serde_json::from_str(&self.said.next().unwrap().unwrap()).unwrap();
        let texts = |name: &str| -> Vec<String> {
            let all = mail[name].as_array().unwrap().iter();
            all.map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let [to] = &texts("to")[..] else { panic!("one recipient") };
        Taken {
            to: to.clone(),
            options: texts("options"),
            text: STANDARD.decode(mail["text"].as_str().unwrap()).unwrap(),
        }
    }
}

impl Drop for OtherMake {
    fn drop(&mut self) {
        // It ends when its standard input does, which waiting closes.
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_offers_smtputf8_gets_the_name_and_the_domain_in_ascii() {
    let mut server = OtherMake::start("smtputf8");
    let mailer = mailer("", server.port, "", &limits(5_000));
    for to in ["Ольга.Ю@Müller.example", "ida@müller.example", "用户@example.org"] {
        mailer.send(&address(to), &login_code("042424")).await.unwrap();
    }
    let mail = server.next();
    assert_eq!(mail.to, "ольга.ю@xn--mller-kva.example");
    assert!(mail.options.contains(&"SMTPUTF8".to_owned()), "{:?}", mail.options);
    assert!(mail.options.contains(&"BODY=8BITMIME".to_owned()), "{:?}", mail.options);
    let parsed = MessageParser::default().parse(&mail.text).unwrap();
    let to = parsed.to().unwrap().first().unwrap();
    assert_eq!(to.address(), Some("ольга.ю@xn--mller-kva.example"));
    let text = parsed.body_text(0).unwrap();
    assert!(text.trim_end().ends_with("\n@login.example.com #042424"), "{text}");

    let mail = server.next();
    assert_eq!((mail.to.as_str(), mail.options.len()), ("ida@xn--mller-kva.example", 0));
    assert!(mail.text.is_ascii());
    assert_eq!(server.next().to, "用户@example.org");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_smtputf8_is_not_asked_and_takes_the_next_mail() {
    let mut server = OtherMake::start("ascii");
    let mailer = mailer("", server.port, "", &limits(5_000));
    for _ in 0..3 {
        let sent = mailer.send(&address("ольга@example.org"), &login_code("111111")).await;
        assert_eq!(sent, Err(DeliveryFailure::Unsupported));
    }
    mailer.send(&address("ada@example.org"), &login_code("042424")).await.unwrap();
    let mail = server.next();
    assert_eq!(mail.to, "ada@example.org");
    assert!(mail.text.is_ascii());
}
