//! Who may read the metrics.

use std::net::SocketAddr;

use anyhow::ensure;
use whence_events::Hash;

use crate::infra::hash::sha256;

/// The length in characters of the shortest token that is accepted.
const MIN_TOKEN_LENGTH: usize = 20;

/// Where the metrics are read, and by whom; without either setting nobody can read them.
#[derive(Clone, Debug, Default)]
pub struct MetricsConfig {
    /// The address and port of a listener for the metrics alone.
    pub listen: Option<SocketAddr>,
    /// The token that has to be sent with each request.
    pub token: Option<MetricsToken>,
}

/// The token by which metrics are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsToken(Hash);

impl MetricsToken {
    /// Reads a token.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(
            printable && text.len() >= MIN_TOKEN_LENGTH,
            "--metrics-token: at least {MIN_TOKEN_LENGTH} characters in printable ASCII, such as \
             `openssl rand -hex 32` prints"
        );
        Ok(Self(sha256(text.as_bytes())))
    }

    /// Returns whether this is the token, in a time that does not depend on how much of it is right.
    #[must_use]
    pub fn is(&self, sent: &[u8]) -> bool {
        self.0.same_as(&sha256(sent))
    }
}
