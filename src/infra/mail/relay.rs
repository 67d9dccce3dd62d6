//! The mail server that an `smtp://` or `smtps://` URL names.

use std::fmt;
use std::net::IpAddr;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::config::MailConfigError;

/// A mail server and how to connect to it.
pub(super) struct Relay {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) credentials: Option<Credentials>,
    /// The name that this machine gives to the server.
    pub(super) hello: ClientId,
}

/// When TLS begins.
#[derive(Clone)]
pub(super) enum Security {
    /// TLS begins with the first byte.
    Implicit(TlsParameters),
    /// TLS begins with STARTTLS, and without it nothing is sent.
    Required(TlsParameters),
    /// TLS begins with STARTTLS, if that is offered.
    Opportunistic(TlsParameters),
    /// There is no TLS.
    Clear,
}

impl Relay {
    /// Parses `smtp[s]://[user:password@]host[:port][?tls=required|opportunistic|none]`.
    pub(super) fn parse(spec: &str, extra_roots: &[u8]) -> Result<Self, MailConfigError> {
        let wrong = MailConfigError::Smtp;
        let url = Url::parse(spec).map_err(|_| {
            wrong("is no URL; a user or password with special characters is percent-encoded")
        })?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(wrong("has something between the host and the `?`, or a `#`"));
        }
        let (host, loopback) = host(&url)?;
        let credentials = credentials(&url)?;
        let security = security(&url, &host, loopback && credentials.is_none(), extra_roots)?;
        let default_port = match (&security, &credentials) {
            (Security::Implicit(_), _) => 465,
            (_, Some(_)) => 587,
            (_, None) => 25,
        };
        let port = url.port().unwrap_or(default_port);
        Ok(Self { host, port, security, credentials, hello: ClientId::default() })
    }
}

/// Returns the host, without brackets, and whether it is this machine.
fn host(url: &Url) -> Result<(String, bool), MailConfigError> {
    let missing = MailConfigError::Smtp("has no host");
    let name = match url.host().ok_or(missing)? {
        // A scheme unknown to the URL standard leaves IPv4 addresses among the names.
        Host::Domain(name) => name.to_ascii_lowercase(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    };
    let loopback = name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    Ok((name, loopback))
}

fn credentials(url: &Url) -> Result<Option<Credentials>, MailConfigError> {
    let decode = |text| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.map_err(|_| MailConfigError::Smtp("has a user or password that is no UTF-8"))
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err(MailConfigError::Smtp("has a password but no user")),
        (_, None) => Err(MailConfigError::Smtp("has a user but no password")),
        (user, Some(password)) => {
            let (user, password) = (decode(user)?, decode(password)?);
            Ok(Some(Credentials::new(user.into_owned(), password.into_owned())))
        }
    }
}

fn security(
    url: &Url,
    host: &str,
    trusts_wire: bool,
    roots: &[u8],
) -> Result<Security, MailConfigError> {
    let mut asked = None;
    for (name, value) in url.query_pairs() {
        if name != "tls" || asked.is_some() {
            return Err(MailConfigError::Smtp("has a parameter other than one `tls=`"));
        }
        asked = Some(value);
    }
    let default = if trusts_wire { "opportunistic" } else { "required" };
    match (url.scheme(), asked.as_deref()) {
        ("smtps", None | Some("required")) => Ok(Security::Implicit(tls(host, roots, true)?)),
        ("smtps", Some(_)) => Err(MailConfigError::Smtp("begins with `smtps`, so TLS is required")),
        (_, asked) => match asked.unwrap_or(default) {
            "required" => Ok(Security::Required(tls(host, roots, true)?)),
            "opportunistic" => Ok(Security::Opportunistic(tls(host, roots, false)?)),
            "none" => Ok(Security::Clear),
            _ => Err(MailConfigError::Smtp("knows `tls=required`, `opportunistic` and `none`")),
        },
    }
}

/// Returns the settings of TLS. A client that accepts clear text gains nothing by refusing a
/// certificate (RFC 7435, section 3): an attacker who can forge one can as well hide STARTTLS. A
/// local relay usually has a self-signed one.
fn tls(host: &str, roots: &[u8], verified: bool) -> Result<TlsParameters, MailConfigError> {
    let mut builder =
        TlsParameters::builder(host.to_owned()).dangerous_accept_invalid_certs(!verified);
    if !roots.is_empty() {
        let root = Certificate::from_pem(roots)
            .map_err(|_| MailConfigError::Smtp("goes with certificates that are no PEM"))?;
        builder = builder.add_root_certificate(root);
    }
    builder.build().map_err(|_| MailConfigError::Smtp("cannot be used with TLS"))
}

/// Shows neither the user nor the password.
impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let security = match self.security {
            Security::Implicit(_) => "TLS",
            Security::Required(_) => "STARTTLS required",
            Security::Opportunistic(_) => "STARTTLS when offered",
            Security::Clear => "no TLS",
        };
        write!(f, "{} port {}, {security}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shown(spec: &str) -> String {
        format!("{:?}", Relay::parse(spec, b"").unwrap())
    }

    #[test]
    fn a_url_names_host_port_and_security() {
        for (spec, expected) in [
            ("smtps://mail.example.com", "mail.example.com port 465, TLS"),
            ("smtps://u:p@mail.example.com:1465/", "mail.example.com port 1465, TLS"),
            ("smtp://mail.example.com", "mail.example.com port 25, STARTTLS required"),
            ("smtp://u:p@mail.example.com", "mail.example.com port 587, STARTTLS required"),
            ("smtp://u:p@localhost", "localhost port 587, STARTTLS required"),
            ("smtp://localhost", "localhost port 25, STARTTLS when offered"),
            ("smtp://127.0.0.1:1025", "127.0.0.1 port 1025, STARTTLS when offered"),
            ("smtp://[::1]:1025", "::1 port 1025, STARTTLS when offered"),
            ("smtp://localhost?tls=required", "localhost port 25, STARTTLS required"),
            ("smtp://10.0.0.7?tls=none", "10.0.0.7 port 25, no TLS"),
            ("smtp://a.b?tls=opportunistic", "a.b port 25, STARTTLS when offered"),
        ] {
            assert_eq!(shown(spec), expected, "{spec}");
        }
    }

    #[test]
    fn user_and_password_are_percent_decoded_and_never_shown() {
        let relay = Relay::parse("smtp://ada%40x.org:p%2Bw+%C3%A9%2F@a.b", b"").unwrap();
        let expected = Credentials::new("ada@x.org".into(), "p+w+é/".into());
        assert_eq!(relay.credentials, Some(expected));
        assert!(!format!("{relay:?}").contains("ada"));
    }

    #[test]
    fn a_bad_url_is_refused_in_one_sentence_without_its_password() {
        for (spec, reason) in [
            ("smtp://", "has no host"),
            ("smtp://u:sesame@", "is no URL"),
            ("smtp://mail.example.com:99999", "is no URL"),
            ("smtp://u:ses/ame@mail.example.com", "is no URL"),
            ("smtp://u@mail.example.com", "a user but no password"),
            ("smtp://:sesame@mail.example.com", "a password but no user"),
            ("smtp://u:sesame%FF@mail.example.com", "no UTF-8"),
            ("smtp://mail.example.com/inbox", "between the host and the `?`"),
            ("smtp://mail.example.com#x", "or a `#`"),
            ("smtp://mail.example.com?tls=maybe", "knows `tls=required`"),
            ("smtp://mail.example.com?starttls=1", "other than one `tls=`"),
            ("smtp://mail.example.com?tls=none&tls=required", "other than one `tls=`"),
            ("smtps://mail.example.com?tls=none", "so TLS is required"),
        ] {
            let error = Relay::parse(spec, b"").unwrap_err().to_string();
            assert!(error.contains(reason), "{spec}: {error}");
            assert!(!error.contains("sesame") && !error.contains('\n'), "{error}");
        }
        let error = Relay::parse("smtps://a.b", b"-----BEGIN CERTIFICATE-----\n?").unwrap_err();
        assert!(error.to_string().contains("no PEM"));
    }
}
