//! The cookies of a request: what is read as signed is what was signed, whatever stands around it.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use whence::domain::touch::RefCode;
use whence::http::landing::cookies::{encode_first_touch, encode_ref_code, read_landing_cookies};

/// Reads the lines as `Cookie` headers.
pub fn run(data: &[u8]) {
    let headers = headers(data);
    let key = &super::KEYS.cookie;
    let cookies = read_landing_cookies(key, &headers);
    // Nobody else can sign: what is accepted stands in the request as it was written.
    if let Some(first) = &cookies.first_touch {
        assert!(holds(data, &encode_first_touch(key, first)), "a forged first touch");
    }
    if let Some(RefCode::Signed(code)) = &cookies.ref_code {
        assert!(holds(data, &encode_ref_code(key, code)), "a forged code");
    }
}

/// Returns whether the input has a first touch.
#[must_use]
pub fn accepts(data: &[u8]) -> bool {
    read_landing_cookies(&super::KEYS.cookie, &headers(data)).first_touch.is_some()
}

fn headers(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, value);
        }
    }
    headers
}

fn holds(data: &[u8], text: &str) -> bool {
    data.windows(text.len()).any(|window| window == text.as_bytes())
}
