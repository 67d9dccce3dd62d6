//! Settings of the cookies of a landing.

use crate::domain::touch::Window;

/// The attributes that the cookies `ref_code` and `whence_touch` are set with.
#[derive(Clone, Debug, Default)]
pub struct CookieSettings {
    /// The attribute `Max-Age`.
    pub window: Window,
    /// The attribute `Domain`; without it the cookie belongs to the one host that set it.
    pub domain: Option<CookieDomain>,
}

/// A host name that may be the value of `Domain=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieDomain(String);

impl CookieDomain {
    /// Reads a host name; a dot in front of it is ignored (RFC 6265, section 5.2.3).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.trim().trim_start_matches('.').to_ascii_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        (name.len() <= 253 && name.split('.').all(label)).then_some(Self(name))
    }

    /// Returns the name, without a dot in front.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
