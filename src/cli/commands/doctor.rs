//! `whence doctor`: examines everything that `whence serve` with the same flags would use, says
//! what is wrong and what to do about it, and changes nothing.

use anyhow::ensure;
use clap::Args;
use clap::builder::BoolishValueParser;

use crate::app::config::Config;
use crate::cli::flags::ServeArgs;
use crate::cli::terminal::stdout::{print, print_json};
use crate::infra::clock::Clock;
use crate::infra::keys::{Keys, MasterKey};
use crate::infra::mail::Mailer;
use crate::store::findings::{ExamineContext, Finding, Findings, Level};

/// Check all that serve with the same flags would use, and say what to do; changes nothing
#[derive(Args, Clone, Debug)]
pub(crate) struct DoctorArgs {
    /// The flags that serve would be started with.
    #[command(flatten)]
    pub(crate) serve: ServeArgs,

    /// Print what was found as JSON
    #[arg(
        long,
        env = "WHENCE_JSON",
        value_parser = BoolishValueParser::new(),
        help_heading = "Output"
    )]
    pub(crate) json: bool,
}

/// Examines, and prints the findings; the error says how many checks failed.
pub(crate) async fn run(args: DoctorArgs) -> anyhow::Result<()> {
    let json = args.json;
    let findings = Box::pin(examine(args)).await;
    if json {
        print_json(&findings.0)?;
    } else {
        print(findings.0.iter().map(line).collect::<String>())?;
    }
    let failed = findings.0.iter().filter(|finding| finding.level == Level::Fail).count();
    ensure!(failed == 0, "{failed} of {} checks failed", findings.0.len());
    Ok(())
}

fn line(finding: &Finding) -> String {
    let Finding { level, check, found, advice } = finding;
    let level = match level {
        Level::Ok => "ok  ",
        Level::Warn => "warn",
        Level::Fail => "FAIL",
    };
    match advice {
        Some(advice) => format!("{level} {check}: {found}: {advice}\n"),
        None => format!("{level} {check}: {found}\n"),
    }
}

async fn examine(args: DoctorArgs) -> Findings {
    let mut findings = Findings::default();
    let (config, key) = match args.serve.examine() {
        Ok(configured) => configured,
        Err(error) => {
            let found = crate::infra::errors::sentence(&error);
            findings.bad(Level::Fail, "configuration", found, "serve would stop here, too");
            return findings;
        }
    };
    configuration(&config, key.as_ref(), &mut findings);
    let context = ExamineContext { keys: key.as_ref().map(Keys::derive), clock: Clock::system() };
    config.storage.store.examine(&context, &mut findings).await;
    match Mailer::examine(&config.mail.way, &config.mail.sender).await {
        Ok(found) => findings.ok("mail", found),
        Err(found) => {
            let advice = "nobody gets a code before that works: see --mail";
            findings.bad(Level::Fail, "mail", found, advice);
        }
    }
    findings
}

fn configuration(config: &Config, key: Option<&MasterKey>, findings: &mut Findings) {
    let check = "configuration";
    findings.ok(
        check,
        format!("{} with data in {}", config.listening.public_url, config.storage.store),
    );
    if key.is_none() {
        let found = "there is no master key yet";
        findings.bad(Level::Warn, "master key", found, "serve makes it beside the log");
    }
    if config.mail.way.starts_with("directory:") {
        let found = "mails stay on this machine";
        findings.bad(Level::Warn, check, found, "use --mail smtp://... unless this is development");
    }
    if !config.listening.https() {
        let found = "cookies are not Secure, for --public-url is not https";
        findings.bad(Level::Warn, check, found, "use https unless this is development");
    }
}
