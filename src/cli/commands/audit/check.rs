//! `whence audit check`: whether a bundle is as it was written, and what is in it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::cli::terminal::stdout::print;
use crate::infra::plain::{plain, plain_value};
use crate::insight::audit::{CodeStory, UserStory};
use crate::insight::bundle;

/// Check a file that --bundle wrote, with the public key of the log alone, and show what is in it
#[derive(Args, Clone, Debug)]
pub(super) struct AuditCheckArgs {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Verifier key of the log, NAME+ID+BASE64 [default: the one in the file, which proves less]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// Shows what is in a bundle, once all of it has been checked.
pub(super) fn run(args: &AuditCheckArgs) -> anyhow::Result<()> {
    let path = &args.file;
    let key = args.key.as_deref().map(str::parse).transpose().context("--key")?;
    let report = bundle::check(path, key.as_ref())?;
    ensure!(report.events > 0, "the bundle {} holds no event", path.display());
    print(to_text(path, &report))?;
    ensure!(
        report.key_was_given,
        "{}: whoever made this file may have made its key as well: give the key of the log with --key",
        path.display()
    );
    Ok(())
}

/// Returns what was found about a bundle, and its story, as text for people.
fn to_text(path: &Path, report: &bundle::BundleReport) -> String {
    let (events, over) = (report.events, report.checkpoint.size);
    let whose = if report.key_was_given { "the key that was given" } else { "the key in the file" };
    let mut text = format!(
        "{} is as it was written: {events} events, each shown to be in the log {} of {over} events,\n\
         signed by {whose}, {}\n",
        plain(&path.display().to_string()),
        plain(&report.checkpoint.origin),
        plain(&report.key.to_string())
    );
    if !report.key_was_given {
        text += "Nobody says whose key that is: get it from the service and give it with --key.\n";
    }
    // What a file says begins no line of its own, and moves no cursor.
    let story = &plain_value(report.story.clone());
    let user = serde_json::from_value::<UserStory>(story.clone()).map(|story| story.to_string());
    let code = || serde_json::from_value::<CodeStory>(story.clone()).map(|story| story.to_string());
    let story = user.or_else(|_| code()).unwrap_or_else(|_| format!("{story:#}"));
    format!("{text}\n{story}")
}

#[cfg(test)]
mod tests {
    use whence_events::Hash;

    use super::*;
    use crate::engine::proof::{Checkpoint, Verifier};

    #[test]
    fn what_a_file_says_steers_no_terminal_and_begins_no_line() {
        let hostile = "x\u{1b}[2J\u{9b}\u{202e}y\nsigned by the key that was given";
        let report = bundle::BundleReport {
            key: Verifier::new("log\u{202e}", [0; 32]).unwrap(),
            key_was_given: false,
            checkpoint: Checkpoint { origin: hostile.into(), size: 1, root: Hash([0; 32]) },
            events: 1,
            story: serde_json::json!({ "text": hostile }),
        };
        let text = to_text(Path::new(hostile), &report);
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(steers), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("signed by the key that")), "{text}");
    }
}
