//! The filter of a reader, as the server applies it to each event.
#![expect(clippy::result_large_err, reason = "the error of gRPC is what it is")]

use regex::Regex;
use tonic::Status;

use super::wire::{Filter, Window};

/// The window of a reader that does not say one.
const DEFAULT_WINDOW: u32 = 32;

/// A filter that is ready to be applied.
pub(crate) struct Matcher {
    /// Whether it looks at the types of events instead of the names of their streams.
    on_type: bool,
    prefixes: Vec<String>,
    regex: Option<Pattern>,
    /// The number of events that are looked at in one go.
    pub(crate) window: u64,
    /// The number of events after which a subscription gets a checkpoint.
    pub(crate) interval: u64,
}

/// A regular expression, or what it must not be.
struct Pattern {
    regex: Regex,
    is_negated: bool,
}

impl Pattern {
    /// Parses an expression. The server knows expressions that the crate does not; of those the one
    /// that official clients make is understood: `^(?!...)` for names that do not begin so.
    fn parse(text: &str) -> Result<Self, regex::Error> {
        let excluded = text.strip_prefix("^(?!").and_then(|rest| rest.strip_suffix(')'));
        match excluded {
            Some(excluded) => {
                Ok(Self { regex: Regex::new(&format!("^(?:{excluded})"))?, is_negated: true })
            }
            None => Ok(Self { regex: Regex::new(text)?, is_negated: false }),
        }
    }
}

impl Matcher {
    pub(crate) fn new(filter: &Filter) -> Result<Self, Status> {
        let (expression, on_type) = match (&filter.stream, &filter.event_type) {
            (Some(expression), _) => (expression, false),
            (None, Some(expression)) => (expression, true),
            (None, None) => return Err(Status::invalid_argument("a filter of nothing")),
        };
        let regex = match expression.regex.as_str() {
            "" => None,
            text => {
                let not_understood = |_| Status::invalid_argument("an expression of another kind");
                Some(Pattern::parse(text).map_err(not_understood)?)
            }
        };
        let window = u64::from(match filter.window {
            Some(Window::Max(window)) => window.max(1),
            Some(Window::Default(())) | None => DEFAULT_WINDOW,
        });
        let interval = window * u64::from(filter.checkpoint_interval_multiplier.max(1));
        Ok(Self { on_type, prefixes: expression.prefixes.clone(), regex, window, interval })
    }

    pub(crate) fn passes(&self, stream: &str, event_type: &str) -> bool {
        let text = if self.on_type { event_type } else { stream };
        match &self.regex {
            Some(pattern) => pattern.regex.is_match(text) != pattern.is_negated,
            None => self.prefixes.iter().any(|prefix| text.starts_with(prefix.as_str())),
        }
    }
}
