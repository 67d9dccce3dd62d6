//! Refresh tokens: each is made from the one before it, so that every node makes the same one and
//! none has to keep it.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use whence_events::{Hash, Mac, SessionId};
use zeroize::Zeroizing;

use crate::infra::hash::{mac, sha256};
use crate::infra::keys::Keys;
use crate::infra::random::{new_uuid_v7, random_bytes};

/// The bytes of a token: the id of its session, its secret, and the proof that it is one of ours.
const LENGTH: usize = 16 + 32 + 16;

/// The number of characters of a token as text.
const TEXT_LENGTH: usize = 86;

/// What a key signs in the proof of a token, and to make its successor.
const PROOF: &[u8] = b"refresh token proof\0";
const SUCCESSOR: &[u8] = b"refresh token successor\0";

/// A refresh token that this service issued, once or lately: its public session, its secret of 256 bits,
/// and a MAC over both.
///
/// The MAC tells a token of a session from one that somebody made up, without a look into the log: only
/// the former can end its session. The log has the hash alone. A leaked log opens nothing, and a leaked
/// key makes no successor of a token that is not known.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// The public id of the session.
    pub session_id: SessionId,
    secret: [u8; 32],
    proof: Mac,
}

impl RefreshToken {
    /// Returns the first token of a new session.
    #[must_use]
    pub fn generate(keys: &Keys) -> Self {
        let session_id = SessionId(new_uuid_v7());
        Self::made_with(&keys.refresh.get().signing().key, session_id, random_bytes())
    }

    /// Parses the text of [`RefreshToken::to_text`]; `None` when this service did not issue the token, or
    /// the key that signed it does not count any more.
    #[must_use]
    pub fn parse(text: &str, keys: &Keys) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        if text.len() != TEXT_LENGTH
            || URL_SAFE_NO_PAD.decode_slice(text, &mut bytes[..]).ok()? != LENGTH
        {
            return None;
        }
        let session_id = SessionId(Uuid::from_slice(&bytes[..16]).ok()?);
        let secret = bytes[16..48].try_into().ok()?;
        let proof = Mac(bytes[48..].try_into().ok()?);
        let is_proof = |key| Self::made_with(key, session_id, secret).proof.same_as(&proof);
        let ours = keys.refresh.get().read().any(|one| is_proof(&one.key));
        ours.then_some(Self { session_id, secret, proof })
    }

    /// Returns the token with its secret as text, for the client only.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        bytes[..16].copy_from_slice(self.session_id.0.as_bytes());
        bytes[16..48].copy_from_slice(&self.secret);
        bytes[48..].copy_from_slice(&self.proof.0);
        URL_SAFE_NO_PAD.encode(&bytes[..])
    }

    /// Returns what is stored of the token: the SHA-256 of id and secret. That of a session cookie is of
    /// another form, so that neither is ever taken for the other.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let mut bytes = Zeroizing::new([0; 48]);
        bytes[..16].copy_from_slice(self.session_id.0.as_bytes());
        bytes[16..].copy_from_slice(&self.secret);
        sha256(&bytes[..])
    }

    /// Returns the successors that the token can have, the one by the key that signs now first: a node
    /// that looks at the keys a moment later may have used another one.
    #[must_use]
    pub fn successors(&self, keys: &Keys) -> Vec<Self> {
        let keys = keys.refresh.get();
        keys.read().map(|one| self.successor(&one.key)).collect()
    }

    fn successor(&self, key: &hmac::Key) -> Self {
        let mut context = hmac::Context::with_key(key);
        for part in [SUCCESSOR, self.session_id.0.as_bytes(), &self.secret] {
            context.update(part);
        }
        let mut secret = [0; 32];
        secret.copy_from_slice(context.sign().as_ref());
        Self::made_with(key, self.session_id, secret)
    }

    fn made_with(key: &hmac::Key, session_id: SessionId, secret: [u8; 32]) -> Self {
        let proof = mac(key, &[PROOF, session_id.0.as_bytes(), &secret]);
        Self { session_id, secret, proof }
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefreshToken({}, ..)", self.session_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::keys::MasterKey;
    use crate::infra::tokens::SessionToken;

    fn keys() -> Keys {
        Keys::derive(&MasterKey::parse(&"07".repeat(32)).unwrap())
    }

    #[test]
    fn a_token_round_trips_and_nothing_else_is_one() {
        let keys = keys();
        let token = RefreshToken::generate(&keys);
        let text = token.to_text();
        assert_eq!(RefreshToken::parse(&text, &keys), Some(token.clone()));
        for bad in ["", "abc", &text[1..], &text[..85], &format!("{text}A"), &format!("{text} ")] {
            assert!(RefreshToken::parse(bad, &keys).is_none(), "{bad}");
        }
        // Every bit counts, also those of the session.
        for at in 0..text.len() {
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert!(RefreshToken::parse(&changed, &keys).is_none(), "{at}");
        }
        let others = Keys::derive(&MasterKey::parse(&"08".repeat(32)).unwrap());
        assert!(RefreshToken::parse(&text, &others).is_none());
        assert_eq!(format!("{token:?}"), format!("RefreshToken({}, ..)", token.session_id));
    }

    #[test]
    fn every_node_makes_the_same_successor_which_is_a_token_again() {
        let token = RefreshToken::generate(&keys());
        let next = token.successors(&keys());
        assert_eq!(next, token.successors(&keys()));
        assert_eq!(RefreshToken::parse(&next[0].to_text(), &keys()), Some(next[0].clone()));
        assert_eq!(next[0].session_id, token.session_id);
        let after = next[0].successors(&keys());
        assert!(token.hash() != next[0].hash() && next[0].hash() != after[0].hash());
    }

    #[test]
    fn a_refresh_token_is_no_session_cookie() {
        let token = RefreshToken::generate(&keys());
        let cookie = SessionToken { id: token.session_id, secret: token.secret };
        assert_ne!(cookie.hash(), token.hash());
        assert!(SessionToken::parse(&token.to_text()).is_none());
        assert!(RefreshToken::parse(&cookie.to_text(), &keys()).is_none());
    }
}
