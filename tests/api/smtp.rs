//! The mailer over sockets: against a real mail server, and against ones that misbehave.

#![expect(clippy::unwrap_used, reason = "the helpers of tests stop at what they did not expect")]

use std::time::Duration;

use whence::infra::mail::{Limits, Mail, Mailer, Sender};
use whence_events::EmailAddress;

pub(crate) mod misbehaving;
mod nagle;
mod real;
pub(crate) mod utf8;

/// A mailer to a server on this machine. `user` is `""` or `name:password@`, `tls` is `""` or `?…`.
fn mailer(user: &str, port: u16, tls: &str, limits: &Limits) -> Mailer {
    mailer_to(&format!("smtp://{user}127.0.0.1:{port}{tls}"), limits)
}

/// A mailer to the server that a URL names.
fn mailer_to(url: &str, limits: &Limits) -> Mailer {
    let from = Sender { name: "Exämple".into(), address: "login@example.com".into() };
    Mailer::open_with(url, &from, limits).unwrap()
}

/// Limits that a test reaches quickly.
fn limits(millis: u64) -> Limits {
    Limits { send_timeout: Duration::from_millis(millis), ..Limits::default() }
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn login_code(code: &str) -> Mail {
    Mail::LoginCode {
        site: "Exämple & Co".into(),
        code: code.into(),
        page_host: Some("login.example.com".into()),
        minutes: 10,
        asked_from: Some("a phone in Germany".into()),
        code_in_subject: false,
    }
}
