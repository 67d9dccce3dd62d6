//! The names before the `@`: one form for each.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// Returns a name in lower case and composed (NFC), without the quotes of a quoted form that needs
/// none (RFC 5321, section 4.1.2). `None` when a character cannot be told from another one: a
/// mailbox with such a character is refused instead of guessed.
pub(super) fn canonical(text: &str) -> Option<String> {
    let name = unquoted(text)?;
    if name.is_ascii() {
        return Some(name.to_ascii_lowercase());
    }
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    // A Kelvin sign composes to a K, which would be another mailbox.
    let stays = |c: char| {
        c.is_ascii() || !nfc.normalize(c.encode_utf8(&mut [0; 4])).chars().all(|c| c.is_ascii())
    };
    if !name.chars().all(stays) {
        return None;
    }
    let name = nfc.normalize(&nfc.normalize(&name).to_lowercase()).into_owned();
    let plain = ComposingNormalizerBorrowed::new_nfkc().normalize(&name);
    let valid = plain == name && name.chars().all(is_of_a_name) && marks_follow_letters(&name);
    valid.then_some(name)
}

/// Returns whether a canonical name is a dot-atom of at most 64 octets.
pub(super) fn is_well_formed(name: &str) -> bool {
    let atom = |atom: &str| {
        !atom.is_empty()
            && atom.chars().all(|c| is_atext(c) || (!c.is_ascii() && !c.is_control()))
            && !atom.contains(char::is_whitespace)
    };
    name.len() <= 64 && name.split('.').all(atom)
}

fn is_atext(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || "!#$%&'*+/=?^_`{|}~-".contains(c)
}

/// Returns whether a character may stand in a name: beyond ASCII letters, marks, digits and symbols,
/// and the few others that words are written with (RFC 5892, appendix A).
fn is_of_a_name(c: char) -> bool {
    use GeneralCategory as G;
    if c.is_ascii() {
        return is_atext(c) || c == '.';
    }
    // The parts of Hangul syllables; what is left of them after composition is of no name today.
    if matches!(c, '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97f}' | '\u{d7b0}'..='\u{d7ff}') {
        return false;
    }
    let written_with = matches!(
        c,
        '\u{b7}' | '\u{375}' | '\u{5f3}' | '\u{5f4}' | '\u{30fb}' | '\u{200c}' | '\u{200d}'
    );
    written_with
        || matches!(
            CodePointMapData::<GeneralCategory>::new().get(c),
            G::UppercaseLetter
                | G::LowercaseLetter
                | G::TitlecaseLetter
                | G::ModifierLetter
                | G::OtherLetter
                | G::NonspacingMark
                | G::SpacingMark
                | G::DecimalNumber
                | G::OtherSymbol
        )
}

/// Returns whether each mark has a letter to stand on, and none a dot or a hyphen, without which it would
/// compose with what is in front of that.
fn marks_follow_letters(name: &str) -> bool {
    use GeneralCategory as G;
    let categories = CodePointMapData::<GeneralCategory>::new();
    let mut may_follow = false;
    name.chars().all(|c| {
        let is_mark = matches!(categories.get(c), G::NonspacingMark | G::SpacingMark);
        let stands = !is_mark || may_follow;
        may_follow = !c.is_ascii() || c.is_ascii_alphanumeric();
        stands
    })
}

/// Returns what is between the quotes of a quoted name.
fn unquoted(text: &str) -> Option<Cow<'_, str>> {
    let Some(quoted) = text.strip_prefix('"') else { return Some(Cow::Borrowed(text)) };
    let mut name = String::with_capacity(quoted.len());
    let mut rest = quoted.strip_suffix('"')?.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => return None,
            '\\' => name.push(rest.next()?),
            c => name.push(c),
        }
    }
    Some(Cow::Owned(name))
}
