//! Text that strangers send, brought into one form: what looks alike is equal.
//!
//! Links are copied out of documents, chats and mails, and bring what nobody sees: zero-width
//! spaces, marks of writing direction, byte order marks, letters in two pieces. Two such texts would
//! be two rows of a report that look the same.

use icu_normalizer::ComposingNormalizerBorrowed;
use percent_encoding::percent_decode;
use whence_events::is_invisible;

/// Returns a text as a label: in NFC, without what is invisible, with single spaces, trimmed, and
/// cut to `longest` characters; `None` when nothing is left.
///
/// The case is kept. A label is its own label. Joiners are invisible here, although some scripts show
/// them: of two labels, none should differ by one alone.
#[must_use]
pub fn label(text: &str, longest: usize) -> Option<String> {
    let mut label = String::new();
    let (mut length, mut gap) = (0, false);
    for c in nfc(text.chars().filter_map(seen)) {
        if c == ' ' {
            gap = length > 0;
            continue;
        }
        if length + usize::from(gap) >= longest {
            break;
        }
        if gap {
            label.push(' ');
            length += 1;
        }
        label.push(c);
        (length, gap) = (length + 1, false);
    }
    (length > 0).then_some(label)
}

/// Returns characters in their composed form (NFC).
pub(crate) fn nfc(chars: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    ComposingNormalizerBorrowed::new_nfc().normalize_iter(chars)
}

/// Returns what is seen of a character: itself, a space, or nothing.
fn seen(c: char) -> Option<char> {
    match c {
        // The braille pattern without dots is a blank too, but no whitespace of Unicode.
        '\u{2800}' => Some(' '),
        c if c.is_whitespace() => Some(' '),
        c if c.is_control() || is_invisible(c) => None,
        c => Some(c),
    }
}

/// Decodes a name or a value of a query: `+` is a space, and `%` stands for a byte.
#[must_use]
pub fn decode(encoded: &str) -> String {
    percent_decoded(&encoded.replace('+', " "))
}

/// Returns a text in which `%` stood for a byte.
///
/// Bytes that are not UTF-8 are read as Windows-1252, the encoding of old programs of the West. So
/// none is lost, and different bytes are different characters.
#[must_use]
pub fn percent_decoded(encoded: &str) -> String {
    let bytes: Vec<u8> = percent_decode(encoded.as_bytes()).collect();
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let mut text = String::new();
            for chunk in error.as_bytes().utf8_chunks() {
                text.push_str(chunk.valid());
                text.extend(chunk.invalid().iter().map(|byte| windows_1252(*byte)));
            }
            text
        }
    }
}

/// Returns the character of a byte in Windows-1252, by the Encoding Standard.
fn windows_1252(byte: u8) -> char {
    /// The characters of 0x80 to 0x9f, where it differs from Latin-1.
    const UPPER: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => UPPER[usize::from(byte - 0x80)],
        other => char::from(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn one(texts: &[&str], expected: &str) {
        for text in texts {
            assert_eq!(label(text, 255).as_deref(), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_invisible_makes_no_other_label() {
        one(
            &[
                "spring",
                "\u{feff}spring",
                "spr\u{ad}ing",
                "sp\u{200c}r\u{200d}ing",
                "spring\u{2060}",
                "\u{202e}spring\u{202c}",
                "\u{2067}spring\u{2069}",
                "spring\u{fe0f}",
                "spring\u{e0041}",
                "spring\u{3164}",
                "spring\u{34f}",
                "sp\0ring\u{7f}\u{9d}",
                "spring\u{fffe}",
                "\u{fff9}spring\u{fffb}",
                "\u{61c}spring",
                "spring\u{180e}",
                "spring\u{1d173}",
            ],
            "spring",
        );
    }

    #[test]
    fn any_whitespace_is_one_space_and_none_at_the_ends() {
        one(
            &[
                "summer sale",
                " summer\u{a0}sale\u{3000}",
                "summer\t\r\nsale",
                "summer\u{2003} \u{202f}sale",
                "summer\u{2028}sale",
                "\u{2800}summer\u{2800}sale",
                "summer \u{200b} sale\u{85}",
            ],
            "summer sale",
        );
        for nothing in ["", "  ", "\u{200b}", "\u{a0}\u{feff}\u{2800}"] {
            assert_eq!(label(nothing, 255), None, "{nothing:?}");
        }
    }

    #[test]
    fn letters_in_two_pieces_are_composed_and_the_case_is_kept() {
        one(&["Café Å", "Cafe\u{301} A\u{30a}", "Cafe\u{200b}\u{301} \u{212b}"], "Café Å");
        one(&["ΑΩ", "Α\u{2126}"], "ΑΩ");
        assert_ne!(label("News", 9), label("news", 9));
        // Neither is a letter of the other.
        assert_ne!(label("ＮＥＷＳ", 9), label("NEWS", 9));
    }

    #[test]
    fn a_label_is_cut_to_characters_and_ends_in_none_of_space() {
        assert_eq!(label("ééé", 2).unwrap(), "éé");
        assert_eq!(label("ab cd", 3).unwrap(), "ab");
        assert_eq!(label("ab cd", 4).unwrap(), "ab c");
        assert_eq!(label("e\u{301}e\u{301}e\u{301}", 2).unwrap(), "éé");
    }

    #[test]
    fn bytes_that_are_no_utf_8_are_western_letters() {
        for (encoded, text) in [
            ("caf%C3%A9", "café"),
            ("caf%E9", "café"),
            ("%80+%93x%94", "€ “x”"),
            ("%C3%A9%E9", "éé"),
            ("caf%C3", "cafÃ"),
            ("%ff%FE", "ÿþ"),
            ("50%", "50%"),
            ("%zz%4", "%zz%4"),
            ("a%00b", "a\0b"),
        ] {
            assert_eq!(decode(encoded), text, "{encoded}");
        }
    }

    #[test]
    fn no_two_bytes_are_one_character() {
        let mut all: Vec<char> = (0x80..=0xff).map(windows_1252).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 128);
    }

    proptest! {
        #[test]
        fn a_label_is_its_own_label(text in "(\\PC|[ \u{300}-\u{36f}\u{200b}-\u{200f}\u{a0}\u{1100}-\u{11ff}]){0,60}",
                                    longest in 1_usize..70) {
            if let Some(once) = label(&text, longest) {
                prop_assert!(once.chars().count() <= longest);
                prop_assert!(!once.chars().any(|c| is_invisible(c) || c.is_control()));
                prop_assert_eq!(label(&once, longest), Some(once));
            }
        }

        #[test]
        fn decoding_is_total(encoded in "([%+a-f0-9]|\\PC){0,40}") {
            let _ = decode(&encoded);
        }
    }
}
