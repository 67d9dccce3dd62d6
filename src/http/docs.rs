//! The specification of the API, as JSON for programs and as a page for people.

mod fields;
mod page;
mod prose;

use std::sync::{Arc, LazyLock, OnceLock};

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error_page::policy_of;
use super::etag::EntityTag;
use super::openapi::{Refusals, describe};

/// The specification of the routes. It is written when it is asked for, once.
#[derive(Default)]
pub(super) struct Specification {
    routes: OnceLock<OpenApi>,
    described: OnceLock<Value>,
    json: OnceLock<Written>,
    page: OnceLock<Written>,
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

    fn described(&self) -> &Value {
        self.described.get_or_init(|| self.routes.get().map(describe).unwrap_or_default())
    }

    fn json(&self) -> &Written {
        self.json.get_or_init(|| Written::of(self.described().to_string()))
    }

    fn page(&self) -> &Written {
        self.page.get_or_init(|| {
            let text = page::render(self.described()).unwrap_or_else(|error| {
                tracing::error!(%error, "the page of the API cannot be written");
                String::new()
            });
            Written::of(text)
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

/// The policy of the page: nothing but its own style.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy_of(page::STYLE, "'none'"));

/// Returns the routes.
pub(super) fn routes(specification: Arc<Specification>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(json)).routes(routes!(html)).with_state(specification)
}

/// `GET /openapi.json`: answers the specification of this API (OpenAPI 3.1).
#[utoipa::path(get, path = "/openapi.json", responses(
    (status = 200, body = Value, example = json!({ "openapi": "3.1.0" })),
    (status = 304),
    Refusals<()>,
))]
async fn json(State(specification): State<Arc<Specification>>, headers: HeaderMap) -> Response {
    specification.json().answer(&headers, "application/json")
}

/// `GET /docs`: shows the same as a page, which loads nothing and needs no script.
#[utoipa::path(get, path = "/docs", responses(
    (status = 200, body = String, content_type = "text/html"),
    (status = 304),
    Refusals<()>,
))]
async fn html(State(specification): State<Arc<Specification>>, headers: HeaderMap) -> Response {
    let mut response = specification.page().answer(&headers, "text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    response
}
