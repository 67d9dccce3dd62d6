//! Bearer tokens of the portal family: JWT, signed with Ed25519 and nothing else.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::Json;
use axum::extract::{FromRef, FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;
use uuid::Uuid;
use whence_events::{SessionId, Timestamp, UserId};

use super::error::Problem;
use super::extract::{Asked, SignedIn, check_csrf};
use crate::app::App;
use crate::secrets::{Keys, new_correlation_id, sha256};
use crate::sessions::Session;

/// How long an access token is good for.
const ACCESS_LIFETIME: Duration = Duration::from_mins(15);

/// Longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 4096;

/// Makes and checks access tokens.
pub(crate) struct Bearer {
    key_id: String,
    public: String,
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    issuer: String,
}

/// What a token says (RFC 7519).
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    sid: Uuid,
    iat: i64,
    exp: i64,
    jti: Uuid,
}

impl Bearer {
    /// For tokens issued by, and good at, `public_url`.
    ///
    /// # Errors
    /// Never for a key that was derived.
    pub(crate) fn new(keys: &Keys, public_url: &Url) -> anyhow::Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&keys.bearer_seed).context("bearer key")?;
        let document = pair.to_pkcs8v1().context("bearer key")?;
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let issuer = public_url.as_str().trim_end_matches('/').to_owned();
        // One algorithm, whatever the token's header asks for.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[&issuer]);
        validation.set_issuer(&[&issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        // By our clock, below.
        validation.validate_exp = false;
        // RFC 7638: members in this order, no white space.
        let thumbprint = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#);
        Ok(Self {
            key_id: URL_SAFE_NO_PAD.encode(sha256(thumbprint.as_bytes()).0),
            signing: EncodingKey::from_ed_der(document.as_ref()),
            checking: DecodingKey::from_ed_der(pair.public_key().as_ref()),
            public,
            validation,
            issuer,
        })
    }

    /// A token for a session.
    fn issue(&self, session: &Session, now: Timestamp) -> Result<String, Problem> {
        let expires_at = (now + ACCESS_LIFETIME).min(session.absolute_expires_at);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: session.user.user_id.0,
            sid: session.session_id.0,
            iat: now.as_seconds(),
            exp: expires_at.as_seconds(),
            jti: new_correlation_id().0,
        };
        let header = Header { kid: Some(self.key_id.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &claims, &self.signing).map_err(|error| {
            tracing::error!(%error, "an access token could not be signed");
            Problem::Internal
        })
    }

    /// Whose token it is, if it is one of ours and in time.
    fn check(&self, token: &str, now: Timestamp) -> Option<(UserId, SessionId)> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let data = jsonwebtoken::decode::<Claims>(token, &self.checking, &self.validation).ok()?;
        let ours = data.header.kid.as_deref() == Some(&self.key_id);
        let claims = data.claims;
        let in_time = now.as_seconds() < claims.exp;
        (ours && in_time).then_some((UserId(claims.sub), SessionId(claims.sid)))
    }
}

/// A request with an access token whose session is in use.
pub(super) struct BearerUser(pub(super) Arc<Session>);

impl<S: Send + Sync> FromRequestParts<S> for BearerUser
where
    Arc<App>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let app = Arc::<App>::from_ref(state);
        let now = app.clock.now();
        let token = bearer_token(&parts.headers).ok_or(Problem::InvalidCredentials)?;
        let (user_id, session_id) =
            app.bearer.check(token, now).ok_or(Problem::InvalidCredentials)?;
        let session = app.sessions.find(session_id, now).await?;
        match session.filter(|session| session.user.user_id == user_id) {
            Some(session) => Ok(Self(session)),
            // The token is right: either its session ended, or its user is gone.
            None if app.reads.user(user_id)?.is_some() => Err(Problem::InvalidCredentials),
            None => Err(Problem::UserNotFound),
        }
    }
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// `POST /v1/auth/token`
pub(super) async fn token(
    State(app): State<Arc<App>>,
    SignedIn { session, token }: SignedIn,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, Problem> {
    check_csrf(&headers, &app, &token)?;
    let access_token = app.bearer.issue(&session, asked.now)?;
    Ok(Json(json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": ACCESS_LIFETIME.as_secs(),
    }))
    .into_response())
}

/// `GET /.well-known/jwks.json` (RFC 7517, RFC 8037)
pub(super) async fn jwks(State(app): State<Arc<App>>) -> Response {
    let key = json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "x": app.bearer.public,
        "kid": app.bearer.key_id,
        "alg": "EdDSA",
        "use": "sig",
    });
    let caching = HeaderValue::from_static("public, max-age=3600");
    ([(CACHE_CONTROL, caching)], Json(json!({ "keys": [key] }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::MasterKey;

    fn bearer() -> Bearer {
        let keys = Keys::derive(&MasterKey::parse(&"07".repeat(32)).unwrap());
        Bearer::new(&keys, &Url::parse("https://id.example.com/").unwrap()).unwrap()
    }

    fn claims(bearer: &Bearer) -> Claims {
        Claims {
            iss: bearer.issuer.clone(),
            aud: bearer.issuer.clone(),
            sub: Uuid::from_u128(1),
            sid: Uuid::from_u128(2),
            iat: 1_000,
            exp: 1_900,
            jti: Uuid::from_u128(3),
        }
    }

    /// What becomes of a token with the right signature.
    fn checked(change: impl FnOnce(&mut Header, &mut Claims)) -> bool {
        let bearer = bearer();
        let kid = Some(bearer.key_id.clone());
        let mut header = Header { kid, ..Header::new(Algorithm::EdDSA) };
        let mut claims = claims(&bearer);
        change(&mut header, &mut claims);
        let token = jsonwebtoken::encode(&header, &claims, &bearer.signing).unwrap();
        let now = Timestamp::from_micros(1_500_000_000);
        bearer.check(&token, now) == Some((UserId(claims.sub), SessionId(claims.sid)))
    }

    #[test]
    fn a_right_signature_is_not_enough() {
        assert!(checked(|_, _| {}));
        assert!(!checked(|header, _| header.kid = None));
        assert!(!checked(|header, _| header.kid = Some("other".to_owned())));
        assert!(!checked(|_, claims| claims.iss = "https://id.example.com/".to_owned()));
        assert!(!checked(|_, claims| claims.aud = "https://other.example.com".to_owned()));
        assert!(checked(|_, claims| claims.exp = 1_501));
        assert!(!checked(|_, claims| claims.exp = 1_500));
    }
}
