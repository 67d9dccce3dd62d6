//! The content of mails. The words are in the templates next to this file: `.txt` for every reader,
//! `.html` for most.
//!
//! Values are cleaned before they meet a template: one line each, without control characters or
//! characters that reorder text. `.html` templates escape them as well.

mod templates;

use std::fmt;

use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue, MessageId};
use lettre::message::{Mailbox, MultiPart};
use url::Url;
use whence_events::DeliveryFailure;
use whence_events::EmailAddress;

use templates::Words;

/// A mail to a user.
#[derive(Clone, PartialEq, Eq)]
pub enum Mail {
    /// The code of a login. The mail holds no link: mail scanners open links, and people learn to open
    /// them.
    LoginCode {
        /// The name of the site that asks, as its users know it.
        site: String,
        /// The code, of ASCII letters and digits.
        code: CodeText,
        /// The host of the site's pages, for browsers and phones that fill the code in there and nowhere
        /// else.
        page_host: Option<String>,
        /// How long the code is valid, in minutes.
        minutes: u32,
        /// Where the login was asked from, as in "a phone in Germany"; `None` when that is unknown.
        asked_from: Option<String>,
        /// Whether the subject shows the code. Subjects appear on locked screens.
        code_in_subject: bool,
    },
    /// The code that moves an account to the address. It logs nobody in.
    ChangeCode {
        /// The name of the site.
        site: String,
        /// The code.
        code: CodeText,
        /// The host of the site's pages.
        page_host: Option<String>,
        /// How long the code is valid, in minutes.
        minutes: u32,
    },
    /// That an account was to move to the address, which another account has.
    AddressInUse {
        /// The name of the site.
        site: String,
    },
    /// That an account has moved away from the address, with the way to object.
    AddressChanged {
        /// The name of the site.
        site: String,
        /// The page on which one can object.
        link: String,
        /// Whether an operator moved it.
        by_operator: bool,
        /// How long one can object, in hours.
        hours: u32,
        /// A text that is the same each time this very mail is sent.
        reference: String,
    },
    /// The first mail to a new account.
    Welcome {
        /// The name of the site, as its users know it.
        site: String,
        /// The referral link of the user, http or https.
        link: String,
        /// A text that is the same each time this very mail is sent. A mail that is sent twice, because
        /// of a crash between sending it and recording that, has one Message-ID, and readers show it
        /// once.
        reference: String,
    },
    /// The notice that the user asked to be erased, and how to undo it. It holds no link, as the mail
    /// of a login.
    ErasureRequested {
        /// The name of the site, as its users know it.
        site: String,
        /// The time from which the account is erased, as text.
        due: String,
    },
}

/// A one-time code on its way into a mail. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeText(Box<str>);

impl CodeText {
    /// Returns the code itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for CodeText {
    fn from(code: &str) -> Self {
        Self(code.into())
    }
}

impl fmt::Debug for CodeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeText(..)")
    }
}

impl Mail {
    /// Returns the code, when this is a login mail.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::LoginCode { code, .. } | Self::ChangeCode { code, .. } => Some(code.as_str()),
            Self::Welcome { .. }
            | Self::ErasureRequested { .. }
            | Self::AddressInUse { .. }
            | Self::AddressChanged { .. } => None,
        }
    }

    /// Renders the mail. Fails with `Local` when a value cannot be used: an empty site, a code that
    /// is none, a link that is not http or https.
    pub fn render(&self) -> Result<Rendered, DeliveryFailure> {
        match self {
            Self::LoginCode { site, code, page_host, minutes, asked_from, code_in_subject } => {
                let site = &site_name(site)?;
                let code = checked_code(code)?;
                let minutes = *minutes;
                let asked_from = asked_from.as_deref().map(one_line);
                let asked_from = asked_from.as_deref().filter(|place| !place.is_empty());
                let subject = if *code_in_subject {
                    format!("{code} is your login code for {site}")
                } else {
                    format!("Your login code for {site}")
                };
                let page_host = page_host.as_deref().filter(|host| is_host(host));
                let words = templates::LoginCode { site, code, page_host, minutes, asked_from };
                rendered(subject, &words)
            }
            Self::ChangeCode { site, code, page_host, minutes } => {
                let site = &site_name(site)?;
                let code = checked_code(code)?;
                let minutes = *minutes;
                let subject = format!("Your code to change your address at {site}");
                let page_host = page_host.as_deref().filter(|host| is_host(host));
                rendered(subject, &templates::ChangeCode { site, code, page_host, minutes })
            }
            Self::AddressInUse { site } => {
                let site = &site_name(site)?;
                let subject = format!("Your address at {site}");
                rendered(subject, &templates::AddressInUse { site })
            }
            Self::AddressChanged { site, link, by_operator, hours, .. } => {
                let site = &site_name(site)?;
                let link = checked_link(link)?;
                let (link, by_operator, hours) = (link.as_str(), *by_operator, *hours);
                let subject = format!("Your account at {site} has another address now");
                let words = templates::AddressChanged { site, link, by_operator, hours };
                rendered(subject, &words)
            }
            Self::Welcome { site, link, .. } => {
                let site = &site_name(site)?;
                let link = checked_link(link)?;
                let link = link.as_str();
                let subject = format!("Welcome to {site}");
                rendered(subject, &templates::Welcome { site, link })
            }
            Self::ErasureRequested { site, due } => {
                let (site, due) = (&site_name(site)?, &one_line(due));
                let subject = format!("Your account at {site} will be erased");
                rendered(subject, &templates::ErasureRequested { site, due })
            }
        }
    }
}

/// Shows the kind only: all the rest is secret or personal.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LoginCode { .. } => "LoginCode(..)",
            Self::ChangeCode { .. } => "ChangeCode(..)",
            Self::AddressInUse { .. } => "AddressInUse(..)",
            Self::AddressChanged { .. } => "AddressChanged(..)",
            Self::Welcome { .. } => "Welcome(..)",
            Self::ErasureRequested { .. } => "ErasureRequested(..)",
        })
    }
}

/// A mail as its reader sees it.
pub struct Rendered {
    /// The subject, of one line.
    pub subject: String,
    /// The text for mail programs that do not show HTML.
    pub text: String,
    /// The same words as HTML.
    pub html: String,
}

/// Returns the whole mail, with its headers. All of it is ASCII on the wire, but for the name of a mailbox
/// that has other letters (RFC 6532).
pub(super) fn build(
    mail: &Mail,
    from: &Mailbox,
    to: &EmailAddress,
) -> Result<Message, DeliveryFailure> {
    let local = |_| DeliveryFailure::Local;
    let Rendered { subject, text, html } = mail.render()?;
    let to = Mailbox::new(None, to.as_str().parse().map_err(|_| DeliveryFailure::Local)?);
    let mut message = Message::builder()
        .from(from.clone())
        .to(to)
        .subject(subject)
        .date_now()
        .message_id(None)
        .raw_header(raw("Auto-Submitted", "auto-generated")) // RFC 3834, section 5
        .raw_header(raw("X-Auto-Response-Suppress", "All")) // the same, for Exchange
        .multipart(MultiPart::alternative_plain_html(text, html))
        .map_err(local)?;
    match mail {
        Mail::AddressChanged { reference, .. } => {
            let id = format!("<changed.{}@{}>", one_line(reference), from.email.domain());
            message.headers_mut().set(MessageId::from(id));
        }
        Mail::LoginCode { .. }
        | Mail::ChangeCode { .. }
        | Mail::AddressInUse { .. }
        | Mail::ErasureRequested { .. } => {
            hide_host_name(&mut message, from.email.domain());
        }
        Mail::Welcome { reference, .. } => {
            let id = format!("<welcome.{}@{}>", one_line(reference), from.email.domain());
            message.headers_mut().set(MessageId::from(id));
        }
    }
    Ok(message)
}

/// Replaces the end of the generated Message-ID by the domain of the sender: it is the name of this
/// machine, which should not become public.
fn hide_host_name(message: &mut Message, domain: &str) {
    if let Some(id) = message.headers().get::<MessageId>() {
        let id = id.as_ref().to_owned();
        let unique = id.split('@').next().unwrap_or(&id);
        message.headers_mut().set(MessageId::from(format!("{unique}@{domain}>")));
    }
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn rendered(subject: String, words: &impl Words) -> Result<Rendered, DeliveryFailure> {
    let local = |_| DeliveryFailure::Local;
    let text = words.render().map_err(local)?;
    let html = words.html(&subject).map_err(local)?;
    Ok(Rendered { subject, text, html })
}

fn site_name(site: &str) -> Result<String, DeliveryFailure> {
    Some(one_line(site)).filter(|site| !site.is_empty()).ok_or(DeliveryFailure::Local)
}

fn checked_code(code: &CodeText) -> Result<&str, DeliveryFailure> {
    let code = code.as_str();
    let valid = (1..=32).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    if valid { Ok(code) } else { Err(DeliveryFailure::Local) }
}

/// Returns whether a text can be the host of a line that begins with `@`.
fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
}

fn checked_link(link: &str) -> Result<Url, DeliveryFailure> {
    let link = Url::parse(link).map_err(|_| DeliveryFailure::Local)?;
    if matches!(link.scheme(), "http" | "https") { Ok(link) } else { Err(DeliveryFailure::Local) }
}

/// Returns the text on one line of at most 80 characters, without anything that ends a header or makes
/// text read other than it is written (Unicode bidirectional controls, zero-width characters).
fn one_line(text: &str) -> String {
    let hidden = |c: char| {
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(c, '\u{61c}' | '\u{feff}')
    };
    let spaced: String =
        text.chars().map(|c| if c.is_control() || hidden(c) { ' ' } else { c }).take(400).collect();
    let words: Vec<_> = spaced.split_whitespace().collect();
    words.join(" ").chars().take(80).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::infra::mail) fn login_code(code: &str) -> Mail {
        Mail::LoginCode {
            site: "Example".into(),
            code: code.into(),
            page_host: Some("login.example.com".into()),
            minutes: 10,
            asked_from: Some("a phone in Germany".into()),
            code_in_subject: false,
        }
    }

    pub(in crate::infra::mail) fn welcome() -> Mail {
        Mail::Welcome {
            site: "Example".into(),
            link: "https://example.com/?ref=ada&x=1".into(),
            reference: "7".into(),
        }
    }

    fn login_mail(site: &str, from: Option<&str>, minutes: u32, code_in_subject: bool) -> Mail {
        Mail::LoginCode {
            site: site.into(),
            code: "042424".into(),
            page_host: None,
            minutes,
            asked_from: from.map(str::to_owned),
            code_in_subject,
        }
    }

    fn wire(mail: &Mail) -> String {
        let from = Mailbox::new(Some("Exämple".into()), "login@example.com".parse().unwrap());
        let to = EmailAddress::parse("ada@example.org").unwrap();
        String::from_utf8(build(mail, &from, &to).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_login_mail_says_who_asked_from_where_how_long_and_what_to_do() {
        let mail = login_code("042424").render().unwrap();
        for part in [&mail.text, &mail.html] {
            for needed in ["042424", "Example", "10 minutes", "a phone in Germany", "Not you?"] {
                assert!(part.contains(needed), "{needed} in {part}");
            }
        }
        let unknown = login_mail("Example", None, 1, false).render().unwrap();
        assert!(unknown.text.contains("1 minute ") || unknown.text.contains("1 minute."));
        assert!(!unknown.text.contains("from") && !unknown.html.contains("Asked for from"));
    }

    #[test]
    fn a_login_mail_has_no_link_and_loads_nothing() {
        let mail = login_code("042424").render().unwrap();
        for part in [mail.text, mail.html] {
            for bad in ["http", "href", "<img", "src=", "url(", "@import", "<script"] {
                assert!(!part.contains(bad), "{bad}");
            }
        }
    }

    #[test]
    fn the_last_line_of_the_text_is_read_by_browsers_and_phones() {
        let last = |host: Option<&str>| {
            let mut mail = login_code("042424");
            if let Mail::LoginCode { page_host, .. } = &mut mail {
                *page_host = host.map(str::to_owned);
            }
            let Rendered { text, html, .. } = mail.render().unwrap();
            assert!(!html.contains('#') || !html.contains("#042424"), "{html}");
            text.lines().last().unwrap_or_default().to_owned()
        };
        assert_eq!(last(Some("login.example.com")), "@login.example.com #042424");
        assert_eq!(last(Some("xn--mller-kva.example")), "@xn--mller-kva.example #042424");
        for host in [None, Some(""), Some("a b"), Some("a\r\n@b"), Some("a@b")] {
            assert!(last(host).starts_with("Please pass it on to nobody"), "{host:?}");
        }
    }

    #[test]
    fn the_code_is_in_the_subject_only_when_the_setting_says_so() {
        let subject = |shown| login_mail("Example", None, 10, shown).render().unwrap().subject;
        assert_eq!(subject(false), "Your login code for Example");
        assert_eq!(subject(true), "042424 is your login code for Example");
    }

    #[test]
    fn the_code_is_not_among_the_first_words_that_a_locked_screen_shows() {
        let mail = login_code("042424").render().unwrap();
        let body = mail.html.split_once("<body").unwrap().1;
        let shown: String =
            body.split('<').filter_map(|tag| Some(tag.split_once('>')?.1)).collect();
        for part in [mail.text, shown] {
            assert!(part.find("042424").unwrap() > 60, "{part}");
        }
    }

    #[test]
    fn values_are_escaped_in_html_and_plain_in_text() {
        let mail = login_mail("A<b>&\"'C", Some("<script>alert(1)</script>"), 10, false);
        let mail = mail.render().unwrap();
        assert!(!mail.html.contains("<b>&") && !mail.html.contains("<script>"));
        assert!(mail.html.contains("A&#60;b&#62;&#38;&#34;&#39;C"), "{}", mail.html);
        assert!(mail.text.contains("A<b>&\"'C"));
        let link = "https://example.com/?a=1&b=\"><script>".to_owned();
        let (site, reference) = ("Example".into(), "7".into());
        let mail = Mail::Welcome { site, link, reference }.render().unwrap();
        assert!(!mail.html.contains("<script>") && mail.html.contains("?a=1&#38;b="));
    }

    #[test]
    fn a_value_cannot_add_a_header_or_reorder_text() {
        let site = "Exam\r\nBcc: eve@example.net\r\n\r\nple\u{202e}x";
        let mail = login_mail(site, Some("a\r\n.\r\nMAIL FROM:<x@y.z>"), 10, true);
        let wire = wire(&mail);
        let head = wire.split_once("\r\n\r\n").unwrap().0;
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert!(!wire.contains("\r\nMAIL") && !wire.contains('\u{202e}'));
        assert_eq!(one_line(site), "Exam Bcc: eve@example.net ple x");
        assert_eq!(one_line(&"é".repeat(500)).chars().count(), 80);
    }

    #[test]
    fn what_cannot_be_used_is_a_local_failure() {
        let code = |code: &str| Mail::LoginCode {
            site: "Example".into(),
            code: code.into(),
            page_host: None,
            minutes: 10,
            asked_from: None,
            code_in_subject: true,
        };
        let link = |link: &str| Mail::Welcome {
            site: "Example".into(),
            link: link.into(),
            reference: "7".into(),
        };
        for mail in [
            login_mail(" \r\n ", None, 10, false),
            code(""),
            code("12\r\n34"),
            code("<b>"),
            link("javascript:alert(1)"),
            link("example.com"),
        ] {
            assert_eq!(mail.render().err(), Some(DeliveryFailure::Local));
        }
    }

    #[test]
    fn the_wire_is_ascii_with_the_headers_of_an_automatic_mail() {
        let wire = wire(&login_mail("Exämple", Some("un téléphone"), 10, false));
        assert!(wire.is_ascii());
        let head = wire.split_once("\r\n\r\n").unwrap().0;
        assert!(head.contains("\r\nAuto-Submitted: auto-generated\r\n"), "{head}");
        assert!(head.contains("Date: ") && head.contains("multipart/alternative"), "{head}");
        let id = head.lines().find(|line| line.starts_with("Message-ID: <")).unwrap();
        assert!(id.ends_with("@example.com>"), "{id}");
    }

    #[test]
    fn a_welcome_that_is_sent_again_is_the_same_mail() {
        let id =
            |wire: String| wire.lines().find(|l| l.starts_with("Message-ID")).map(str::to_owned);
        assert_eq!(id(wire(&welcome())).as_deref(), Some("Message-ID: <welcome.7@example.com>"));
    }

    #[test]
    fn debug_shows_no_code_and_no_address() {
        let shown = format!("{:?} {:?} {:?}", login_code("042424"), welcome(), CodeText::from("7"));
        assert_eq!(shown, "LoginCode(..) Welcome(..) CodeText(..)");
    }
}
