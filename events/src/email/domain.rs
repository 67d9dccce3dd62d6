//! Mail domains: one form for each, in ASCII.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// Returns a domain in lower case and as A-labels; `None` when it is none. The root's dot at the end is
/// taken off.
pub(super) fn canonical(text: &str) -> Option<String> {
    let text = text.strip_suffix(['.', '。', '．', '｡']).unwrap_or(text);
    let lower = text.to_ascii_lowercase();
    let is_plain = lower.is_ascii() && !lower.split('.').any(|label| label.starts_with("xn--"));
    if is_plain {
        // Without the mappings of Unicode, which leave such names alone but for hyphens.
        return Some(lower);
    }
    Uts46::new()
        .to_ascii(lower.as_bytes(), AsciiDenyList::STD3, Hyphens::Allow, DnsLength::Verify)
        .ok()
        .map(std::borrow::Cow::into_owned)
}

/// Returns whether a canonical domain is a host name of at least two labels that is no IPv4 address.
pub(super) fn is_well_formed(domain: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_name =
        domain.rsplit('.').next().is_some_and(|l| l.bytes().any(|b| !b.is_ascii_digit()));
    domain.contains('.') && last_is_name && domain.split('.').all(label)
}

/// Returns a canonical domain in its own letters, when it has others than ASCII.
pub(super) fn shown(domain: &str) -> Option<String> {
    if !domain.contains("xn--") {
        return None;
    }
    let (shown, valid) =
        Uts46::new().to_unicode(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Allow);
    valid.ok().map(|()| shown.into_owned())
}
