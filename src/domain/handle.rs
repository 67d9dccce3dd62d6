//! Which handles a creator may claim, and which of them look alike.

use whence_events::Handle;

use super::reserved;

/// The reason why a text cannot be claimed as a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandleRefusal {
    /// It is no handle. Letters beyond ASCII are refused here, because they look like those of other
    /// handles.
    Invalid,
    /// Readers could take it for the service's own.
    Reserved,
}

/// Parses a handle that somebody wants to have: 2 to 32 letters, digits, and single `_`, `.` and `-`
/// between them, in any case and with white space around them.
pub fn parse(text: &str) -> Result<Handle, HandleRefusal> {
    let handle: Handle = text.trim().parse().map_err(|_| HandleRefusal::Invalid)?;
    let is_mark = |b: &u8| b"_.-".contains(b);
    let bytes = handle.as_str().as_bytes();
    // A mark at the end is taken for the end of a sentence.
    let stray = bytes.last().is_some_and(is_mark)
        || bytes.windows(2).any(|pair| pair.iter().all(|b| is_mark(b)));
    if stray { Err(HandleRefusal::Invalid) } else { Ok(handle) }
}

/// Parses a handle that a user wants to have, who is not given what readers could take for the
/// service's own, nor what looks like that.
pub fn parse_for_user(text: &str) -> Result<Handle, HandleRefusal> {
    let handle = parse(text)?;
    let shape = shape(&handle);
    let is_reserved = reserved::words().any(|word| shape_of(word) == shape);
    if is_reserved { Err(HandleRefusal::Reserved) } else { Ok(handle) }
}

/// Returns the handle that stands for all that look like this one, which is reserved together with it;
/// `None` when nothing else that can be claimed looks like it.
#[must_use]
pub fn stand_in(handle: &Handle) -> Option<Handle> {
    shape(handle).parse().ok().filter(|stand_in| stand_in != handle)
}

fn shape(handle: &Handle) -> String {
    shape_of(handle.as_str())
}

/// Returns a text with one character for each group of those that look alike.
fn shape_of(text: &str) -> String {
    let text = text.replace("rn", "m").replace("vv", "w");
    text.chars()
        .map(|c| match c {
            '0' => 'o',
            '1' | 'i' => 'l',
            '_' | '.' => '-',
            _ => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stand_in_of(text: &str) -> String {
        let handle = parse(text).unwrap();
        stand_in(&handle).unwrap_or(handle).to_string()
    }

    #[test]
    fn a_handle_is_plain() {
        assert_eq!(parse("  Ada.Love_lace-1 ").unwrap().as_str(), "ada.love_lace-1");
        for bad in [
            "",
            "a",
            "-ada",
            "ada-",
            "ada.",
            "_ada",
            "a__b",
            "a.-b",
            "a b",
            "ad\u{e4}",
            "\u{430}da",
            "\u{ff41}da",
            "a\u{200b}da",
            "a/b",
            "a@b",
            &"x".repeat(33),
        ] {
            assert_eq!(parse(bad), Err(HandleRefusal::Invalid), "{bad:?}");
        }
    }

    #[test]
    fn what_is_the_services_own_is_given_by_operators_alone() {
        for word in ["admin", "Support", "adm1n", "adrnin", "wvvw", "supp0rt", "vvhence"] {
            assert_eq!(parse_for_user(word), Err(HandleRefusal::Reserved), "{word}");
            assert!(parse(word).is_ok());
        }
        assert!(parse_for_user("admiral").is_ok());
    }

    #[test]
    fn handles_that_look_alike_have_one_stand_in() {
        for (one, other) in [
            ("oak", "0ak"),
            ("lily", "1i1y"),
            ("morning", "mornlng"),
            ("modern", "modem"),
            ("wren", "vvren"),
            ("oak-tree", "oak_tree"),
            ("oak.tree", "oak-tree"),
        ] {
            assert_eq!(stand_in_of(one), stand_in_of(other), "{one} {other}");
        }
        assert_ne!(stand_in_of("oak"), stand_in_of("oaks"));
        assert_ne!(stand_in_of("oaktree"), stand_in_of("oak-tree"));
        assert_eq!(stand_in(&parse("rn").unwrap()), None, "nobody can claim a single letter");
    }
}
