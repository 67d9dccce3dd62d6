//! Access tokens of the portal family: JWT, signed with Ed25519 and nothing else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;
use whence_events::{SessionId, Timestamp, UserId};

use crate::app::sessions::Session;
use crate::infra::hash::sha256;
use crate::infra::keys::{Generations, Keys, Secret, Shared};
use crate::infra::random::new_correlation_id;

/// How long an access token is valid.
pub const ACCESS_LIFETIME: Duration = Duration::from_mins(15);

/// The length in bytes of the longest token that is checked.
const MAX_TOKEN_LENGTH: usize = 4096;

/// Makes and checks access tokens.
pub struct AccessTokens {
    seeds: Shared<Generations<Secret>>,
    /// What was made of the seeds when they were last looked at.
    made: Mutex<Arc<TokenKeys>>,
    validation: Validation,
    issuer: String,
}

/// What a token says of its bearer, and until when it can be valid.
#[derive(Clone, Copy, Debug)]
pub struct Bearer {
    /// The id of the user.
    pub user_id: UserId,
    /// The id of the session.
    pub session_id: SessionId,
    /// When the session ends even if it is extended.
    pub absolute_expires_at: Timestamp,
}

impl From<&Session> for Bearer {
    fn from(session: &Session) -> Self {
        Self {
            user_id: session.user.user_id,
            session_id: session.session_id,
            absolute_expires_at: session.absolute_expires_at,
        }
    }
}

/// The keys of access tokens, the one that signs first, and the seeds that they were made of.
struct TokenKeys {
    seeds: Arc<Generations<Secret>>,
    keys: Vec<TokenKey>,
}

/// A key of access tokens, in the forms in which it is used.
struct TokenKey {
    id: String,
    public: String,
    signing: EncodingKey,
    checking: DecodingKey,
}

/// The claims of a token (RFC 7519).
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    sid: Uuid,
    iat: i64,
    exp: i64,
    /// Never in our own tokens: one that has it is not valid before this time (RFC 7519, 4.1.5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    jti: Uuid,
}

/// What a valid token says. Times are in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct TokenFacts {
    /// The user whose token it is.
    pub user_id: UserId,
    /// The session that it was issued for.
    pub session_id: SessionId,
    /// When it was issued.
    pub issued_at: i64,
    /// When it ends.
    pub expires_at: i64,
    /// The id of the token.
    pub token_id: Uuid,
}

impl AccessTokens {
    /// Returns what makes and checks tokens whose issuer and audience is `public_url`. It does not
    /// fail for a key that was derived.
    pub fn new(keys: &Keys, public_url: &Url) -> anyhow::Result<Self> {
        let made = TokenKeys::of(&keys.bearer)?;
        let issuer = public_url.as_str().trim_end_matches('/').to_owned();
        // One algorithm, whatever the token's header asks for.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[&issuer]);
        validation.set_issuer(&[&issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        // By our clock, below.
        validation.validate_exp = false;
        let made = Mutex::new(Arc::new(made));
        Ok(Self { seeds: keys.bearer.clone(), made, validation, issuer })
    }

    /// Returns the keys as they are now.
    fn keys(&self) -> Arc<TokenKeys> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        // The seeds are replaced as a whole when a key becomes known or is over.
        if !Arc::ptr_eq(&made.seeds, &self.seeds.get()) {
            match TokenKeys::of(&self.seeds) {
                Ok(new) => *made = Arc::new(new),
                Err(error) => tracing::error!(error = format!("{error:#}"), "no new bearer key"),
            }
        }
        made.clone()
    }

    /// Returns a token for a session, and for how many seconds it is valid: no longer than the
    /// session can be.
    pub fn issue(
        &self,
        bearer: Bearer,
        now: Timestamp,
    ) -> Result<(String, i64), jsonwebtoken::errors::Error> {
        let expires_at = (now + ACCESS_LIFETIME).min(bearer.absolute_expires_at);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: bearer.user_id.0,
            sid: bearer.session_id.0,
            iat: now.as_seconds(),
            exp: expires_at.as_seconds(),
            nbf: None,
            jti: new_correlation_id().0,
        };
        let keys = self.keys();
        let key = keys.signing();
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::EdDSA) };
        let token = jsonwebtoken::encode(&header, &claims, &key.signing)?;
        Ok((token, claims.exp - claims.iat))
    }

    /// Returns the public keys as JSON Web Keys (RFC 7517, RFC 8037): that which signs, those that
    /// signed what is still valid, and one that signs soon.
    #[must_use]
    pub fn public_keys(&self) -> Vec<serde_json::Value> {
        self.keys().keys.iter().map(TokenKey::to_json).collect()
    }

    /// Returns the issuer of all tokens, which is their audience as well.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the user and the session of a token, if the token is one of ours and has not expired.
    #[must_use]
    pub fn check(&self, token: &str, now: Timestamp) -> Option<(UserId, SessionId)> {
        self.read(token, now).map(|claims| (claims.user_id, claims.session_id))
    }

    /// Returns what a token says, if it is one of ours and has not expired.
    #[must_use]
    pub fn read(&self, token: &str, now: Timestamp) -> Option<TokenFacts> {
        if token.len() > MAX_TOKEN_LENGTH {
            return None;
        }
        let named = key_named_by(token)?;
        let keys = self.keys();
        let key = keys.keys.iter().find(|key| key.id == named)?;
        let data = jsonwebtoken::decode::<Claims>(token, &key.checking, &self.validation).ok()?;
        let claims = data.claims;
        // No extension is understood here, so none may be critical (RFC 7515, 4.1.11).
        let plain = data.header.crit.is_none();
        let in_time = claims.nbf.is_none_or(|begin| begin <= now.as_seconds())
            && now.as_seconds() < claims.exp;
        (plain && in_time).then_some(TokenFacts {
            user_id: UserId(claims.sub),
            session_id: SessionId(claims.sid),
            issued_at: claims.iat,
            expires_at: claims.exp,
            token_id: claims.jti,
        })
    }
}

/// Returns the name of the key in the header of a token; `None` also when the header asks for an
/// extension, none of which is known here (RFC 7515, 4.1.11).
fn key_named_by(token: &str) -> Option<String> {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
    if header.get("crit").is_some() {
        return None;
    }
    header.get("kid")?.as_str().map(str::to_owned)
}

impl TokenKeys {
    fn of(seeds: &Shared<Generations<Secret>>) -> anyhow::Result<Self> {
        let seeds = seeds.get();
        let keys = seeds.read().map(|one| TokenKey::of(&one.key));
        Ok(Self { keys: keys.collect::<anyhow::Result<_>>()?, seeds })
    }

    fn signing(&self) -> &TokenKey {
        &self.keys[0]
    }
}

impl TokenKey {
    fn of(seed: &Secret) -> anyhow::Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed[..]).context("bearer key")?;
        let document = pair.to_pkcs8v1().context("bearer key")?;
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        // RFC 7638: members in this order, no white space.
        let thumbprint = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#);
        Ok(Self {
            id: URL_SAFE_NO_PAD.encode(sha256(thumbprint.as_bytes()).0),
            signing: EncodingKey::from_ed_der(document.as_ref()),
            checking: DecodingKey::from_ed_der(pair.public_key().as_ref()),
            public,
        })
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": self.public,
            "kid": self.id,
            "alg": "EdDSA",
            "use": "sig",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::keys::MasterKey;

    fn bearer() -> AccessTokens {
        let keys = Keys::derive(&MasterKey::parse(&"07".repeat(32)).unwrap());
        AccessTokens::new(&keys, &Url::parse("https://id.example.com/").unwrap()).unwrap()
    }

    fn claims(bearer: &AccessTokens) -> Claims {
        Claims {
            iss: bearer.issuer.clone(),
            aud: bearer.issuer.clone(),
            sub: Uuid::from_u128(1),
            sid: Uuid::from_u128(2),
            iat: 1_000,
            exp: 1_900,
            nbf: None,
            jti: Uuid::from_u128(3),
        }
    }

    /// Returns whether a token with the right signature and these changes is accepted.
    fn checked(change: impl FnOnce(&mut Header, &mut Claims)) -> bool {
        let bearer = bearer();
        let kid = Some(bearer.keys().signing().id.clone());
        let mut header = Header { kid, ..Header::new(Algorithm::EdDSA) };
        let mut claims = claims(&bearer);
        change(&mut header, &mut claims);
        let token =
            jsonwebtoken::encode(&header, &claims, &bearer.keys().signing().signing).unwrap();
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
        assert!(!checked(|header, _| header.crit = Some(vec!["b64".to_owned()])));
        assert!(!checked(|header, _| header.crit = Some(vec![])));
        assert!(!checked(|_, claims| claims.nbf = Some(1_501)));
        assert!(checked(|_, claims| claims.nbf = Some(1_500)));
        assert!(checked(|_, claims| claims.exp = 1_501));
        assert!(!checked(|_, claims| claims.exp = 1_500));
    }
}
