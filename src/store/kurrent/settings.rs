//! The connection string: what was given, and what this client needs in addition.

use std::fmt;

use eventstore::{ClientSettings, NodePreference};

use super::error::KurrentOpenError;
use super::names::Names;
use crate::infra::postgres::has_stray_at;

/// Parameters that are added unless they were given, in milliseconds. The client waits for the
/// interval before its first attempt, too, and the time-out bounds how long it waits for a node
/// that does not answer.
const DEFAULTS: [(&str, &str); 2] = [("discoveryInterval", "20"), ("gossipTimeout", "1000")];

/// The fewest attempts to find a leader: with fewer, the client gives up before the first one.
const FEWEST_ATTEMPTS: usize = 2;

/// A connection string of KurrentDB. Its password is in no message and no `Debug`.
#[derive(Clone)]
pub struct KurrentUrl {
    text: String,
    hosts: String,
}

impl KurrentUrl {
    /// Parses a connection string.
    pub fn parse(text: &str) -> Result<Self, KurrentOpenError> {
        Ok(Self { text: text.to_owned(), hosts: hosts(&settings(text)?) })
    }

    /// Returns the connection string as it was given, including the password.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Shows the nodes to people.
impl fmt::Display for KurrentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hosts)
    }
}

impl fmt::Debug for KurrentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KurrentUrl({self})")
    }
}

/// Returns the settings that a connection string means, and the names of the streams. The error does not
/// repeat the string: there may be a password in it.
pub(super) fn parse(url: &str) -> Result<(ClientSettings, Names), KurrentOpenError> {
    let (url, names) = Names::split(url)?;
    Ok((client_settings(&url)?, names))
}

/// Returns the settings that a connection string means.
pub(super) fn settings(url: &str) -> Result<ClientSettings, KurrentOpenError> {
    parse(url).map(|(settings, _)| settings)
}

fn client_settings(url: &str) -> Result<ClientSettings, KurrentOpenError> {
    let given = parsed(url)?;
    let query = url.split_once('?').map_or("", |(_, query)| query).to_lowercase();
    let missing = DEFAULTS
        .iter()
        .filter(|(name, _)| !query.contains(&format!("{}=", name.to_lowercase())))
        .map(|(name, value)| format!("{name}={value}"));
    let mut extra: Vec<String> = missing.collect();
    // Only a leader takes appends. The last one of a parameter counts.
    if given.node_preference() != NodePreference::Leader {
        extra.push("nodePreference=leader".into());
    }
    if given.max_discover_attempts() < FEWEST_ATTEMPTS {
        extra.push(format!("maxDiscoverAttempts={FEWEST_ATTEMPTS}"));
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    parsed(&format!("{url}{separator}{}", extra.join("&")))
}

/// Returns the nodes as text, for people.
pub(super) fn hosts(settings: &ClientSettings) -> String {
    let hosts = settings.hosts().iter().map(|node| format!("{}:{}", node.host, node.port));
    hosts.collect::<Vec<_>>().join(", ")
}

fn parsed(url: &str) -> Result<ClientSettings, KurrentOpenError> {
    if has_stray_at(url) || url.contains('#') {
        return Err(KurrentOpenError::ConnectionString);
    }
    url.parse().map_err(|_| KurrentOpenError::ConnectionString)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_first_connection_does_not_wait() {
        let settings = settings("kurrentdb://localhost:2113?tls=false").unwrap();
        assert_eq!(settings.discovery_interval(), Duration::from_millis(20));
        assert_eq!(settings.gossip_timeout(), Duration::from_secs(1));
        assert_eq!(settings.node_preference(), NodePreference::Leader);
        assert!(!settings.is_secure_mode_enabled());
        assert_eq!(hosts(&settings), "localhost:2113");
    }

    #[test]
    fn what_was_given_stays() {
        let url = "kurrentdb://ann:secret@a:1,b:2,c:3?discoveryInterval=70&gossiptimeout=80";
        let settings = settings(url).unwrap();
        assert_eq!(settings.discovery_interval(), Duration::from_millis(70));
        assert_eq!(settings.gossip_timeout(), Duration::from_millis(80));
        assert!(settings.is_secure_mode_enabled());
        assert!(settings.default_authenticated_user().is_some());
        assert_eq!(hosts(&settings), "a:1, b:2, c:3");
    }

    #[test]
    fn what_would_never_connect_is_put_right() {
        let settings = settings("esdb://a?maxDiscoverAttempts=1&nodePreference=follower").unwrap();
        assert_eq!(settings.max_discover_attempts(), 2);
        assert_eq!(settings.node_preference(), NodePreference::Leader);
    }

    #[test]
    fn what_is_no_connection_string_is_not_repeated() {
        for url in ["kurrentdb://ann:pass/word@a:1", "postgres://ann:word@a", "word", ""] {
            let error = settings(url).unwrap_err().to_string();
            assert_eq!(error, "the address of KurrentDB is not a connection string");
        }
    }
}
