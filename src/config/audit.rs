//! The flags of `whence audit`.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand, ValueEnum};
use whence_events::Timestamp;

use super::OperateArgs;
use crate::audit::Range;

/// Flags of `whence audit`.
#[derive(Args, Clone, Debug)]
pub struct AuditArgs {
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
}

/// What an audit is about.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// One user: who brought them and why, every landing, all that happened
    User {
        /// User id or e-mail address
        #[arg(value_name = "USER")]
        user: String,
        /// Show e-mail addresses, names, IP addresses and referring pages in clear
        #[arg(
            long,
            env = "WHENCE_OPEN_PERSONAL_DATA",
            value_parser = BoolishValueParser::new()
        )]
        open_personal_data: bool,
        /// Write the story into this file instead, with the events and what proves them
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
        /// Where, and as whom.
        #[command(flatten)]
        operate: Box<OperateArgs>,
    },
    /// One referral code: whose it is, what became of it, whom it brought
    Code {
        /// Referral code
        #[arg(value_name = "CODE")]
        code: String,
        /// Write the story into this file instead, with the events and what proves them
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
        /// Where, and as whom.
        #[command(flatten)]
        operate: Box<OperateArgs>,
    },
    /// Check a file that --bundle wrote, with the public key of the log alone, and show what is in it
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Verifier key of the log, NAME+ID+BASE64 [default: the one in the file, which proves less]
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
    /// Every referral decision of a time, one line each, and totals
    Referrals {
        /// First day or moment, like 2026-01-31 or 2026-01-31T12:00:00Z [default: the beginning]
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Up to here, which no longer counts: a day or a moment [default: now]
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        /// How it is printed
        #[arg(long, default_value = "text", value_name = "FORMAT")]
        format: ListFormat,
        /// Where, and as whom.
        #[command(flatten)]
        operate: Box<OperateArgs>,
    },
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// Lines for people
    Text,
    /// One JSON object
    Json,
    /// Comma-separated values with a header
    Csv,
}

/// The time between two given ones; without the first, all there is before the second, and without
/// the second, all since the first.
///
/// # Errors
/// One clear sentence.
pub(crate) fn range(from: Option<&str>, to: Option<&str>) -> anyhow::Result<Range> {
    let from = match from {
        Some(text) => parse(text).with_context(|| not_a_time("from", text))?,
        None => Timestamp::from_micros(0),
    };
    let to = match to {
        Some(text) => parse(text).with_context(|| not_a_time("to", text))?,
        None => Timestamp::from_micros(i64::MAX / 2),
    };
    ensure!(from < to, "the time from --from to --to is empty");
    Ok(Range { from, to })
}

fn not_a_time(flag: &str, text: &str) -> String {
    format!("--{flag} {text}: not a time like 2026-01-31 or 2026-01-31T12:00:00Z")
}

/// A moment, or the one that a day begins with.
fn parse(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let day: chrono::NaiveDate = text.parse().ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_begins_where_it_says_and_ends_before_what_it_says() {
        let day = range(Some("2026-01-31"), Some("2026-02-01")).unwrap();
        assert_eq!(day.from.to_string(), "2026-01-31T00:00:00.000000Z");
        assert_eq!(day.to.to_string(), "2026-02-01T00:00:00.000000Z");
        assert!(range(Some("2026-01-31"), Some("2026-01-31")).is_err());
        let moment = Some("2026-01-31T12:00:00Z");
        assert!(range(moment, moment).is_err());
        assert!(range(None, moment).is_ok() && range(moment, None).is_ok());
    }

    #[test]
    fn what_is_no_time_is_told() {
        for text in ["yesterday", "2026-02-30", "31.01.2026", ""] {
            let error = range(Some(text), None).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--from {text}: not a time")), "{error}");
        }
        assert!(range(Some("2026-02-01"), Some("2026-01-01")).is_err());
    }
}
