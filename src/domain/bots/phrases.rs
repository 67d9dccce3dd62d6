//! Lists of phrases that are found by their first byte.

/// Phrases in lower case, sorted.
#[derive(Debug)]
pub(super) struct Phrases {
    sorted: Vec<&'static [u8]>,
    /// Where the phrases with this first byte begin; they end where those with the next one do.
    begins: [usize; 257],
}

impl Phrases {
    /// Returns the phrases of several lists as one.
    pub(super) fn of(lists: &[&[&'static str]]) -> Self {
        let mut sorted: Vec<_> =
            lists.iter().copied().flatten().map(|phrase| phrase.as_bytes()).collect();
        sorted.sort_unstable();
        let mut begins = [0; 257];
        for (byte, begin) in begins.iter_mut().enumerate() {
            *begin = sorted.partition_point(|phrase| usize::from(phrase[0]) < byte);
        }
        Self { sorted, begins }
    }

    /// Returns the length of the shortest phrase that `rest` starts with.
    pub(super) fn starts(&self, rest: &[u8]) -> Option<usize> {
        self.all(rest).next()
    }

    /// Returns the lengths of all phrases that `rest` starts with.
    pub(super) fn all<'a>(&'a self, rest: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let first = rest.first().map_or(256, |byte| usize::from(*byte));
        let end = (first + 1).min(256);
        let found = &self.sorted[self.begins[first]..self.begins[end]];
        found.iter().filter(|phrase| rest.starts_with(phrase)).map(|phrase| phrase.len())
    }
}
