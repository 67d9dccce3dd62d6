//! Codes as they are found in links: with what people, mail programs and chats append to a link, or do
//! to its letters.
//!
//! No reading is a guess. A reading is the text as it is written, or what remains of it once characters
//! that can be in no code are taken off, with everything behind the first of them.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use whence_events::ReferralCode;

/// The readings of a text at most: each is looked up where there are several.
const MAX_READINGS: usize = 4;

/// The characters of a text that are examined: more than stands around any code in a link.
const MAX_CHARS: usize = 512;

/// The place in which a text was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The path of a short link.
    ShortLink,
    /// The value of a parameter, in which other sites write their own names (`ref=news.example.com`).
    Parameter,
}

/// Returns the codes that a text can mean, the most literal one first; none when it means no code.
pub(super) fn readings(text: &str, place: Place) -> Vec<ReferralCode> {
    let text = text.trim();
    if let Ok(code) = text.parse::<ReferralCode>() {
        // No code that anybody chose or got ends in a hyphen.
        let shorter = text.trim_end_matches('-').parse().ok();
        let shorter = shorter.filter(|shorter| *shorter != code);
        return std::iter::once(code).chain(shorter).collect();
    }
    // A whole short link in the place of its code.
    let text = text.rfind("/r/").map_or(text, |at| &text[at + "/r/".len()..]);
    if is_address(text) {
        return Vec::new();
    }
    if place == Place::Parameter && is_host(text) {
        return Vec::new();
    }
    read(text)
}

/// The meaning of a character at its place in a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// A character of codes, in its plain form.
    Code(char),
    /// A dash that is typed for a hyphen, and that also ends a word.
    Dash,
    /// Nothing that is seen.
    Invisible,
    /// The end of a line, in the middle of which programs break long links.
    LineBreak,
    /// A letter that makes another word out of the code, or looks like one of its letters.
    OtherLetter,
    /// Anything else, which ends the code.
    End,
}

/// Reads a text character by character.
fn read(text: &str) -> Vec<ReferralCode> {
    let mut signs = Signs::of(text);
    if !signs.skip_what_stands_before() {
        return Vec::new();
    }
    let (mut written, mut shorter) = (String::new(), Vec::new());
    let complete = loop {
        match signs.next() {
            None => break true,
            Some((_, Sign::Invisible)) => {}
            Some((_, Sign::Code(c))) => written.push(c),
            Some((_, Sign::Dash)) => {
                shorter.push(written.clone());
                written.push('-');
            }
            Some((_, Sign::LineBreak)) => shorter.push(written.clone()),
            Some((_, Sign::OtherLetter)) => break false,
            Some(('=', Sign::End)) if signs.next_is_line_break() => shorter.push(written.clone()),
            // An address of a mailbox, whose name is nobody's code.
            Some(('@', Sign::End)) if signs.next_is_word() => return Vec::new(),
            // It joins words, as the hyphen does in a code.
            Some(('_', Sign::End)) if signs.next_is_word() => break false,
            Some((_, Sign::End)) => break true,
        }
    };
    let mut found: Vec<ReferralCode> = Vec::new();
    let texts = complete.then_some(written).into_iter().chain(shorter.into_iter().rev());
    for text in texts {
        if let Ok(code) = text.trim_end_matches('-').parse()
            && !found.contains(&code)
            && found.len() < MAX_READINGS
        {
            found.push(code);
        }
    }
    found
}

/// The characters of a text with their meanings.
struct Signs {
    /// In reverse order, so that the next one is the last.
    left: Vec<(char, Sign)>,
}

impl Signs {
    fn of(text: &str) -> Self {
        let mut left = Vec::new();
        for c in text.chars().take(MAX_CHARS) {
            if matches!(c, '\u{fb00}'..='\u{fb06}') {
                // Ligatures, which are copied out of printed pages.
                left.extend(std::iter::once(c).nfkc().map(|c| (c, Sign::Code(c))));
            } else {
                left.push((c, sign(c)));
            }
        }
        left.reverse();
        Self { left }
    }

    fn next(&mut self) -> Option<(char, Sign)> {
        self.left.pop()
    }

    /// Skips brackets, quotes and whatever else stands before a code; `false` when letters of no code
    /// do, or when no code follows.
    fn skip_what_stands_before(&mut self) -> bool {
        while let Some((c, sign)) = self.left.last() {
            match sign {
                Sign::Code(plain) if *plain != '-' => return true,
                Sign::OtherLetter => return false,
                Sign::End if c.is_alphabetic() => return false,
                Sign::Code(_) | Sign::Dash | Sign::Invisible | Sign::LineBreak | Sign::End => {
                    self.left.pop();
                }
            }
        }
        false
    }

    /// Returns whether a part of a word follows.
    fn next_is_word(&self) -> bool {
        let seen = self.left.iter().rev().find(|(_, sign)| *sign != Sign::Invisible);
        seen.is_some_and(|(c, sign)| matches!(sign, Sign::Code(_)) || c.is_alphanumeric())
    }

    /// Returns whether a line ends here.
    fn next_is_line_break(&self) -> bool {
        self.left.last().is_some_and(|(_, sign)| *sign == Sign::LineBreak)
    }
}

fn sign(c: char) -> Sign {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' => Sign::Code(c),
        '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Sign::LineBreak,
        '\u{2010}' | '\u{2011}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => {
            Sign::Code('-')
        }
        '\u{2012}'..='\u{2015}' => Sign::Dash,
        // The same letter in the other case, where `i` has its dot in both.
        '\u{130}' => Sign::Code('I'),
        '\u{131}' => Sign::Code('i'),
        // Ordinals and numbers of footnotes are no digits and letters of what they stand behind.
        '\u{aa}' | '\u{b2}' | '\u{b3}' | '\u{b9}' | '\u{ba}' | '\u{2070}'..='\u{209c}' => Sign::End,
        // In its place was something that is no text any more.
        char::REPLACEMENT_CHARACTER => Sign::OtherLetter,
        _ if c.is_control() || is_invisible(c) => Sign::Invisible,
        _ if c.is_ascii() => Sign::End,
        _ => digit(c).map_or_else(|| sign_of_other(c), Sign::Code),
    }
}

/// Returns the meaning of a character that is not ASCII.
fn sign_of_other(c: char) -> Sign {
    let mut plain = std::iter::once(c).nfkc();
    match (plain.next(), plain.next()) {
        (Some(one), None) if one.is_ascii_alphanumeric() => Sign::Code(one),
        _ if is_combining_mark(c) => Sign::OtherLetter,
        _ if c.is_alphabetic() && is_like_latin(c) => Sign::OtherLetter,
        _ => Sign::End,
    }
}

/// Returns whether a letter is of an alphabet that has letters in common with the Latin one, or is of
/// that itself. Letters of other scripts are not taken for a part of a code; many of them are written
/// without spaces before them.
fn is_like_latin(c: char) -> bool {
    matches!(u32::from(c),
        ..0x590                      // Latin, Greek, Cyrillic, Armenian
        | 0x10a0..=0x10ff            // Georgian
        | 0x13a0..=0x13ff            // Cherokee
        | 0x1c80..=0x1cbf            // Cyrillic, Georgian
        | 0x1d00..=0x1fff            // Latin, Greek
        | 0x2100..=0x214f            // letter-like symbols
        | 0x2c00..=0x2dff            // Glagolitic, Latin, Coptic, Georgian, Cyrillic
        | 0xa640..=0xa69f            // Cyrillic
        | 0xa720..=0xa7ff            // Latin
        | 0xab30..=0xabbf            // Latin, Cherokee
        | 0xfb00..=0xfb17            // ligatures
        | 0x10280..=0x1044f          // Lycian, Old Italic, Gothic, Deseret and their kin
        | 0x1df00..=0x1dfff          // Latin
    )
}

/// Returns whether a character is drawn as nothing (Unicode's `Default_Ignorable_Code_Point`).
fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5
        | 0x180b..=0x180f
        | 0x200b..=0x200f
        | 0x202a..=0x202e
        | 0x2060..=0x206f
        | 0x3164
        | 0xfe00..=0xfe0f
        | 0xfeff
        | 0xffa0
        | 0xfff0..=0xfffb
        | 0x1bca0..=0x1bca3
        | 0x1d173..=0x1d17a
        | 0xe0000..=0xe0fff
    )
}

/// The zeros of the scripts that have decimal digits of their own; nine digits follow each (Unicode 16,
/// `General_Category=Nd` without those that NFKC maps).
const ZEROS: [u32; 65] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6,
    0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
    0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0x104a0,
    0x10d30, 0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650,
    0x116c0, 0x116d0, 0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0,
    0x11f50, 0x16130, 0x16a60, 0x16ac0, 0x16b50, 0x16d70, 0x1e140, 0x1e2f0, 0x1e950,
];

/// Returns the ASCII digit of the same value.
fn digit(c: char) -> Option<char> {
    let c = u32::from(c);
    let before = ZEROS.partition_point(|zero| *zero <= c);
    let value = c - ZEROS.get(before.checked_sub(1)?)?;
    char::from_digit(value, 10).filter(|_| value < 10)
}

/// Returns whether a text is the address of a page, none of whose parts is a code.
fn is_address(text: &str) -> bool {
    let scheme = text.split(':').next().unwrap_or_default();
    text.contains("://")
        || ["http", "https"]
            .iter()
            .any(|s| scheme.len() < text.len() && scheme.eq_ignore_ascii_case(s))
}

/// Returns whether a text is the name of a site, as other programs write it into links of theirs: crediting
/// the first part of such a name would credit a stranger.
fn is_host(text: &str) -> bool {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-')));
    let host = text[..end.unwrap_or(text.len())].trim_end_matches('.');
    let Some((_, last)) = host.rsplit_once('.') else { return false };
    // A capital begins a sentence.
    let written_small = !last.bytes().any(|b| b.is_ascii_uppercase());
    let lower = host.to_ascii_lowercase();
    written_small && psl::suffix(lower.as_bytes()).is_some_and(|suffix| suffix.is_known())
}

#[cfg(test)]
mod tests;
