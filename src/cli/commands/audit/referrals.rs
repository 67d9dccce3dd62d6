//! `whence audit referrals`: the decisions of a time, page by page, and their totals.

use std::fmt;

use clap::{Args, ValueEnum};
use serde_json::json;
use whence_events::Refusal;

use super::source::AuditSource;
use crate::cli::flags::operate::OperateArgs;
use crate::cli::terminal::stdout::{print, print_exact, print_json};
use crate::insight::audit::{Decisions, TimeRange, refusal, text, time_range};

/// Every referral decision of a time, one line each, and totals
#[derive(Args, Clone, Debug)]
pub(super) struct AuditReferralsArgs {
    /// First day or moment, like 2026-01-31 or 2026-01-31T12:00:00Z [default: the beginning]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    /// Up to here, which no longer counts: a day or a moment [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,

    /// How it is printed
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    format: ListFormat,

    /// The log or the service that is asked, and the operator who asks.
    #[command(flatten)]
    operate: Box<OperateArgs>,
}

/// The ways to print a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    /// Lines for people
    Text,
    /// One JSON object
    Json,
    /// Comma-separated values with a header
    Csv,
}

/// Prints the decisions of a time and how many of them there are of each kind.
pub(super) async fn run(args: AuditReferralsArgs) -> anyhow::Result<()> {
    let AuditReferralsArgs { from, to, format, operate } = args;
    let range = time_range(from.as_deref(), to.as_deref())?;
    let format = if operate.json { ListFormat::Json } else { format };
    let times = [("from", from), ("to", to)];
    let times = times.into_iter().filter_map(|(name, time)| Some((name, time?))).collect();
    print_pages(&AuditSource::open(*operate).await?, range, times, format).await
}

/// Prints page by page, so that any number of decisions takes the same memory; of JSON, which is one
/// value, all at once.
async fn print_pages(
    source: &AuditSource,
    range: TimeRange,
    times: Vec<(&'static str, String)>,
    format: ListFormat,
) -> anyhow::Result<()> {
    let mut totals = Totals::default();
    let mut all = vec![];
    let mut after = Some(0);
    if format == ListFormat::Csv {
        print_exact(text::CSV_HEADER)?;
    }
    while let Some(position) = after {
        let page = source.decisions(range, &times, position).await?;
        after = page.next;
        totals.add(&page);
        match format {
            ListFormat::Text => print(page.items.iter().map(text::decision).collect::<String>())?,
            ListFormat::Csv => print_exact(page.items.iter().map(text::csv).collect::<String>())?,
            ListFormat::Json => all.extend(page.items),
        }
    }
    match format {
        ListFormat::Text => print(totals),
        ListFormat::Csv => Ok(()),
        ListFormat::Json => print_json(&json!({ "items": all, "totals": totals.as_json() })),
    }
}

/// How many decisions attributed, and how many refused for each reason.
#[derive(Default)]
struct Totals {
    attributed: u64,
    /// The reasons that occurred, in their order, each with its count.
    refused: Vec<(Refusal, u64)>,
}

impl Totals {
    fn add(&mut self, page: &Decisions) {
        for decision in &page.items {
            let Some(reason) = decision.refused else {
                self.attributed += 1;
                continue;
            };
            match self.refused.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, count)) => *count += 1,
                None => self.refused.push((reason, 1)),
            }
        }
        self.refused.sort_by_key(|(reason, _)| *reason);
    }

    fn as_json(&self) -> serde_json::Value {
        let refused: serde_json::Map<_, _> =
            self.refused.iter().map(|(reason, n)| (reason.to_string(), (*n).into())).collect();
        json!({ "attributed": self.attributed, "refused": refused })
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused: u64 = self.refused.iter().map(|(_, count)| count).sum();
        writeln!(f, "{} attributed, {refused} refused", self.attributed)?;
        for (reason, count) in &self.refused {
            writeln!(f, "  {count} {reason}: {}", refusal(*reason))?;
        }
        Ok(())
    }
}
