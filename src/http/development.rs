//! The pages of development: the mails that were sent. They are there only with `--development`, where
//! no host but this machine is answered.

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{Html, IntoResponse, Response};
use http::header::{CONTENT_SECURITY_POLICY, VARY};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::Problem;
use super::extract::accepts;
use super::limits::SHOWN_MAILS;
use super::openapi::{Refusals, refused};
use crate::app::App;
use crate::infra::mail::KeptMail;

/// The style of both pages.
const STYLE: &str = include_str!("development/mails.css");

/// The policy of both pages: styles, which mails bring as well, and nothing else.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    HeaderValue::from_static(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    )
});

#[derive(Template)]
#[template(path = "development/mails.html")]
struct MailsPage<'a> {
    style: &'static str,
    mails: &'a [KeptMail],
    /// Where mails go, when they are not kept here.
    elsewhere: Option<String>,
}

#[derive(Template)]
#[template(path = "development/mail.html")]
struct MailPage<'a> {
    style: &'static str,
    mail: &'a KeptMail,
}

/// Returns the routes.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(list_as_json)).routes(routes!(one))
}

/// The newest mails, the newest first.
#[derive(Serialize, ToSchema)]
struct MailList<'a> {
    mails: &'a [KeptMail],
}

/// Which mails are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "says what may be asked; the query is read pair by pair")]
struct MailsQuery {
    /// The address that they are for.
    #[param(example = "ada@example.com")]
    to: Option<String>,
}

/// `GET /dev/mail`: shows the newest mails, the newest first; as JSON to who asks for that.
#[utoipa::path(get, path = "/dev/mail",
    params(MailsQuery),
    responses(
        (status = 200, content((String = "text/html"), (MailList = "application/json"))),
        Refusals<()>,
    )
)]
async fn list(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mails = newest(&app, query.as_deref()).await?;
    if asks_for_json(&headers) {
        return Ok(by_accept(as_json(&mails)));
    }
    let elsewhere = app.mailer.directory().is_none().then(|| format!("{:?}", app.mailer));
    page(&MailsPage { style: STYLE, mails: &mails, elsewhere })
}

/// `GET /dev/mail.json`: answers the newest mails, the newest first; with `?to=`, those of an address.
#[utoipa::path(get, path = "/dev/mail.json",
    params(MailsQuery),
    responses(
        (status = 200, body = MailList),
        Refusals<()>,
    )
)]
async fn list_as_json(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Ok(as_json(&newest(&app, query.as_deref()).await?))
}

/// `GET /dev/mail/{id}`: shows one mail, as text and as HTML that can do nothing.
#[utoipa::path(get, path = "/dev/mail/{id}",
    params(("id" = String, Path, description = "A mail of the list.")),
    responses(
        (status = 200, content((String = "text/html"), (KeptMail = "application/json"))),
        Refusals<(refused::NotFound,)>,
    )
)]
async fn one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let directory = app.mailer.directory().ok_or(Problem::NotFound)?;
    let mail =
        directory.read(id).await.map_err(|error| unreadable(&error))?.ok_or(Problem::NotFound)?;
    if asks_for_json(&headers) {
        return Ok(by_accept(Json(mail).into_response()));
    }
    page(&MailPage { style: STYLE, mail: &mail })
}

async fn newest(app: &App, query: Option<&str>) -> Result<Vec<KeptMail>, Problem> {
    let Some(directory) = app.mailer.directory() else { return Ok(Vec::new()) };
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let to = pairs.find(|(name, _)| name == "to").map(|(_, to)| to.into_owned());
    directory.newest(to, SHOWN_MAILS).await.map_err(|error| unreadable(&error))
}

fn unreadable(error: &std::io::Error) -> Problem {
    tracing::warn!(cause = ?error.kind(), "the mails cannot be read");
    Problem::Internal
}

fn as_json(mails: &[KeptMail]) -> Response {
    Json(MailList { mails }).into_response()
}

/// Returns whether a request asks for JSON, and not for a page.
fn asks_for_json(headers: &HeaderMap) -> bool {
    accepts(headers, "json") && !accepts(headers, "text/html")
}

fn page(page: &impl Template) -> Result<Response, Problem> {
    let html = page.render().map_err(|_| Problem::Internal)?;
    let mut response = by_accept(Html(html).into_response());
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    Ok(response)
}

fn by_accept(mut response: Response) -> Response {
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}
