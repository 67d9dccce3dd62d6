//! The digits of codes as people paste them.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// Returns the six decimal digits that a text holds, as ASCII; `None` when there are more or fewer.
///
/// Whatever is no digit may stand around and between them: blanks, hyphens, quotes, words, marks of
/// direction. Digits are those of every script that writes numbers by position (Unicode's category Nd).
/// A character that is a number in another way, such as `²`, `①`, `Ⅵ` or `½`, leaves open what is
/// meant, so that there is no code.
#[must_use]
pub fn six_digits(text: &str) -> Option<[u8; 6]> {
    let mut code = [0; 6];
    let mut found = 0;
    for c in text.chars() {
        if let Some(value) = digit(c) {
            *code.get_mut(found)? = b'0' + value;
            found += 1;
        } else if c.is_numeric() {
            return None;
        }
    }
    (found == code.len()).then_some(code)
}

/// Returns the value of a decimal digit of any script. Each script has its ten digits in a row, from
/// zero on, and the styles of mathematics are several such rows, one after the other.
fn digit(c: char) -> Option<u8> {
    if c.is_ascii() {
        return c.to_digit(10).and_then(|value| u8::try_from(value).ok());
    }
    let categories = CodePointMapData::<GeneralCategory>::new();
    let is_digit = |at: u32| categories.get32(at) == GeneralCategory::DecimalNumber;
    let at = u32::from(c);
    if !is_digit(at) {
        return None;
    }
    let before = (1..=at).take_while(|back| is_digit(at - back)).count();
    u8::try_from(before % 10).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_found_in_whatever_stands_around_it() {
        for text in [
            "904175",
            "\u{feff}904175\r\n",
            "904\u{a0}175",
            "904\u{2009}175",
            "904-175",
            "904\u{2014}175",
            "9 0 4 1 7 5",
            "\u{201c}904175\u{201d}",
            "\u{200e}\u{202a}904175\u{202c}",
            "9\u{200b}0\u{2060}4\u{ad}1\u{200d}75",
            "W-904175",
            "The code: 904 175.",
            "验证码 904175，一次有效",
            "９０４１７５",
            "٩٠٤١٧٥",
            "۹۰۴۱۷۵",
            "९०४१७५",
            "৯০৪১৭৫",
            "๙๐๔๑๗๕",
            "𝟗𝟎𝟒𝟏𝟕𝟓",
            "٩٠٤175",
        ] {
            assert_eq!(six_digits(text), Some(*b"904175"), "{text:?}");
        }
    }

    #[test]
    fn other_than_six_digits_are_no_code() {
        for text in [
            "",
            "90417",
            "9041755",
            "90417x",
            "9041 7 5 in 10 minutes",
            "90417²",
            "⑨⓪④①⑦⑤",
            "90417Ⅵ",
        ] {
            assert_eq!(six_digits(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_digits_are_those_that_another_table_of_unicode_has() {
        let other = regex::Regex::new(r"^\d$").unwrap();
        let mut rows = 0;
        for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            // A release of Unicode may add a script to one table before the other.
            if other.is_match(c.encode_utf8(&mut [0; 4])) {
                let value = digit(c).unwrap_or_else(|| panic!("{c:?}"));
                rows += usize::from(value == 0);
                let zero = char::from_u32(u32::from(c) - u32::from(value)).unwrap();
                assert_eq!(digit(zero), Some(0), "{c:?}");
            } else if let Some(value) = digit(c) {
                assert!(value < 10 && c.is_numeric(), "{c:?}");
            }
        }
        assert!(rows >= 60, "{rows} rows of ten digits");
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in any::<String>()) {
            if let Some(code) = six_digits(&text) {
                let again = std::str::from_utf8(&code).unwrap();
                prop_assert_eq!(six_digits(again), Some(code));
            }
        }
    }
}
