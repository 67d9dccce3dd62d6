//! What a connection string says of TLS, and why a handshake failed.

use std::error::Error;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat};
use eventstore::ClientSettings;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

use super::sentence::Diagnosis;
use crate::infra::postgres::tls::{self, Trust};

/// The protocol that KurrentDB speaks inside of TLS.
const PROTOCOL: &[u8] = b"h2";

/// Returns the settings of a handshake that trusts what the connection string trusts. It reads files.
pub(super) fn config(settings: &ClientSettings) -> Result<ClientConfig, Diagnosis> {
    let failed = |why: &dyn std::fmt::Display| Diagnosis::Handshake {
        at: "this machine".to_owned(),
        why: why.to_string(),
    };
    let mut config = if settings.is_tls_certificate_verification_enabled() {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_root_certificates(roots(settings)?);
        match settings.user_certificate() {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates("userCertFile", certificate)?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| unreadable("userKeyFile", key, &error))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| failed(&error))?
            }
        }
    } else {
        any()?
    };
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

/// Returns the settings of a handshake that trusts any certificate.
pub(super) fn any() -> Result<ClientConfig, Diagnosis> {
    let failed = |error: crate::infra::postgres::UrlError| Diagnosis::Handshake {
        at: "this machine".to_owned(),
        why: error.to_string(),
    };
    tls::config(&Trust::Any).map_err(failed)
}

fn roots(settings: &ClientSettings) -> Result<RootCertStore, Diagnosis> {
    let given = match settings.tls_ca_file() {
        Some(file) => certificates("tlsCaFile", file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(given);
    Ok(roots)
}

/// Returns the certificates in a file, of which there is at least one.
fn certificates(
    parameter: &'static str,
    file: &str,
) -> Result<Vec<CertificateDer<'static>>, Diagnosis> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let read: Vec<_> = read.map_err(|error| unreadable(parameter, file, &error))?;
    if read.is_empty() {
        return Err(unreadable(parameter, file, &PemError::NoItemsFound));
    }
    Ok(read)
}

fn unreadable(parameter: &'static str, file: &str, error: &PemError) -> Diagnosis {
    let why = if let PemError::Io(error) = error {
        error.to_string()
    } else if matches!(error, PemError::NoItemsFound) {
        "there is nothing of that kind in it".to_owned()
    } else {
        "it is not written as PEM".to_owned()
    };
    Diagnosis::File { parameter, file: file.to_owned(), why }
}

/// Returns what is wrong when TLS itself says it, and `None` when the connection broke for another
/// reason, such as that the other side does not speak TLS.
pub(super) fn refusal(
    at: &str,
    settings: &ClientSettings,
    error: &(dyn Error + 'static),
) -> Option<Diagnosis> {
    let at = at.to_owned();
    let error = in_chain(error)?;
    if let rustls::Error::InvalidCertificate(error) = error {
        return Some(certificate(at, settings, error));
    }
    if let rustls::Error::PeerIncompatible(why) = error {
        return Some(Diagnosis::Handshake { at, why: format!("{why:?}") });
    }
    let rustls::Error::AlertReceived(alert) = error else { return None };
    let is_given = settings.user_certificate().is_some();
    let is_about_ours = matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied
    );
    if *alert == AlertDescription::CertificateRequired || is_given && is_about_ours {
        return Some(Diagnosis::ClientCertificate { at, is_given });
    }
    Some(Diagnosis::Handshake { at, why: format!("it sent the alert {alert:?}") })
}

/// Returns the error of TLS that another error came from.
fn in_chain<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    // The source of such an error is the source of what is in it.
    let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    if let Some(inside) = inside {
        return in_chain(inside);
    }
    in_chain(error.source()?)
}

fn certificate(at: String, settings: &ClientSettings, error: &CertificateError) -> Diagnosis {
    if let CertificateError::ExpiredContext { time, not_after } = error {
        return Diagnosis::Expired { at, end: shown(*not_after), now: shown(*time) };
    }
    if let CertificateError::NotValidYetContext { time, not_before } = error {
        return Diagnosis::NotYetValid { at, begin: shown(*not_before), now: shown(*time) };
    }
    if let CertificateError::NotValidForNameContext { presented, .. } = error {
        let names = presented.iter().map(|name| bare(name).escape_debug().to_string());
        return Diagnosis::OtherName { at, names: names.collect() };
    }
    // The signature is bad where an authority has the name of the one that is trusted, such as one
    // that was made again.
    if matches!(error, CertificateError::UnknownIssuer | CertificateError::BadSignature) {
        return Diagnosis::UnknownIssuer { at, file: settings.tls_ca_file().cloned() };
    }
    let why = format!("its certificate is refused: {error}");
    Diagnosis::Handshake { at, why: why.escape_debug().to_string() }
}

/// Returns a name of a certificate without its kind, such as `db.example.com` of
/// `DnsName("db.example.com")`.
fn bare(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"')
}

fn shown(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).ok();
    let time = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.map_or("?".to_owned(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}
