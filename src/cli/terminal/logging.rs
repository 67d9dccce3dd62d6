//! Log lines on standard error.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::cli::flags::environment::no_color;

/// The client of KurrentDB, which logs every attempt to connect in words of its own. whence says what is
/// wrong in one sentence, so the client is only heard by a filter that names it.
const KURRENTDB_CLIENT: &str = "kurrentdb";

/// Starts logging to standard error: lines for people on a terminal, JSON elsewhere.
pub(crate) fn init_tracing(filter: &str) -> anyhow::Result<()> {
    let mut parsed = EnvFilter::try_new(filter)
        .with_context(|| format!("--log {filter}: not a filter like info or whence=debug,info"))?;
    if !filter.contains(KURRENTDB_CLIENT) {
        parsed = parsed.add_directive(format!("{KURRENTDB_CLIENT}=off").parse()?);
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr)
        // It would report a line that could not be written with `eprintln!`, which panics on the
        // same full disk: a service must not fall over because its log cannot be written.
        .log_internal_errors(false);
    if std::io::stderr().is_terminal() {
        builder.with_ansi(!no_color()).init();
    } else {
        builder.json().init();
    }
    Ok(())
}
