//! The specification of the API, as JSON for programs and as a page for people.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::etag::EntityTag;
use super::openapi::{Refusals, describe};

/// The specification of the routes. It is written when it is asked for, once.
#[derive(Default)]
pub(super) struct Specification {
    routes: OnceLock<OpenApi>,
    json: OnceLock<Written>,
}

/// A text that is served as it is.
struct Written {
    body: Bytes,
    tag: EntityTag,
}

impl Specification {
    /// Takes what the routes say.
    pub(super) fn take(&self, routes: OpenApi) {
        let _ = self.routes.set(routes);
    }

    fn json(&self) -> &Written {
        self.json.get_or_init(|| {
            let described = self.routes.get().map(describe).unwrap_or_default();
            Written::of(described.to_string())
        })
    }
}

impl Written {
    fn of(text: String) -> Self {
        let body = Bytes::from(text);
        Self { tag: EntityTag::of(&body), body }
    }

    /// Answers with the text, or with 304 when the client holds it.
    fn answer(&self, headers: &HeaderMap, kind: &'static str) -> Response {
        let caching = [
            (CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
            (ETAG, self.tag.to_header()),
        ];
        if self.tag.is_held(headers) {
            return (StatusCode::NOT_MODIFIED, caching).into_response();
        }
        (caching, [(CONTENT_TYPE, kind)], self.body.clone()).into_response()
    }
}

/// Returns the routes.
pub(super) fn routes(specification: Arc<Specification>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(json)).with_state(specification)
}

/// `GET /openapi.json`: answers the specification of this API (OpenAPI 3.1).
#[utoipa::path(get, path = "/openapi.json", responses(
    (status = 200, body = serde_json::Value, example = json!({ "openapi": "3.1.0" })),
    (status = 304),
    Refusals<()>,
))]
async fn json(State(specification): State<Arc<Specification>>, headers: HeaderMap) -> Response {
    specification.json().answer(&headers, "application/json")
}
