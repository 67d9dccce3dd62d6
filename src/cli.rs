//! The program: its commands, one file each, their flags, and the terminal.

pub(crate) mod admin_client;
mod commands;
mod flags;
mod terminal;

use std::process::ExitCode;
use std::sync::LazyLock;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use whence_projections::report::ZoneDatabase;

use self::commands::{
    api_key, audit, code, copy, demo, doctor, erase, export, keys, replay, report, serve, user,
    verify,
};
use self::flags::{ServeArgs, environment};
use self::terminal::stderr::note;
use self::terminal::stdout::print_help;
use crate::infra::core_dumps;
use crate::infra::errors::sentence;
use crate::infra::plain::plain;

/// The version, with the release of the time zones that are compiled in.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let release = ZoneDatabase::Bundled.release();
    format!("{} (time zones {release})", env!("CARGO_PKG_VERSION"))
});

/// Passwordless login and attribution out of one append-only event log
#[derive(Debug, Parser)]
#[command(name = "whence", version = VERSION.as_str(), about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The commands; the doc of a command's flags is its help.
#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<ServeArgs>),
    Demo(demo::DemoArgs),
    Copy(copy::CopyArgs),
    Doctor(Box<doctor::DoctorArgs>),
    Replay(replay::ReplayArgs),
    Audit(audit::AuditArgs),
    User(user::UserArgs),
    Code(code::CodeArgs),
    ApiKey(api_key::ApiKeyArgs),
    Erase(erase::EraseArgs),
    Export(Box<export::ExportArgs>),
    Keys(keys::KeysArgs),
    Report(Box<report::ReportArgs>),
    Verify(verify::VerifyArgs),
}

/// Runs the command that the command line names; an error becomes one sentence on standard error.
#[must_use]
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(format_args!("whence: {}", plain(&sentence(&error))));
            ExitCode::FAILURE
        }
    }
}

/// Runs the command that the command line names.
pub fn run() -> anyhow::Result<()> {
    let cli: Cli = match environment::parse() {
        Ok(cli) => cli,
        Err(error) if shows_help(&error) => return show_help(&error),
        Err(error) => anyhow::bail!("{}", one_line(&error)),
    };
    core_dumps::forbid();
    // The KurrentDB client compiles a second provider in, so one has to be chosen here.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::run(*args).await,
            Command::Demo(args) => demo::run(args).await,
            Command::Copy(args) => copy::run(args).await,
            Command::Doctor(args) => doctor::run(*args).await,
            Command::Replay(args) => replay::run(args).await,
            Command::Audit(args) => audit::run(args).await,
            Command::User(args) => user::run(args).await,
            Command::Code(args) => code::run(args).await,
            Command::ApiKey(args) => api_key::run(args).await,
            Command::Erase(args) => erase::run(args).await,
            Command::Export(args) => export::run(*args).await,
            Command::Keys(args) => keys::run(args).await,
            Command::Report(args) => report::run(*args).await,
            Command::Verify(args) => verify::run(args).await,
        }
    })
}

/// Shows help that was asked for, on stdout, or that is all there is to say, on stderr, which ends the
/// program with the exit code of clap.
fn show_help(help: &clap::Error) -> anyhow::Result<()> {
    if !help.use_stderr() {
        return print_help(help);
    }
    let _ = help.print();
    std::process::exit(help.exit_code())
}

fn shows_help(error: &clap::Error) -> bool {
    use clap::error::ErrorKind as K;
    matches!(
        error.kind(),
        K::DisplayHelp | K::DisplayVersion | K::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

/// Returns the message of an error of clap in one line, without the usage that clap adds.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).take_while(|line| {
        !line.starts_with("Usage:") && !line.starts_with("For more information")
    });
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    let text = lines.join("; ");
    format!("{} (see --help)", text.strip_prefix("error: ").unwrap_or(&text))
}
