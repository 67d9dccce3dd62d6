//! Login of the portal family: the same steps and limits as those of the console family, answered with
//! tokens.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;
use whence_events::{Consent, RequestId, SessionKind};

use super::body::{Fields, invalid};
use super::refresh::{Delivery, Issued, IssuedTokens, end_replaced};
use super::success;
use crate::app::App;
use crate::app::access_tokens::Bearer;
use crate::app::attribution::LandingCookies;
use crate::domain::mailbox::CODE_LIFETIME;
use crate::domain::user::{SESSION_IDLE, SESSION_MAX};
use crate::http::client::ClientFacts;
use crate::http::cookies::with_cookies;
use crate::http::csrf::refuse_cross_site;
use crate::http::error::Problem;
use crate::http::extract::RequestContext;
use crate::http::landing::Landing;
use crate::http::landing::said::SaidLanding;
use crate::http::login::{CodeUse, Credential, TriedCode, complete_login, start_login};
use crate::http::openapi::{Millis, Refusals, refused};
use crate::http::token::access_token;
use crate::http::typed_text::TypedText;
use crate::infra::tokens::RefreshToken;

/// The body of a start: the address, and what the client knows of the landing that brought its user.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "says what the fields are, which are taken out one by one")]
struct PortalStartBody {
    #[schema(format = "email", example = "ada@example.com")]
    email: String,
    referral_code: Option<TypedText>,
    utm_source: Option<TypedText>,
    utm_medium: Option<TypedText>,
    utm_campaign: Option<TypedText>,
    utm_term: Option<TypedText>,
    utm_content: Option<TypedText>,
    creator_handle: Option<TypedText>,
    /// The page or deep link that was opened, with its query; `firstLandingPage` means the same.
    landing_page: Option<TypedText>,
    first_landing_page: Option<TypedText>,
    /// Where that link was; `firstReferrerUrl` means the same.
    referrer_url: Option<TypedText>,
    first_referrer_url: Option<TypedText>,
    /// With `denied`, nothing of the landing is kept.
    consent: Option<Consent>,
}

/// A login that was started.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StartedPortalLogin {
    /// What the code is tried with.
    #[schema(value_type = RequestId)]
    request_id: String,
    #[schema(value_type = Millis)]
    expires_at: String,
}

/// The body of a login.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "says what the fields are, which are taken out one by one")]
struct PortalLoginBody {
    /// What `start` answered.
    request_id: RequestId,
    /// The code of the mail.
    code: TypedText,
    /// How the client wants its refresh token.
    token_delivery: Option<TokenDelivery>,
}

/// How a refresh token is delivered.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "says what the field can be, which is read as a text")]
enum TokenDelivery {
    /// In a cookie that no script reads.
    Cookie,
    /// In the body, for apps that keep it by themselves.
    Body,
}

/// `POST /api/v1/auth/login/start`: starts a login and mails its code.
#[utoipa::path(post, path = "/api/v1/auth/login/start", request_body = PortalStartBody,
    responses(
        (status = 200, body = StartedPortalLogin),
        Refusals<(refused::CrossSite, refused::InvalidJson, refused::InvalidField, refused::InvalidEmail, refused::RateLimited, refused::MailUnavailable, refused::Command)>,
    )
)]
pub(super) async fn start(
    State(app): State<Arc<App>>,
    request: RequestContext,
    facts: ClientFacts,
    Extension(landing): Extension<Arc<Landing>>,
    parts: Parts,
    mut body: Fields,
) -> Result<Response, Problem> {
    let headers = &parts.headers;
    refuse_cross_site(headers, &app)?;
    let email = body.text("email")?.unwrap_or_default();
    let said = said_landing(&mut body)?;
    let touch = if said.is_empty() { None } else { landing.said(&said, &parts).await };
    let login =
        start_login(&app, &request, &facts, headers, &email, CodeUse::LogIn(touch.map(Box::new)))
            .await?;
    let expires_at = request.now + CODE_LIFETIME;
    Ok(success(StartedPortalLogin {
        request_id: login.to_text(),
        expires_at: expires_at.to_rfc3339_millis(),
    }))
}

/// `POST /api/v1/auth/login`: checks the code, registers a new user, and opens a session of bearers.
#[utoipa::path(post, path = "/api/v1/auth/login", request_body = PortalLoginBody,
    responses(
        (status = 200, body = IssuedTokens),
        Refusals<(refused::CrossSite, refused::InvalidJson, refused::InvalidField, refused::WrongCode, refused::RateLimited, refused::NoSession, refused::Command)>,
    )
)]
pub(super) async fn login(
    State(app): State<Arc<App>>,
    request: RequestContext,
    facts: ClientFacts,
    headers: HeaderMap,
    landing_cookies: LandingCookies,
    mut body: Fields,
) -> Result<Response, Problem> {
    let request_id = body.text("requestId")?.unwrap_or_default();
    let tried = TriedCode { request_id: &request_id, code: body.code("code")? };
    let delivery = delivery(&mut body)?;
    let token = RefreshToken::generate(&app.engine.keys);
    let session_id = token.session_id;
    let credential = Credential { session_id, hash: token.hash(), kind: SessionKind::Bearer };
    let (client, landing) = (&headers, &landing_cookies);
    let login = complete_login(&app, &request, facts, client, landing, tried, credential).await?;
    // A client that keeps its token by itself leaves the cookie as it is.
    if delivery == Delivery::Cookie {
        end_replaced(&app, &headers, &request).await;
    }
    let absolute_expires_at = request.now + SESSION_MAX;
    let bearer = Bearer { user_id: login.user_id, session_id, absolute_expires_at };
    let (access_token, expires_in) = access_token(&app, bearer, request.now)?;
    let issued = Issued {
        access_token,
        expires_in,
        refresh_token: &token,
        expires_at: request.now + SESSION_IDLE,
        is_new_user: Some(login.registered_at.is_some()),
    };
    Ok(with_cookies(issued.answer(delivery, &app, request.now), login.set_cookies))
}

/// The fields that say a parameter of the link that brought the visitor, and its name there.
const PARAMETERS: [(&str, &str); 7] = [
    ("referralCode", "ref"),
    ("utmSource", "utm_source"),
    ("utmMedium", "utm_medium"),
    ("utmCampaign", "utm_campaign"),
    ("utmTerm", "utm_term"),
    ("utmContent", "utm_content"),
    ("creatorHandle", "creator"),
];

/// Takes out of a body what it says of the landing that brought the visitor.
fn said_landing(body: &mut Fields) -> Result<SaidLanding, Problem> {
    let mut said = |name| body.text(name).map(|text| text.filter(|text| !text.trim().is_empty()));
    let mut parameters = Vec::new();
    for (field, name) in PARAMETERS {
        parameters.extend(said(field)?.map(|value| (name, value)));
    }
    let consent = match said("consent")? {
        Some(text) => Some(
            Consent::parse(&text)
                .ok_or(invalid("consent", "It has to be unknown, granted or denied."))?,
        ),
        None => None,
    };
    // Under the names of the snapshot, too.
    let page = said("landingPage")?.or(said("firstLandingPage")?);
    let referrer = said("referrerUrl")?.or(said("firstReferrerUrl")?);
    Ok(SaidLanding { page, referrer, parameters, consent })
}

/// Returns how the client wants its refresh token.
fn delivery(body: &mut Fields) -> Result<Delivery, Problem> {
    match body.text("tokenDelivery")?.as_deref() {
        None | Some("cookie") => Ok(Delivery::Cookie),
        Some("body") => Ok(Delivery::Body),
        Some(_) => Err(invalid("tokenDelivery", "It has to be cookie or body.")),
    }
}
