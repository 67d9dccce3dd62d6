//! Bearer tokens: the only one that is accepted is the one that was issued, byte for byte. Of refresh
//! tokens none is.

use std::sync::LazyLock;

use url::Url;
use whence::app::access_tokens::AccessTokens;
use whence::infra::tokens::RefreshToken;
use whence_events::Timestamp;

use super::KEYS;

/// A token that was issued under the keys of the corpora.
const ISSUED: &str = include_str!("corpus/jwt/issued");

/// What issued it.
static TOKENS: LazyLock<AccessTokens> = LazyLock::new(|| {
    let public_url = Url::parse("http://id.localhost:18099").expect("a URL");
    AccessTokens::new(&KEYS, &public_url).expect("a key")
});

/// Reads a token.
pub fn run(data: &[u8]) {
    assert!(!accepts(data) || data == ISSUED.as_bytes(), "a forged token");
    let refresh = std::str::from_utf8(data).ok().and_then(|text| RefreshToken::parse(text, &KEYS));
    assert!(refresh.is_none(), "a forged refresh token");
}

/// Returns whether the token is accepted at a time at which the one that was issued is valid.
#[must_use]
pub fn accepts(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    TOKENS.check(text, Timestamp::from_micros(1_795_882_200_000_000)).is_some()
}
