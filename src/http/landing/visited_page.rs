//! The page that a visitor opened, and why the browser requested it.

use http::HeaderMap;
use http::header::{HOST, REFERER};
use http::request::Parts;
use whence_events::Consent;

use crate::domain::touch::Navigation;

/// A page that a visitor opened, as the rules of touches see it.
pub(super) struct VisitedPage<'a> {
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// The fragment, which only a script of the page can report.
    pub(super) fragment: &'a str,
    pub(super) referrer: Option<&'a str>,
    pub(super) host: Option<&'a str>,
    pub(super) consent: Consent,
}

impl<'a> VisitedPage<'a> {
    /// Returns the page that a request is for.
    pub(super) fn of(parts: &'a Parts) -> Self {
        Self {
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or(""),
            fragment: "",
            referrer: header(&parts.headers, REFERER.as_str()),
            host: request_host(parts),
            // Only a page itself can know what its visitor agreed to.
            consent: Consent::Unknown,
        }
    }
}

/// Returns why the browser made a request: its method, Fetch Metadata, and purpose headers.
pub(super) fn navigation(parts: &Parts) -> Navigation<'_> {
    let header = |name| header(&parts.headers, name);
    Navigation {
        method: parts.method.as_str(),
        fetch_mode: header("sec-fetch-mode"),
        fetch_dest: header("sec-fetch-dest"),
        fetch_site: header("sec-fetch-site"),
        purposes: ["sec-purpose", "purpose", "x-purpose", "x-moz"].map(header),
    }
}

/// Returns a header as text. One that is not text counts as present, with an unknown value.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// Returns the host that a request is for.
pub(super) fn request_host(parts: &Parts) -> Option<&str> {
    // HTTP/2 has the host in the URI, HTTP/1.1 in a header.
    let in_uri = parts.uri.host();
    in_uri.or_else(|| header(&parts.headers, HOST.as_str()))
}
