//! The flags of `whence serve` about mail.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;
use url::Url;

use super::secrets;
use crate::app::config::MailConfig;
use crate::infra::mail::{MailConfigError, Mailer};
use crate::store::Location;

/// Flags about mail.
#[derive(Args, Clone, Debug)]
pub(crate) struct MailArgs {
    #[arg(
        long,
        env = "WHENCE_MAIL",
        value_name = "WAY",
        hide_env_values = true,
        help = "How mails leave: directory:DIR, smtp://[USER:PASSWORD@]HOST[:PORT] or smtps://... \
                [default: directory:DIR/mail, DIR being that of the log]"
    )]
    pub(super) mail: Option<String>,

    /// File that holds what --mail is, for a URL with a password
    #[arg(long, env = "WHENCE_MAIL_FILE", value_name = "FILE")]
    pub(super) mail_file: Option<PathBuf>,

    /// Address mails are from [default: login@ the host of --public-url]
    #[arg(long, env = "WHENCE_MAIL_FROM", value_name = "ADDRESS")]
    pub(super) mail_from: Option<String>,

    /// What mails call the site [default: the host of --landing-url]
    #[arg(long, env = "WHENCE_SITE_NAME", value_name = "NAME")]
    pub(super) site_name: Option<String>,

    /// Put the code into the subject of the login mail, where a locked screen shows it
    #[arg(long, env = "WHENCE_CODE_IN_SUBJECT", value_parser = BoolishValueParser::new())]
    pub(super) code_in_subject: bool,

    /// Mails of all kinds that this process sends in an hour; 0: any number
    #[arg(long, env = "WHENCE_MAILS_PER_HOUR", default_value_t = MailConfig::PER_HOUR, value_name = "N")]
    pub(super) mails_per_hour: u32,
}

impl MailArgs {
    /// Reads the file that holds `--mail`.
    pub(super) fn read_file(&mut self) -> anyhow::Result<()> {
        secrets::fill("mail", &mut self.mail, self.mail_file.as_deref())
    }

    /// Returns whether mails would be kept in memory, which only tests and the demo can read.
    pub(crate) fn is_memory(&self) -> bool {
        self.mail.as_deref() == Some("memory")
    }

    pub(super) fn into_config(
        self,
        store: &Location,
        public_url: &Url,
        landing_url: &Url,
    ) -> MailConfig {
        let host = |url: &Url| url.host_str().unwrap_or("localhost").to_owned();
        let mut config = MailConfig::new(store, &host(public_url), &host(landing_url));
        if let Some(way) = self.mail {
            config.way = way;
        }
        if let Some(name) = self.site_name {
            config.sender.name.clone_from(&name);
            config.site = name;
        }
        if let Some(address) = self.mail_from {
            config.sender.address = address;
        }
        config.code_in_subject = self.code_in_subject;
        config.per_hour = self.mails_per_hour;
        config
    }
}

/// Refuses a way or a sender that cannot work, without opening it.
pub(super) fn check(config: &MailConfig) -> anyhow::Result<()> {
    Mailer::check(&config.way, &config.sender).map_err(|error| {
        let flag = match &error {
            MailConfigError::Sender(_) => "--mail-from and --site-name",
            MailConfigError::UnknownWay
            | MailConfigError::NoDirectory
            | MailConfigError::Directory { .. }
            | MailConfigError::Smtp(_) => "--mail",
        };
        anyhow::Error::new(error).context(flag)
    })
}
