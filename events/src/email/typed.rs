//! What keyboards, clipboards and address books put around an e-mail address.

/// Pairs of marks that stand around a whole address.
const AROUND: [(char, char); 12] = [
    ('<', '>'),
    ('(', ')'),
    ('[', ']'),
    ('{', '}'),
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('\u{201c}', '\u{201d}'),
    ('\u{201e}', '\u{201c}'),
    ('\u{2018}', '\u{2019}'),
    ('\u{ab}', '\u{bb}'),
    ('\u{300c}', '\u{300d}'),
];

/// Returns the name and the domain of the one address that a text holds, still to be made canonical.
pub(super) fn parts(text: &str) -> Option<(String, String)> {
    let text = visible(text);
    let mut rest = text.as_str();
    let mut is_uri = false;
    loop {
        let inner = without_frame(rest);
        let inner = match scheme_of(inner) {
            Some(address) => {
                is_uri = true;
                address.split('?').next().unwrap_or(address)
            }
            None => inner,
        };
        if inner.len() == rest.len() {
            break;
        }
        rest = inner;
    }
    // The addresses of links are percent-encoded (RFC 6068, section 2).
    let decoded = if is_uri { percent_decoded(rest)? } else { rest.to_owned() };
    let (name, domain) = decoded.rsplit_once('@')?;
    Some((name.to_owned(), domain.to_owned()))
}

/// Takes off blanks, one pair of marks around the whole, a display name, and a comma or semicolon
/// behind.
fn without_frame(text: &str) -> &str {
    let text = text.trim().trim_end_matches([',', ';']).trim_end();
    for (open, close) in AROUND {
        let inner = text.strip_prefix(open).and_then(|inner| inner.strip_suffix(close));
        if let Some(inner) = inner.filter(|inner| !inner.contains([open, close])) {
            return inner;
        }
    }
    // `Ada <ada@example.com>`; a name that looks like an address itself says two things.
    match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, address)) if !name.contains(['@', '<', '>']) => address,
        Some(_) | None => text,
    }
}

fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    scheme.trim_end().eq_ignore_ascii_case("mailto").then_some(rest)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Returns a text without characters that show nothing, and with full-width characters as the ASCII
/// that they stand for. The joiners of scripts stay between letters of such scripts.
fn visible(text: &str) -> String {
    let shown: Vec<char> = text.chars().filter(|c| !is_invisible(*c)).map(narrow).collect();
    let joins = |c: char| matches!(c, '\u{200c}' | '\u{200d}');
    let is_letter = |at: Option<usize>| {
        at.and_then(|at| shown.get(at)).is_some_and(|c| !c.is_ascii() && !joins(*c))
    };
    let is_kept = |(at, c): &(usize, &char)| {
        !joins(**c) || (is_letter(at.checked_sub(1)) && is_letter(Some(at + 1)))
    };
    shown.iter().enumerate().filter(is_kept).map(|(_, c)| *c).collect()
}

/// Returns whether a character shows nothing and is part of no name: marks of direction, joiners of
/// words, hyphens that may be, selectors of glyphs, and tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Returns the ASCII character that a full-width or small one stands for (RFC 8265, section 3.3.1).
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => {
            u32::from(c).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(c)
        }
        '\u{fe6b}' => '@',
        '\u{fe52}' => '.',
        c => c,
    }
}
