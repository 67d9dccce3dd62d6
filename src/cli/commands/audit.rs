//! `whence audit`: on a log that no service has open, or by asking the service.

mod check;
mod referrals;
mod source;

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};

use self::check::AuditCheckArgs;
use self::referrals::AuditReferralsArgs;
use self::source::AuditSource;
use crate::cli::flags::operate::{OperateArgs, UserName};
use crate::cli::terminal::stdout::{print, print_text_or_json};

/// Say why this referrer and not another, with what evidence, and who did what; on record
#[derive(Args, Clone, Debug)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

/// The subjects of an audit.
#[derive(Clone, Debug, Subcommand)]
enum AuditCommand {
    User(AuditUserArgs),
    Code(AuditCodeArgs),
    Check(AuditCheckArgs),
    Referrals(AuditReferralsArgs),
}

/// One user: who brought them and why, every landing, all that happened
#[derive(Args, Clone, Debug)]
struct AuditUserArgs {
    /// User id or e-mail address
    #[arg(value_name = "USER")]
    user: String,

    /// Show e-mail addresses, names, IP addresses and referring pages in clear
    #[arg(long, env = "WHENCE_OPEN_PERSONAL_DATA", value_parser = BoolishValueParser::new())]
    open_personal_data: bool,

    /// Write the story into this file instead, with the events and what proves them
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,

    /// The log or the service that is asked, and the operator who asks.
    #[command(flatten)]
    operate: Box<OperateArgs>,
}

/// One referral code: whose it is, what became of it, whom it brought
#[derive(Args, Clone, Debug)]
struct AuditCodeArgs {
    /// Referral code
    #[arg(value_name = "CODE")]
    code: String,

    /// Write the story into this file instead, with the events and what proves them
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,

    /// The log or the service that is asked, and the operator who asks.
    #[command(flatten)]
    operate: Box<OperateArgs>,
}

/// Tells the story of a user or a code, lists decisions, or checks a bundle.
pub(crate) async fn run(args: AuditArgs) -> anyhow::Result<()> {
    match args.command {
        AuditCommand::User(args) => user(args).await,
        AuditCommand::Code(args) => code(args).await,
        AuditCommand::Check(args) => check::run(&args),
        AuditCommand::Referrals(args) => referrals::run(args).await,
    }
}

async fn user(args: AuditUserArgs) -> anyhow::Result<()> {
    let user = UserName::parse(&args.user)?;
    let json = args.operate.json;
    let source = AuditSource::open(*args.operate).await?;
    if let Some(path) = args.bundle {
        return write_bundle(&path, &source.user_bundle(&user, args.open_personal_data).await?);
    }
    print_text_or_json(&source.user(&user, args.open_personal_data).await?, json)
}

async fn code(args: AuditCodeArgs) -> anyhow::Result<()> {
    let code = &args.code;
    let code = code.parse().ok().with_context(|| format!("{code}: no referral code"))?;
    let json = args.operate.json;
    let source = AuditSource::open(*args.operate).await?;
    if let Some(path) = args.bundle {
        return write_bundle(&path, &source.code_bundle(&code).await?);
    }
    print_text_or_json(&source.code(&code).await?, json)
}

/// Writes a bundle to a file that does not exist yet, which is this user's alone: evidence replaces no
/// evidence, and may hold personal data.
fn write_bundle(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.with_context(|| format!("--bundle {}", path.display()))?;
    print(format_args!("{} holds the story and the evidence\n", path.display()))
}
