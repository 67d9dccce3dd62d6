//! The login page that a browser is sent to, and the page that it comes back to.

use http::HeaderValue;
use http::header::ACCEPT;
use http::request::Parts;
use url::{Position, Url};

use crate::app::App;
use crate::app::config::Config;
use crate::http::client::original::OriginalRequest;

/// The parameter of the login page that holds the address to come back to.
const RETURN_TO: &str = "return_to";

/// The longest address that a browser comes back to, in bytes.
const MAX_RETURN_BYTES: usize = 2048;

/// Returns the address of the login page for the page view of a browser; `None` when there is no login page,
/// or the request is not that of a browser for a page.
pub(super) fn of(
    app: &App,
    parts: &Parts,
    original: Option<&OriginalRequest<'_>>,
) -> Option<HeaderValue> {
    let mut login = app.config.listening.login_url.clone()?;
    if !is_page_view(parts, original) {
        return None;
    }
    let page = original.and_then(OriginalRequest::url).filter(|url| is_ours(&app.config, url));
    if let Some(page) = page {
        // The login page behind its own check would lead to itself without end.
        if page[..Position::AfterPath] == login[..Position::AfterPath] {
            return None;
        }
        if page.as_str().len() <= MAX_RETURN_BYTES {
            login.query_pairs_mut().append_pair(RETURN_TO, page.as_str());
        }
    }
    HeaderValue::from_str(login.as_str()).ok()
}

/// Returns whether a browser asks for a page, rather than a script or a program for data.
fn is_page_view(parts: &Parts, original: Option<&OriginalRequest<'_>>) -> bool {
    let text = |name| parts.headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let method = original.and_then(|original| original.method).unwrap_or("GET");
    let lines = parts.headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let html = lines.into_iter().any(|line| line.to_ascii_lowercase().contains("text/html"));
    html && matches!(method, "GET" | "HEAD")
        && text("sec-fetch-mode").is_none_or(|mode| mode == "navigate")
        && text("sec-fetch-dest").is_none_or(|dest| dest == "document")
}

/// Returns whether an address is on an origin of the site: that of the service, of the landing page, of the
/// login page, or an allowed one. A browser is led to no other after it logged in.
fn is_ours(config: &Config, url: &Url) -> bool {
    let (listening, origin) = (&config.listening, url.origin());
    let own = [Some(&config.landing.landing_url), listening.login_url.as_ref()];
    listening.allows(origin.ascii_serialization().as_bytes())
        || own.into_iter().flatten().any(|own| own.origin() == origin)
}
