//! Characters that nobody sees.

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;

/// Returns whether a character is never seen: it is one of Unicode's `Default_Ignorable_Code_Point`
/// (zero-width and bidirectional marks, joiners, variation selectors, tags, fillers), a mark of
/// interlinear annotation, or no character at all.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    let no_character = matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe;
    let annotates = matches!(c, '\u{fff9}'..='\u{fffb}');
    let ignorable = || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c);
    !c.is_ascii() && (no_character || annotates || ignorable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_nothing_is_told_from_what_is_seen() {
        let hidden = "\u{ad}\u{34f}\u{61c}\u{115f}\u{17b4}\u{180e}\u{200b}\u{200d}\u{202e}\u{2066}\u{3164}\
                      \u{fdd0}\u{fe0f}\u{feff}\u{ffa0}\u{fffa}\u{ffff}\u{1d173}\u{e0041}";
        for c in hidden.chars() {
            assert!(is_invisible(c), "{c:?}");
        }
        for c in "a0 -\u{a0}\u{301}\u{3b1}\u{2800}\u{fffd}\u{1f600}".chars() {
            assert!(!is_invisible(c), "{c:?}");
        }
    }
}
