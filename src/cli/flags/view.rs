//! The flags of commands that ask a view.

use std::sync::Arc;

use clap::{Args, ValueEnum};
use whence_projections::report::{AsOf, InvalidQuery, QueryText, Zone, ZoneDatabase};

use crate::engine::log_config::LogConfig;
use crate::engine::vault::Vault;
use crate::insight::report::parse_as_of;
use crate::store::EventStore;

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

    /// Where time zones are from: bundled (compiled in), system, or a directory like
    /// /usr/share/zoneinfo [default: bundled]
    #[arg(long, value_name = "DATABASE")]
    pub(crate) timezone_database: Option<String>,

    /// Time in which the credit of a touch halves, in models: like 7d, 12h or 90m [default: 7d]
    #[arg(long, value_name = "TIME")]
    pub(crate) half_life: Option<String>,

    /// The rules by which a landing is a bot's
    #[arg(long, value_enum, default_value_t, value_name = "RULES")]
    pub(crate) bot_rules: BotRules,
}

/// The rules by which a landing is that of a bot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BotRules {
    /// Those of its day, as the log has it
    #[default]
    Record,
    /// Those of this version, where the log still has the agent, which is opened to be judged
    Today,
}

impl BotRules {
    /// Returns the vault that opens the agents, when they are judged again.
    pub(crate) fn vault(self, log: &LogConfig, store: &Arc<dyn EventStore>) -> Option<Vault> {
        match self {
            Self::Record => None,
            Self::Today => Some(Vault::new(Arc::clone(store), log.keys().wrapping)),
        }
    }
}

impl ViewArgs {
    /// Returns what is asked of a view about the time between `from` and `to`, not yet parsed but for the
    /// database of time zones.
    pub(crate) fn query_text(
        &self,
        from: Option<&String>,
        to: Option<&String>,
    ) -> Result<QueryText, InvalidQuery> {
        let zones = self.timezone_database.as_deref().map(ZoneDatabase::parse).transpose()?;
        Ok(QueryText {
            from: from.cloned(),
            to: to.cloned(),
            by: self.by.clone(),
            filters: self.filters.clone(),
            timezone: self.timezone.clone(),
            zones: zones.unwrap_or_default(),
            half_life: self.half_life.clone(),
        })
    }

    /// Returns the end of the log that is read.
    pub(crate) fn as_of(&self, zone: &Zone) -> Result<AsOf, InvalidQuery> {
        parse_as_of(self.as_of.as_deref(), zone)
    }

    /// Returns the flags of a view, each with whether it was given.
    pub(crate) fn given(&self) -> [(&'static str, bool); 7] {
        [
            ("--by", self.by.is_some()),
            ("--where", !self.filters.is_empty()),
            ("--as-of", self.as_of.is_some()),
            ("--timezone", self.timezone.is_some()),
            ("--bot-rules", self.bot_rules != BotRules::Record),
            ("--timezone-database", self.timezone_database.is_some()),
            ("--half-life", self.half_life.is_some()),
        ]
    }
}
