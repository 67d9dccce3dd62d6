//! Reads the signs of an agent in one pass over its bytes.

use std::sync::LazyLock;

use super::phrases::Phrases;
use super::{people, programs};

/// What an agent says about who sent it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AgentSigns {
    /// A program says that it is one.
    pub(super) program: bool,
    /// A browser, an app or a device is named.
    pub(super) person: bool,
}

/// The phrases of both, by where they have to stand.
struct Words {
    /// Those that stand at the beginning of an agent.
    program_begins: Phrases,
    /// Those that stand anywhere.
    program: Phrases,
    /// Those that stand anywhere but in the name of a device.
    program_unless_device: Phrases,
    /// Those that begin or end a word, but for the name of a device.
    program_part: Phrases,
    /// Those that are a word.
    program_word: Phrases,
    /// Those that hide a program's phrase which stands in them.
    innocent: Phrases,
    person: Phrases,
    person_word_begins: Phrases,
    compatible: Phrases,
    after_gecko: Phrases,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| Words {
    program_begins: Phrases::of(&[programs::BEGINNINGS]),
    program: Phrases::of(&[
        programs::TASKS,
        programs::ADDRESSES,
        programs::LIBRARIES,
        programs::SEARCH_AND_ASSISTANTS,
        programs::PREVIEWS,
        programs::SECURITY,
        programs::AUTOMATION,
        programs::MEASUREMENT,
        programs::OTHERS,
    ]),
    program_unless_device: Phrases::of(&[programs::TASKS_AND_DEVICES]),
    program_part: Phrases::of(&[programs::PARTS]),
    program_word: Phrases::of(&[programs::WORDS]),
    innocent: Phrases::of(&[people::INNOCENT]),
    person: Phrases::of(&[people::BROWSERS]),
    person_word_begins: Phrases::of(&[people::DEVICES, people::SYSTEMS, people::APPS]),
    compatible: Phrases::of(&[people::COMPATIBLE]),
    after_gecko: Phrases::of(&[people::AFTER_GECKO]),
});

/// Reads an agent in lower case. It stops at the first sign of a program, which decides.
pub(super) fn read(agent: &[u8]) -> AgentSigns {
    let words = &*WORDS;
    let is_one_of = |whole: &[&str]| whole.iter().any(|whole| whole.as_bytes() == agent);
    if is_one_of(people::WHOLE) {
        return AgentSigns { program: false, person: true };
    }
    if is_one_of(programs::WHOLE) || words.program_begins.starts(agent).is_some() {
        return AgentSigns { program: true, person: false };
    }
    let mut signs = AgentSigns::default();
    let mut at = 0;
    let mut after_word = false;
    while at < agent.len() {
        let rest = &agent[at..];
        let in_word = rest[0].is_ascii_alphanumeric();
        let begins = in_word && !after_word;
        after_word = in_word;
        if let Some(length) = words.innocent.starts(rest) {
            signs.person = true;
            at += length;
            continue;
        }
        if words.says_program(agent, at, begins) {
            return AgentSigns { program: true, ..signs };
        }
        signs.person |= words.person.starts(rest).is_some()
            || (begins && words.person_word_begins.starts(rest).is_some());
        at += 1;
    }
    signs
}

impl Words {
    /// Returns whether a phrase of programs stands at this place.
    fn says_program(&self, agent: &[u8], at: usize, begins: bool) -> bool {
        let rest = &agent[at..];
        if self.program.starts(rest).is_some() {
            return true;
        }
        let not_of_device = |length| !names_device(agent, at, length);
        if self.program_unless_device.starts(rest).is_some_and(not_of_device) {
            return true;
        }
        let part = |length| begins || ends_word(rest, length);
        if self.program_part.all(rest).any(|length| part(length) && not_of_device(length)) {
            return true;
        }
        begins
            && (self.program_word.all(rest).any(|length| ends_word(rest, length))
                || rest.strip_prefix(b"compatible;").is_some_and(|rest| self.introduced(rest))
                || rest.strip_prefix(b"like gecko").is_some_and(|rest| self.follows_gecko(rest)))
    }

    /// Returns whether what follows "compatible;" is no browser: programs introduce themselves so.
    fn introduced(&self, rest: &[u8]) -> bool {
        let rest = rest.trim_ascii_start();
        !rest.is_empty() && self.compatible.starts(rest).is_none()
    }

    /// Returns whether a name follows "like Gecko" in the same comment, as no browser has it.
    fn follows_gecko(&self, rest: &[u8]) -> bool {
        let Some((b';' | b',', rest)) = rest.split_first() else { return false };
        let rest = rest.trim_ascii_start();
        !rest.is_empty() && self.after_gecko.starts(rest).is_none()
    }
}

/// Returns whether the phrase of this length is followed by no further letter or digit.
fn ends_word(rest: &[u8], length: usize) -> bool {
    rest.get(length).is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

/// Returns whether a phrase is part of the name of an Android device: it stands between the version
/// of Android and the end of the comment, and has no version of its own.
fn names_device(agent: &[u8], at: usize, length: usize) -> bool {
    const ANDROID: &[u8] = b"android ";
    let before = &agent[..at];
    let Some(start) = before.windows(ANDROID.len()).rposition(|bytes| bytes == ANDROID) else {
        return false;
    };
    let since = &before[start..];
    since.contains(&b';') && !since.contains(&b')') && agent.get(at + length) != Some(&b'/')
}
