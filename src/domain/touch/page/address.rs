//! Addresses as they are kept: each page in one spelling, and of another site's page no more than
//! the setting wants.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};
use url::Url;
use whence_events::is_invisible;

use crate::text::{label, nfc};

/// The maximum length of an address, in characters.
const MAX_URL: usize = 2048;

/// How much of the address of a referring page is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReferrerDetail {
    /// The site alone, such as `https://www.example.com/`.
    Origin,
    /// Site and path, because queries carry what is not for others: search terms, addresses, keys.
    #[default]
    Path,
    /// The whole address, but for a user name and a password.
    Whole,
}

/// Returns the path of a page in one spelling: without what is invisible, in NFC, with escapes in
/// capitals, and cut to 2048 characters.
pub(in crate::touch) fn landing_path(path: &str) -> String {
    let path = cut(normal_path(path));
    if path.is_empty() { "/".to_owned() } else { path }
}

/// Returns of the address of a referring page what is kept; `None` when it is no address with a
/// host.
pub(in crate::touch) fn referring_page(referrer: &str, detail: ReferrerDetail) -> Option<String> {
    let mut url = Url::parse(referrer).ok().filter(Url::has_host)?;
    // An error says that there is none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    match detail {
        ReferrerDetail::Whole => {}
        ReferrerDetail::Path => {
            // Behind a semicolon are sessions (`;jsessionid=`), not pages.
            let path = normal_path(url.path());
            let segments = path.split('/').map(|part| part.split(';').next().unwrap_or(part));
            url.set_path(&segments.collect::<Vec<_>>().join("/"));
        }
        ReferrerDetail::Origin => url.set_path(""),
    }
    if detail != ReferrerDetail::Whole {
        url.set_query(None);
        url.set_fragment(None);
    }
    Some(cut(url.into()))
}

/// Returns the text of a `Referer` header; `None` when there is nothing in it.
pub(in crate::touch) fn clean_url(value: &str) -> Option<String> {
    label(value, MAX_URL)
}

/// Characters that are escaped in a path that is kept: all that an address may not hold. Letters
/// beyond ASCII are escaped in any case.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'#')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// Returns a path with letters beyond ASCII escaped, in NFC and without what is invisible. Escapes
/// of ASCII stay, in capitals; so do bytes that are not UTF-8.
fn normal_path(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in unescaped(path).utf8_chunks() {
        for c in chunk.valid().chars() {
            if !is_invisible(c) || ends_in_a_part(&text) {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&escape(*byte));
        }
    }
    composed(&text)
}

/// Returns whether a text ends in a part of an escape or of a letter, which what comes next would
/// complete if nothing were in between.
fn ends_in_a_part(text: &str) -> bool {
    match text.as_bytes() {
        [.., b'%'] => true,
        // Bytes of letters are escaped only where they are none.
        [.., b'%', digit] | [.., b'%', b'8' | b'9' | b'A'..=b'F', digit] => {
            digit.is_ascii_hexdigit()
        }
        _ => false,
    }
}

/// Returns a path in NFC and escaped. Its escapes compose with nothing: their digits are no letters.
fn composed(path: &str) -> String {
    let mut kept = String::with_capacity(path.len());
    let mut keep = |letters: &str| {
        let letters: String = nfc(letters.chars()).collect();
        kept.extend(utf8_percent_encode(&letters, ESCAPED));
    };
    let mut rest = path;
    while let Some(at) = rest.match_indices('%').map(|(at, _)| at).find(|at| is_escape(rest, *at)) {
        keep(&rest[..at]);
        keep(&rest[at..at + 3]);
        rest = &rest[at + 3..];
    }
    keep(rest);
    kept
}

/// Returns whether an escape begins at a place of a text.
fn is_escape(text: &str, at: usize) -> bool {
    let digits = text.as_bytes().get(at + 1..at + 3);
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// Returns the bytes of a path, with the escapes of ASCII left in it.
fn unescaped(path: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape_of = |three: &[u8]| {
            let mut decoded = percent_decode(three);
            decoded.next().filter(|_| decoded.next().is_none())
        };
        if let Some(byte) = rest.get(..3).filter(|_| *first == b'%').and_then(escape_of) {
            if byte.is_ascii() {
                bytes.extend(escape(byte).into_bytes());
            } else {
                bytes.push(byte);
            }
            rest = &rest[3..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    bytes
}

fn escape(byte: u8) -> String {
    format!("%{byte:02X}")
}

/// Returns as much of an address as is kept, without half of an escape at its end.
fn cut(mut address: String) -> String {
    if address.chars().nth(MAX_URL).is_some() {
        address = address.chars().take(MAX_URL).collect();
        if let Some(at) = address.rfind('%').filter(|at| address.len() - at < 3) {
            address.truncate(at);
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_has_one_spelling() {
        for (path, kept) in [
            ("/caf%C3%A9", "/caf%C3%A9"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/café", "/caf%C3%A9"),
            ("/cafe%CC%81", "/caf%C3%A9"),
            ("/cafe%cc%81\u{200b}", "/caf%C3%A9"),
            ("/price%E2%80%8B", "/price"),
            ("/%EF%BB%BFprice%C2%AD", "/price"),
            ("/a%2fb%20c", "/a%2Fb%20c"),
            ("/%ff/%E9", "/%FF/%E9"),
            ("/100%", "/100%"),
            ("/%zz%4", "/%zz%4"),
            ("/%00%1b", "/%00%1B"),
            // A digit of an escape is no letter that an accent could be on.
            ("/<%cc%81", "/%3C%CC%81"),
            ("/%3c%cc%81", "/%3C%CC%81"),
            // What is invisible stays where it keeps the parts of an escape or of a letter apart.
            ("/%e\u{200b}9", "/%e%E2%80%8B9"),
            ("/%C3%E2%80%8B%82%CC%81", "/%C3%E2%80%8B%82%CC%81"),
            ("/A", "/A"),
            ("", "/"),
        ] {
            assert_eq!(landing_path(path), kept, "{path}");
        }
    }

    #[test]
    fn a_long_path_is_cut_between_escapes() {
        for filler in 0..3 {
            let path = format!("/{}{}", "a".repeat(filler), "é".repeat(2000));
            let kept = landing_path(&path);
            assert!((2046..=2048).contains(&kept.len()), "{}", kept.len());
            assert_eq!(landing_path(&kept), kept);
            assert!(!kept[kept.len() - 2..].contains('%'));
        }
    }

    #[test]
    fn of_a_referring_page_what_may_be_secret_is_left_out() {
        use ReferrerDetail::{Origin, Path, Whole};
        let whole =
            "https://ann:pw@Crm.example.org:8443/a;jsessionid=1A/b?key=K&mail=a%40b.example#top";
        for (detail, kept) in [
            (Origin, "https://crm.example.org:8443/"),
            (Path, "https://crm.example.org:8443/a/b"),
            (Whole, "https://crm.example.org:8443/a;jsessionid=1A/b?key=K&mail=a%40b.example#top"),
        ] {
            assert_eq!(referring_page(whole, detail).as_deref(), Some(kept));
        }
        for (referrer, kept) in [
            ("https://news.example", Some("https://news.example/")),
            ("https://news.example/%e2%80%8bx?", Some("https://news.example/x")),
            ("android-app://com.example.reader/", Some("android-app://com.example.reader/")),
            (
                "android-app://com.example.reader/http/h?q=1",
                Some("android-app://com.example.reader/http/h"),
            ),
            ("https://BÜCHER.example/", Some("https://xn--bcher-kva.example/")),
            ("https://news.exa\u{200b}mple/", Some("https://news.example/")),
            ("data:text/plain,secret", None),
            ("mailto:a@b.example", None),
            ("nonsense", None),
        ] {
            assert_eq!(referring_page(referrer, Path).as_deref(), kept, "{referrer}");
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_is_kept_again(path in "/([%a-fA-F0-9/;<]|%[cCeE][0-9a-f]%[89ab][0-9a-f]|%cc%81|%e2%80%8b|\u{301}|\u{200b}|\\PC){0,40}") {
            let kept = landing_path(&path);
            prop_assert!(kept.is_ascii());
            prop_assert_eq!(landing_path(&kept), kept);
            let url = format!("https://a@news.example{path}?q=1#f");
            for detail in [ReferrerDetail::Origin, ReferrerDetail::Path, ReferrerDetail::Whole] {
                if let Some(kept) = referring_page(&url, detail) {
                    prop_assert_eq!(referring_page(&kept, detail), Some(kept));
                }
            }
        }
    }
}
