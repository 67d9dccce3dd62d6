//! What people and programs make of a link, and how it is read.

use super::*;

fn read_in(text: &str, place: Place) -> Vec<String> {
    readings(text, place).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn reads(text: &str, expected: &[&str]) {
    assert_eq!(read_in(text, Place::ShortLink), expected, "{text:?}");
    assert_eq!(read_in(text, Place::Parameter), expected, "{text:?}");
}

#[test]
fn a_code_is_read_as_it_is_written() {
    for code in ["K7QM2XEP", "oak-tree", "ab", "A-1"] {
        reads(code, &[code]);
    }
    reads("oak-", &["oak-", "oak"]);
    for none in ["", " ", "a", "-", "\u{200b}", "...", "a.b", &"x".repeat(33), &"x".repeat(9000)] {
        reads(none, &[]);
    }
}

/// What people, mail programs and chats append to a link.
const TAILS: &[&str] = &[
    "/",
    "//",
    "/x",
    ".",
    ",",
    ";",
    ":",
    "!",
    "?",
    "...",
    "\u{2026}",
    ")",
    "]",
    "}",
    ">",
    ").",
    "\"",
    "'",
    "\u{2018}",
    "\u{2019}",
    "\u{201c}",
    "\u{201d}",
    "\u{ab}",
    "\u{bb}",
    "\u{201e}",
    "\u{300d}",
    "\u{ff02}",
    " ",
    "  and",
    "\u{a0}",
    "*",
    "**",
    "_",
    "~",
    "`",
    "|",
    "\\",
    "%",
    "%20",
    "=",
    "=0A",
    "=\r\n",
    "\r\n",
    "\u{2028}",
    "\u{200b}",
    "\u{feff}",
    "\u{ad}",
    "\u{202e}",
    "\u{fffc}",
    ";jsessionid=1",
    "<br>",
    "</a>",
    "\">x",
    ".Thanks",
    "!great",
    "\u{3002}",
    "\u{3001}",
    "\u{306f}",
    "\u{ff09}",
    "\u{2019}s",
    "\u{1f44d}",
    "\u{2014}",
    "\u{2013} x",
    "\u{b9}",
    "\u{2122}",
    "\u{0964}",
    "\u{061f}",
    "\u{5d4}",
    "--",
    "-.",
    "@",
    "#x",
];

#[test]
fn what_is_appended_to_a_code_is_taken_off() {
    for tail in TAILS {
        let text = format!("K7QM2XEP{tail}");
        let found = read_in(&text, Place::ShortLink);
        assert!(found.iter().any(|code| code == "K7QM2XEP"), "{text:?}: {found:?}");
        assert_eq!(read_in(&text, Place::Parameter), found, "{text:?}");
    }
}

#[test]
fn what_stands_before_a_code_is_taken_off() {
    for head in [
        "(",
        "<",
        "[",
        "{",
        "\"",
        "\u{201c}",
        "\u{300c}",
        "/",
        "//",
        "- ",
        "\u{2192} ",
        "\u{200e}",
        "*",
        "_",
        "\u{0}",
    ] {
        reads(&format!("{head}oak-tree"), &["oak-tree"]);
    }
    reads("\u{201e}oak-tree\u{201c}.", &["oak-tree"]);
    reads("https://x.test/r/oak-tree.", &["oak-tree"]);
    reads("x.test/r/oak-tree", &["oak-tree"]);
}

#[test]
fn letters_and_digits_are_read_in_other_forms() {
    for text in [
        "\u{ff2b}\u{ff17}qm2xep",
        "k\u{667}qm2xep",
        "k\u{96d}qm2xep",
        "\u{212a}7qm2xep",
        "k7qm\u{200b}2xep",
        "k7qm\u{ad}2xep",
        "k7qm2\u{1d431}ep",
        "\u{24da}7qm2xep",
        "k\u{1d7d5}qm2xep",
        "k7qm=\r\n2xep",
        "k7qm\r\n 2xep",
    ] {
        let found = read_in(text, Place::ShortLink);
        assert!(
            found[0].eq_ignore_ascii_case("K7QM2XEP") || text.contains(' '),
            "{text:?}: {found:?}"
        );
    }
    for hyphen in ["\u{2010}", "\u{2011}", "\u{2212}", "\u{ff0d}", "\u{fe63}"] {
        reads(&format!("oak{hyphen}tree"), &["oak-tree"]);
    }
    reads("oak\u{2013}tree", &["oak-tree", "oak"]);
    reads("\u{131}van", &["ivan"]);
    reads("\u{fb01}eld", &["field"]);
}

#[test]
fn no_reading_is_the_code_of_another() {
    // Letters that a code cannot have, or that look like some of it.
    for text in [
        "caf\u{e9}",
        "\u{e9}cole",
        "p\u{430}blo",
        "\u{440}ablo",
        "oak\u{301}",
        "oa\u{fffd}k",
        "\u{fffd}oak",
        "oak_tree",
        "ada@example.com",
        "mailto:",
        "https://example.com/oak",
        "http:oak",
        "javascript://oak",
    ] {
        let found = read_in(text, Place::ShortLink);
        assert!(found.is_empty() || text == "mailto:", "{text:?}: {found:?}");
    }
    // Footnotes and marks are no part of a code.
    reads("oak\u{b2}", &["oak"]);
    reads("oak\u{2122}", &["oak"]);
}

#[test]
fn the_name_of_a_site_is_no_code() {
    for text in
        ["news.example.com", "Alice.blog", "example.co.uk/page", "oak.github.io", "oak.com."]
    {
        assert!(read_in(text, Place::Parameter).is_empty(), "{text}");
    }
    for text in ["oak.Thanks", "oak.It was", "oak.thanks", "oak."] {
        assert_eq!(read_in(text, Place::Parameter), ["oak"], "{text}");
    }
    assert_eq!(read_in("oak.com", Place::ShortLink), ["oak"]);
}

#[test]
fn the_zeros_of_scripts_are_in_order() {
    assert!(ZEROS.is_sorted());
    assert_eq!(digit('\u{669}'), Some('9'));
    assert_eq!(digit('\u{66a}'), None);
}
