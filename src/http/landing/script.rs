//! `GET /touch.js`: the script for sites that whence does not serve itself.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::layer::Handled;
use crate::http::etag::EntityTag;
use crate::http::openapi::Refusals;
use crate::infra::hash::sha256;

/// The text of the script.
const SCRIPT: &str = include_str!("touch.js");

/// Answers with the script, or with 304 when the client holds it.
#[utoipa::path(get, path = "/touch.js",
    responses(
        (status = 200, body = String, content_type = "text/javascript; charset=utf-8"),
        (status = 304),
        Refusals<()>,
    )
)]
pub(super) async fn serve(headers: HeaderMap) -> Response {
    let tag = EntityTag::of_hash(&sha256(SCRIPT.as_bytes()));
    let is_held = tag.is_held(&headers);
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
        (ETAG, tag.to_header()),
        // Pages of other origins load the script: that is its purpose.
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("cross-origin"),
        ),
    ];
    // An old browser's request for a script looks like one for a page.
    let handled = axum::Extension(Handled);
    if is_held {
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
    fn the_script_fits_into_one_packet() {
        assert!(SCRIPT.len() < 1200, "{} bytes", SCRIPT.len());
    }
}
