//! The flags of `whence export`.

use anyhow::{Context as _, ensure};
use clap::Args;
use whence_events::Position;
use whence_projections::report::{AsOf, Query, View};

use super::operate::operator;
use super::{LogArgs, LogConfig, ViewArgs};
use crate::export::{EventRange, Format, What};
use crate::report;

/// Flags of `whence export`. What is exported and where to is no setting: it has no variables.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// events, or a view of `whence report`
    #[arg(value_name = "WHAT")]
    pub(crate) what: String,

    /// How to write it
    #[arg(long)]
    pub(crate) format: Format,

    /// First position, where an earlier export says that the next goes on; of a view, a time
    #[arg(long, value_name = "POSITION")]
    pub(crate) from: Option<String>,

    /// Last position [default: the end of the log]; of a view, a time
    #[arg(long, value_name = "POSITION")]
    pub(crate) to: Option<String>,

    /// What is asked of a view.
    #[command(flatten)]
    pub(crate) question: ViewArgs,

    /// File to write, which appears when it is complete; -: stdout
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub(crate) out: String,

    /// Add the personal data of events in clear, as far as it was not erased
    #[arg(long)]
    pub(crate) open_personal_data: bool,

    /// Who you are, for the record of an export with personal data [default: your name on this
    /// machine]
    #[arg(long, env = "WHENCE_OPERATOR", value_name = "NAME")]
    pub(crate) operator: Option<String>,

    /// Which log.
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What is exported, and where to.
#[derive(Clone, Debug)]
pub struct ExportConfig {
    /// What.
    pub what: What,
    /// How to write it.
    pub format: Format,
    /// A file, or `-`.
    pub out: String,
    /// Out of which log.
    pub log: LogConfig,
}

impl ExportArgs {
    /// What the flags mean. Touches nothing.
    ///
    /// # Errors
    /// One clear sentence.
    pub fn into_config(self) -> anyhow::Result<ExportConfig> {
        ensure!(self.format.is_there(), "--format parquet: this whence was built without Parquet");
        let what = if self.what == "events" { self.events()? } else { self.view()? };
        Ok(ExportConfig { what, format: self.format, out: self.out, log: self.log.into_config()? })
    }

    fn events(&self) -> anyhow::Result<What> {
        let of_views = [
            ("--by", self.question.by.is_some()),
            ("--where", !self.question.filters.is_empty()),
            ("--as-of", self.question.as_of.is_some()),
            ("--timezone", self.question.timezone.is_some()),
        ];
        for (flag, given) in of_views {
            ensure!(!given, "{flag} is for a view, not for events");
        }
        let position = |flag: &str, text: &Option<String>| -> anyhow::Result<Option<Position>> {
            let parse = |text: &String| {
                text.parse().with_context(|| format!("{flag} {text}: not a position"))
            };
            text.as_ref().map(parse).transpose()
        };
        Ok(What::Events {
            range: EventRange {
                from: position("--from", &self.from)?,
                to: position("--to", &self.to)?,
            },
            opened_by: self.opened_by()?,
        })
    }

    /// Who is shown personal data, when anybody is.
    fn opened_by(&self) -> anyhow::Result<Option<String>> {
        if !self.open_personal_data {
            return Ok(None);
        }
        operator(self.operator.clone()).map(Some)
    }

    fn view(&self) -> anyhow::Result<What> {
        let view =
            View::parse(&self.what).map_err(|error| anyhow::anyhow!("{error}; and events"))?;
        ensure!(!self.open_personal_data, "--open-personal-data is for events: no view has any");
        let asked = self.question.asked(self.from.as_ref(), self.to.as_ref());
        let query = Query::parse(view, &asked)?;
        let as_of: AsOf = report::as_of(self.question.as_of.as_deref(), query.zone)?;
        Ok(What::View { view, query, as_of })
    }
}
