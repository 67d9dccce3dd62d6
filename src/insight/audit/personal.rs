//! Personal data that is shown to a reader: masked, unless it was asked for in clear.

use std::net::IpAddr;

use whence_events::{Client, EmailAddress, Pii};

use crate::infra::plain::plain;

/// The text for data whose key is destroyed.
const ERASED: &str = "(erased)";

/// The ways to show personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Masked data is enough to recognise what the reader knows already.
    Masked,
    /// Open data is shown as it is.
    Open,
}

impl Show {
    /// Returns `Open` when it was asked for.
    #[must_use]
    pub fn open_if(open: bool) -> Self {
        if open { Self::Open } else { Self::Masked }
    }

    pub(super) fn is_open(self) -> bool {
        self == Self::Open
    }

    pub(super) fn email(self, email: &Pii<EmailAddress>) -> String {
        let Some(email) = email.clear() else { return ERASED.into() };
        match self {
            Self::Open => plain(email.as_str()),
            Self::Masked => {
                let first = email.as_str().chars().next().unwrap_or('*');
                format!("{first}***@{}", email.domain())
            }
        }
    }

    pub(super) fn name(self, name: &Pii<String>) -> String {
        let Some(name) = name.clear() else { return ERASED.into() };
        match self {
            Self::Open => plain(name),
            Self::Masked => format!("{}***", name.chars().next().unwrap_or('*')),
        }
    }

    /// Returns the page that a visitor came from.
    pub(super) fn url(self, url: &Pii<String>) -> String {
        let Some(url) = url.clear() else { return ERASED.into() };
        match self {
            Self::Open => plain(url),
            Self::Masked => {
                let parsed = url::Url::parse(url).ok();
                let host = parsed.as_ref().and_then(url::Url::host_str);
                host.map_or_else(|| "***".into(), |host| format!("{host}/***"))
            }
        }
    }

    pub(super) fn client(self, client: &Pii<Client>) -> String {
        let Some(client) = client.clear() else { return ERASED.into() };
        let ip = client.ip.map_or_else(|| "an unknown address".into(), |ip| self.ip(ip));
        match (self, &client.user_agent) {
            (Self::Open, Some(agent)) => format!("{ip} with {}", plain(agent)),
            (Self::Open | Self::Masked, _) => ip,
        }
    }

    pub(crate) fn ip(self, ip: IpAddr) -> String {
        match (self, ip) {
            (Self::Open, ip) => ip.to_string(),
            (Self::Masked, IpAddr::V4(ip)) => {
                let [a, b, c, _] = ip.octets();
                format!("{a}.{b}.{c}.*")
            }
            (Self::Masked, IpAddr::V6(ip)) => {
                let [a, b, c, ..] = ip.segments();
                format!("{a:x}:{b:x}:{c:x}:*")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_says_enough_to_recognise_and_no_more() {
        let email = Pii::Clear(EmailAddress::parse("ada.lovelace@example.com").unwrap());
        assert_eq!(Show::Masked.email(&email), "a***@example.com");
        assert_eq!(Show::Open.email(&email), "ada.lovelace@example.com");
        let client = |ip: &str| {
            let user_agent = Some("Browser/1".into());
            Pii::Clear(Client { ip: ip.parse().ok(), user_agent })
        };
        assert_eq!(Show::Masked.client(&client("203.0.113.7")), "203.0.113.*");
        assert_eq!(Show::Masked.client(&client("2001:db8:7:8::9")), "2001:db8:7:*");
        assert_eq!(Show::Open.client(&client("203.0.113.7")), "203.0.113.7 with Browser/1");
        let url = Pii::Clear("https://blog.example.org/private?q=1".to_owned());
        assert_eq!(Show::Masked.url(&url), "blog.example.org/***");
        assert_eq!(Show::Masked.url(&Pii::Clear("not one".into())), "***");
    }

    #[test]
    fn what_was_erased_is_erased_to_everybody() {
        for show in [Show::Masked, Show::Open] {
            assert_eq!(show.email(&Pii::Erased), "(erased)");
            assert_eq!(show.client(&Pii::Erased), "(erased)");
            assert_eq!(show.name(&Pii::Erased), "(erased)");
            assert_eq!(show.url(&Pii::Erased), "(erased)");
        }
    }

    #[test]
    fn what_a_client_sent_does_not_steer_a_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
    }
}
