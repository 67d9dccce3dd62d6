//! What users say about themselves: the name that they want to be shown by, and the URL of a picture.

use url::Url;

use crate::text::label;

/// A name to be shown by: in NFC, without invisible characters, with single spaces.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayName(String);

/// The URL of a picture, which pages load in the browsers of others.
#[derive(Clone, PartialEq, Eq)]
pub struct AvatarUrl(String);

/// The text is not a name to be shown by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a display name has at most {} characters", DisplayName::MAX_CHARS)]
pub struct InvalidDisplayName;

/// The text is not the URL of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the URL of a picture begins with https:// and names a host and no user")]
pub struct InvalidAvatarUrl;

impl DisplayName {
    /// The length of a name at most, in characters.
    pub const MAX_CHARS: usize = 80;

    /// Parses a name; `None` when nothing of the text is seen, which is no name.
    pub fn parse(text: &str) -> Result<Option<Self>, InvalidDisplayName> {
        let Some(name) = label(text, Self::MAX_CHARS + 1) else { return Ok(None) };
        if name.chars().count() > Self::MAX_CHARS {
            return Err(InvalidDisplayName);
        }
        Ok(Some(Self(name)))
    }

    /// Returns the name.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

impl AvatarUrl {
    /// The length of a URL at most, in bytes.
    pub const MAX_BYTES: usize = 2048;

    /// Parses a URL; `None` for an empty text, which is no URL.
    ///
    /// Only `https` is taken: other schemes are scripts (`javascript:`), documents (`data:`) or pictures
    /// that anybody on the way can replace. What the parser of URLs would drop or mend in silence, such
    /// as a line break in the middle, is refused.
    pub fn parse(text: &str) -> Result<Option<Self>, InvalidAvatarUrl> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let unclear = |c: char| {
            c.is_control() || c.is_whitespace() || whence_events::is_invisible(c) || c == '\\'
        };
        if text.len() > Self::MAX_BYTES || text.chars().any(unclear) {
            return Err(InvalidAvatarUrl);
        }
        let url = Url::parse(text).map_err(|_| InvalidAvatarUrl)?;
        let names_a_user = !url.username().is_empty() || url.password().is_some();
        let fits = url.scheme() == "https" && url.has_host() && !names_a_user;
        let url = String::from(url);
        if fits && url.len() <= Self::MAX_BYTES {
            Ok(Some(Self(url)))
        } else {
            Err(InvalidAvatarUrl)
        }
    }

    /// Returns the URL.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Result<Option<String>, InvalidDisplayName> {
        DisplayName::parse(text).map(|name| name.map(DisplayName::into_text))
    }

    fn avatar(text: &str) -> Result<Option<String>, InvalidAvatarUrl> {
        AvatarUrl::parse(text).map(|url| url.map(AvatarUrl::into_text))
    }

    #[test]
    fn a_name_has_one_spelling() {
        for text in ["Ada Lovelace", " Ada  Lovelace\n", "Ada\u{a0}Love\u{200b}lace\u{202e}"] {
            assert_eq!(name(text), Ok(Some("Ada Lovelace".into())), "{text:?}");
        }
        assert_eq!(name("Zoe\u{308}"), Ok(Some("Zoë".into())));
        for nothing in ["", "  ", "\u{200b}\u{2800}\0"] {
            assert_eq!(name(nothing), Ok(None), "{nothing:?}");
        }
    }

    #[test]
    fn a_name_has_at_most_80_characters_of_any_script() {
        assert_eq!(name(&"é".repeat(80)), Ok(Some("é".repeat(80))));
        assert_eq!(name(&"e\u{301}".repeat(80)), Ok(Some("é".repeat(80))));
        assert_eq!(name(&"é".repeat(81)), Err(InvalidDisplayName));
        assert_eq!(
            name(&format!("{}{}", "a".repeat(80), " ".repeat(500))),
            Ok(Some("a".repeat(80)))
        );
    }

    #[test]
    fn a_picture_is_at_an_https_url() {
        for (text, expected) in [
            ("https://cdn.example.com/a.png", "https://cdn.example.com/a.png"),
            (" HTTPS://CDN.example.com/a.png?x=1#y ", "https://cdn.example.com/a.png?x=1#y"),
            ("https://bilder.müller.example/ä", "https://bilder.xn--mller-kva.example/%C3%A4"),
        ] {
            assert_eq!(avatar(text), Ok(Some(expected.into())), "{text}");
        }
        assert_eq!(avatar("  "), Ok(None));
        for text in [
            "http://cdn.example.com/a.png",
            "javascript:alert(1)",
            "JaVaScRiPt://%0aalert(1)",
            "data:image/svg+xml,<svg onload=alert(1)>",
            "vbscript:x",
            "blob:https://example.com/1",
            "file:///etc/passwd",
            "//cdn.example.com/a.png",
            "/a.png",
            "cdn.example.com/a.png",
            "https://",
            "https:///a.png?",
            "https://user@cdn.example.com/a.png",
            "https://user:secret@cdn.example.com/a.png",
            "https://cdn.example.com/a\n.png",
            "java\tscript:alert(1)",
            "https:\\\\cdn.example.com\\a.png",
            "https://cdn.example.com/a\u{202e}gnp.exe",
            "https://cdn.example.com/a b",
        ] {
            let refused = avatar(text);
            // The parser reads a third slash as none.
            let read_so =
                text == "https:///a.png?" && refused == Ok(Some("https://a.png/?".into()));
            assert!(refused == Err(InvalidAvatarUrl) || read_so, "{text}: {refused:?}");
        }
    }

    #[test]
    fn a_url_has_at_most_2048_bytes_as_it_is_kept() {
        let url = |n: usize| format!("https://a.example/{}", "x".repeat(n));
        assert!(avatar(&url(2048 - 18)).is_ok());
        assert_eq!(avatar(&url(2049 - 18)), Err(InvalidAvatarUrl));
        // Each of these letters is six bytes once it is escaped.
        assert_eq!(
            avatar(&format!("https://a.example/{}", "ä".repeat(600))),
            Err(InvalidAvatarUrl)
        );
    }

    proptest! {
        #[test]
        fn what_is_kept_is_kept_as_it_is(text in "\\PC{0,100}", path in "\\PC{0,40}") {
            if let Ok(Some(once)) = name(&text) {
                prop_assert_eq!(name(&once), Ok(Some(once)));
            }
            if let Ok(Some(once)) = avatar(&format!("https://a.example/{path}")) {
                prop_assert_eq!(avatar(&once), Ok(Some(once)));
            }
        }
    }
}
