//! Entity tags: a client that holds the current body of a resource is not sent it again
//! (RFC 9110, sections 8.8.3 and 13.1.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::IF_NONE_MATCH;
use http::{HeaderMap, HeaderValue};
use whence_events::Hash;

use crate::infra::hash::sha256;

/// The strong entity tag of a response body.
pub(super) struct EntityTag(String);

impl EntityTag {
    /// Returns the tag of `body`: the first 128 bits of its SHA-256.
    pub(super) fn of(body: &[u8]) -> Self {
        Self(format!("\"{}\"", URL_SAFE_NO_PAD.encode(&sha256(body).0[..16])))
    }

    /// Returns the tag that is the whole hash of a body, as `touch.js` has always had it.
    pub(super) fn of_hash(hash: &Hash) -> Self {
        Self(format!("\"{hash}\""))
    }

    /// Returns whether `If-None-Match` of a request names this tag, or any (`*`): the answer is
    /// then 304. Weak and strong tags compare alike here (RFC 9110, section 13.1.2).
    pub(super) fn is_held(&self, headers: &HeaderMap) -> bool {
        headers.get_all(IF_NONE_MATCH).into_iter().any(|line| {
            let tags = line.to_str().unwrap_or("").split(',');
            tags.map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == self.0 || tag == "*")
        })
    }

    /// Returns the value of the `ETag` header.
    pub(super) fn to_header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("base64url in quotes is header text")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn held(lines: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_NONE_MATCH, HeaderValue::from_static(line));
        }
        EntityTag::of(b"").is_held(&headers)
    }

    #[test]
    fn a_tag_is_found_in_any_line_weak_or_strong() {
        assert_eq!(EntityTag::of(b"").to_header(), "\"47DEQpj8HBSa-_TImW-5JA\"");
        assert!(held(&["\"47DEQpj8HBSa-_TImW-5JA\""]));
        assert!(held(&["\"other\" , W/\"47DEQpj8HBSa-_TImW-5JA\""]));
        assert!(held(&["\"other\"", "\"47DEQpj8HBSa-_TImW-5JA\""]));
        assert!(held(&["*"]));
    }

    #[test]
    fn another_tag_is_not_held() {
        assert!(!held(&[]));
        assert!(!held(&["", "\"other\"", "47DEQpj8HBSa-_TImW-5JA"]));
    }
}
