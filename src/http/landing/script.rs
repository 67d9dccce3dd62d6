//! `GET /touch.js`: the script for sites that whence does not serve.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::layer::Handled;
use crate::infra::hash::sha256;

/// The script itself.
const SCRIPT: &str = include_str!("touch.js");

pub(super) async fn serve(headers: HeaderMap) -> Response {
    let etag = format!("\"{}\"", sha256(SCRIPT.as_bytes()));
    let known = headers
        .get_all(IF_NONE_MATCH)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim().trim_start_matches("W/") == etag);
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
        (ETAG, HeaderValue::from_str(&etag).expect("base64url")),
        // Pages of other origins load it; that is what it is for.
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("cross-origin"),
        ),
    ];
    // An old browser's request for a script looks like one for a page.
    let handled = axum::Extension(Handled);
    if known {
        return (StatusCode::NOT_MODIFIED, headers, handled).into_response();
    }
    let kind = [
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
    ];
    (headers, kind, handled, SCRIPT).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_smaller_than_a_kibibyte() {
        assert!(SCRIPT.len() < 1024, "{} bytes", SCRIPT.len());
    }
}
