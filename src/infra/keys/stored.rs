//! Service keys as a vault stores them, and what each purpose promises about its keys.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use whence_events::{Mac, Timestamp};

/// What a service key is for. No key serves two purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Names the streams of addresses. It can never change: the names are in the log.
    Index,
    /// Signs one-time codes, which live for minutes.
    Code,
    /// Signs the tokens that protect sessions against other sites.
    Csrf,
    /// Signs refresh tokens, and makes the successor of each.
    Refresh,
    /// Signs the cookies of landings.
    Cookie,
    /// Signs the cookies of known devices.
    Device,
    /// Stands in the log for client networks, which are compared by it.
    Network,
    /// Signs access tokens.
    Bearer,
    /// Signs checkpoints of the log.
    Checkpoint,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 9] = [
        Self::Index,
        Self::Code,
        Self::Network,
        Self::Csrf,
        Self::Refresh,
        Self::Cookie,
        Self::Device,
        Self::Bearer,
        Self::Checkpoint,
    ];

    /// Returns the name of the purpose in the vault and in commands.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Code => "code",
            Self::Csrf => "csrf",
            Self::Refresh => "refresh",
            Self::Cookie => "cookie",
            Self::Device => "device",
            Self::Network => "network",
            Self::Bearer => "bearer",
            Self::Checkpoint => "checkpoint",
        }
    }

    /// Returns the purpose with a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// Returns the label by which generation 0 derives from the master key.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Index => "email index",
            Self::Code => "one-time code",
            Self::Csrf => "csrf",
            Self::Refresh => "refresh token",
            Self::Cookie => "landing cookie",
            Self::Device => "known device",
            Self::Network => "client network",
            Self::Bearer => "bearer token",
            Self::Checkpoint => "log checkpoint",
        }
    }

    /// Returns how long what an older key signed is accepted after a newer one took its place: as long
    /// as the longest of it lives. `None` when its keys are not rotated.
    #[must_use]
    pub fn overlap(self) -> Option<Duration> {
        let days = |days: u64| Duration::from_hours(24 * days);
        match self {
            Self::Index | Self::Code | Self::Network => None,
            // The longest life of a session; both checkpoint keys sign for this long, so that an auditor
            // has the time to follow.
            Self::Csrf | Self::Refresh | Self::Checkpoint => Some(days(90)),
            // The longest life of the cookies, of an access token.
            Self::Cookie | Self::Device => Some(days(400)),
            Self::Bearer => Some(Duration::from_mins(20)),
        }
    }

    /// Returns how long a new key is known before it signs: every node has to have it, and of access
    /// tokens every reader of the published keys, who may keep them for an hour.
    #[must_use]
    pub fn lead(self) -> Duration {
        match self {
            Self::Bearer => Duration::from_mins(65),
            Self::Index
            | Self::Code
            | Self::Csrf
            | Self::Refresh
            | Self::Cookie
            | Self::Device
            | Self::Network
            | Self::Checkpoint => SHORTEST_LEAD,
        }
    }
}

/// The shortest time that a new key is known before it signs: three looks of every node.
pub const SHORTEST_LEAD: Duration = Duration::from_secs(15);

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A service key as a vault stores it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredServiceKey {
    /// What the key is for.
    pub purpose: String,
    /// The number of the key among those of its purpose.
    pub generation: u32,
    /// The key, sealed under the wrapping key of a master key.
    pub wrapped: Vec<u8>,
    /// When the key was made.
    pub created_at: Timestamp,
    /// When the key begins to sign.
    pub active_from: Timestamp,
    /// For how many microseconds after that the keys before it are still accepted.
    pub overlap: i64,
}

impl fmt::Debug for StoredServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredServiceKey({} {})", self.purpose, self.generation)
    }
}

/// What a vault says of its keys, but for those of subjects.
#[derive(Clone, Debug)]
pub struct VaultState {
    /// The fingerprint of the master key.
    pub master: Mac,
    /// The fingerprint of the master key that is to take its place: a rotation is under way.
    pub next: Option<Mac>,
    /// The service keys, by purpose and generation.
    pub keys: Vec<StoredServiceKey>,
}

/// Why the keys of a vault cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// The vault was made with, or goes over to, a master key that was not given.
    #[error("the vault needs a master key that was not given")]
    UnknownMaster,
    /// A service key does not open.
    #[error("key {generation} of {purpose} does not open with the master keys that were given")]
    Damaged {
        /// What the key is for.
        purpose: Purpose,
        /// The number of the key.
        generation: u32,
    },
}
