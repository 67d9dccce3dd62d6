//! The flags of commands that ask a view.

use clap::Args;
use whence_projections::report::{AsOf, InvalidQuery, QueryText, Zone};

use crate::insight::report::parse_as_of;

/// Flags that say what is asked of a view, besides a time.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ViewArgs {
    /// What to group a view by instead of what it has by itself, with commas between
    #[arg(long, value_name = "DIMENSION,...")]
    pub(crate) by: Option<String>,

    /// Count only this in a view, such as channel=Direct; `country=` is where nothing is known. Repeatable
    #[arg(long = "where", value_name = "DIMENSION=VALUE")]
    pub(crate) filters: Vec<String>,

    /// Read the log up to here only for a view: a position, a day (what came before it), or a time
    #[arg(long, value_name = "TIME|POSITION")]
    pub(crate) as_of: Option<String>,

    /// Whose days and weeks a view has: a name of the IANA database [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
}

impl ViewArgs {
    /// Returns what is asked of a view about the time between `from` and `to`, not yet parsed.
    #[must_use]
    pub(crate) fn query_text(&self, from: Option<&String>, to: Option<&String>) -> QueryText {
        QueryText {
            from: from.cloned(),
            to: to.cloned(),
            by: self.by.clone(),
            filters: self.filters.clone(),
            timezone: self.timezone.clone(),
        }
    }

    /// Returns the end of the log that is read.
    pub(crate) fn as_of(&self, zone: Zone) -> Result<AsOf, InvalidQuery> {
        parse_as_of(self.as_of.as_deref(), zone)
    }

    /// Returns the flags of a view, each with whether it was given.
    pub(crate) fn given(&self) -> [(&'static str, bool); 4] {
        [
            ("--by", self.by.is_some()),
            ("--where", !self.filters.is_empty()),
            ("--as-of", self.as_of.is_some()),
            ("--timezone", self.timezone.is_some()),
        ]
    }
}
