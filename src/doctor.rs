//! `whence doctor`: looks at everything that `whence serve` with the same flags would use, says what
//! is wrong and what to do about it, and changes nothing.

mod finding;

use anyhow::ensure;

pub use self::finding::{Finding, Findings, Level};
use crate::clock::Clock;
use crate::config::{Config, DoctorArgs};
use crate::mail::Mailer;
use crate::secrets::{Keys, MasterKey};

/// What the doctor knows before it looks at a store.
pub struct Knowledge {
    /// The master key, when there is one yet.
    pub keys: Option<Keys>,
    /// The time.
    pub clock: Clock,
}

/// Looks, and prints what it finds.
///
/// # Errors
/// When something fails, in one sentence.
pub async fn run(args: DoctorArgs) -> anyhow::Result<()> {
    let json = args.json;
    let findings = Box::pin(examine(args)).await;
    if json {
        println!("{}", serde_json::to_string_pretty(&findings.0)?);
    } else {
        findings.0.iter().for_each(print);
    }
    let failed = findings.0.iter().filter(|finding| finding.level == Level::Fail).count();
    ensure!(failed == 0, "{failed} of {} checks failed", findings.0.len());
    Ok(())
}

fn print(finding: &Finding) {
    let Finding { level, check, found, advice } = finding;
    let level = match level {
        Level::Ok => "ok  ",
        Level::Warn => "warn",
        Level::Fail => "FAIL",
    };
    match advice {
        Some(advice) => println!("{level} {check}: {found}: {advice}"),
        None => println!("{level} {check}: {found}"),
    }
}

async fn examine(args: DoctorArgs) -> Findings {
    let mut findings = Findings::default();
    let (config, key) = match args.serve.examine() {
        Ok(configured) => configured,
        Err(error) => {
            let found = crate::cli::sentence(&error);
            findings.bad(Level::Fail, "configuration", found, "serve would stop here, too");
            return findings;
        }
    };
    configuration(&config, key.as_ref(), &mut findings);
    let knowledge = Knowledge { keys: key.as_ref().map(Keys::derive), clock: Clock::system() };
    config.store.examine(&knowledge, &mut findings).await;
    match Mailer::examine(&config.mail, &config.sender).await {
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
    findings.ok(check, format!("{} with data in {}", config.public_url, config.store));
    if key.is_none() {
        let found = "there is no master key yet";
        findings.bad(Level::Warn, "master key", found, "serve makes it beside the log");
    }
    if config.mail.starts_with("directory:") {
        let found = "mails stay on this machine";
        findings.bad(Level::Warn, check, found, "use --mail smtp://... unless this is development");
    }
    if !config.https() {
        let found = "cookies are not Secure, for --public-url is not https";
        findings.bad(Level::Warn, check, found, "use https unless this is development");
    }
}
