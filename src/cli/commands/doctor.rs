//! `whence doctor`: examines everything that `whence serve` with the same flags would use, says
//! what is wrong and what to do about it, and changes nothing.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::ensure;
use clap::Args;
use clap::builder::BoolishValueParser;

use crate::app::config::{Config, ListeningConfig};
use crate::cli::admin_client::readiness;
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
    proxies(&config.listening, &mut findings).await;
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

/// Examines who is believed about clients, by the settings and by what a running service has seen.
async fn proxies(listening: &ListeningConfig, findings: &mut Findings) {
    let check = "proxy";
    if listening.https() && listening.trusted_proxies.is_empty() {
        let found = "--public-url is https, and no --trusted-proxy names what speaks TLS in front";
        let advice = "name it: until then all clients count as one";
        findings.bad(Level::Warn, check, found, advice);
    }
    let mut address = listening.listen;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let seen = readiness(address).await.is_some_and(|said| said["unnamed_proxy"] == true);
    if seen {
        let found = format!(
            "the service at {address} gets requests with forwarded headers from a peer that no \
             --trusted-proxy names"
        );
        let advice = "if it is a proxy of yours, name it: until then all of its clients are one";
        findings.bad(Level::Warn, check, found, advice);
    }
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
