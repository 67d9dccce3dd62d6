//! The flags of `whence serve` about development and logging.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use clap::Args;
use clap::builder::BoolishValueParser;
use url::Url;

use crate::app::config::{ListeningConfig, is_local_host};
use crate::store::Location;

/// Flags about development and logging.
#[derive(Args, Clone, Debug)]
pub(crate) struct DevelopmentArgs {
    #[arg(
        long,
        env = "WHENCE_DEVELOPMENT",
        value_parser = BoolishValueParser::new(),
        help = "For people who build against this service, on this machine alone: it is at \
                http://localhost, pages of localhost may call it, /dev/mail shows its mails, and \
                test+123456@example.com always gets the code 123456. With a --public-url that is \
                not localhost it only allows mails that stay on this machine, and plain http"
    )]
    pub(super) development: bool,

    /// What to log on stderr, like info, warn or whence=debug,info
    #[arg(long, env = "WHENCE_LOG", default_value = "info", value_name = "FILTER")]
    pub(super) log: String,
}

impl DevelopmentArgs {
    /// Returns whether choices are allowed that only fit a platform that is being tried out.
    pub(crate) fn is_on(&self) -> bool {
        self.development
    }

    /// Returns the filter of log lines.
    pub(crate) fn log_filter(&self) -> &str {
        &self.log
    }

    /// Opens the service to pages of this machine, when it is for development; refuses that where
    /// others could reach it, because anybody who does logs in as any test address.
    pub(super) fn open_to_this_machine(
        &self,
        listening: &mut ListeningConfig,
        given_url: Option<&Url>,
        store: &Location,
    ) -> anyhow::Result<()> {
        // At another host it is tried out by others than those who build: nothing of it is there.
        if !self.development || !given_url.is_none_or(is_localhost) {
            return Ok(());
        }
        let listen = listening.listen;
        ensure!(
            listen.ip().is_loopback(),
            "--development is for this machine alone, and --listen {listen} is open to others"
        );
        ensure!(
            store.directory().is_some(),
            "--development keeps its log in files: its test addresses are no accounts for a log \
             that several nodes share"
        );
        if given_url.is_none() {
            listening.public_url = localhost(listen)?;
        }
        listening.development = true;
        Ok(())
    }
}

/// Returns the URL of a port of this machine. The name is not that of an address: to browsers, a page
/// of `localhost` and one of `127.0.0.1` are of two sites, which share no cookies.
fn localhost(listen: SocketAddr) -> anyhow::Result<Url> {
    Url::parse(&format!("http://localhost:{}", listen.port())).context("--listen")
}

fn is_localhost(url: &Url) -> bool {
    url.host_str().is_some_and(is_local_host)
}
