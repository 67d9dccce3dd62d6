//! What is asked of a key.

use std::time::Duration;

use whence_events::{ApiKeyIssued, Hash, Timestamp};

use crate::text::label;
use crate::user::measure::Reason;

/// A command on a key.
#[derive(Clone, Debug)]
pub enum ApiKeyCommand {
    /// Issues the key.
    Issue {
        /// The current time.
        now: Timestamp,
        /// The key as it goes on record.
        issued: ApiKeyIssued,
    },
    /// Gives the key another secret.
    Rotate {
        /// The current time.
        now: Timestamp,
        /// The SHA-256 of the new secret.
        secret_hash: Hash,
        /// How long the secret until now still counts; zero ends earlier ones as well.
        grace: Duration,
    },
    /// Ends the grace time of all earlier secrets.
    EndGrace {
        /// The current time.
        now: Timestamp,
    },
    /// Revokes the key for good.
    Revoke {
        /// The reason of the operator.
        reason: Reason,
    },
    /// Takes note that the key was used, which the first use of a day leaves on record.
    NoteUse {
        /// The time of the use.
        now: Timestamp,
    },
}

/// The name that operators know a key by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyName(String);

/// The text is no name of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a key is 1 to 64 characters that can be seen")]
pub struct InvalidApiKeyName;

impl ApiKeyName {
    /// The length of a name at most, in characters.
    pub const MAX_CHARS: usize = 64;

    /// Parses a name: what is invisible is left out, and white space is a single space.
    pub fn parse(text: &str) -> Result<Self, InvalidApiKeyName> {
        let name = label(text, Self::MAX_CHARS + 1).ok_or(InvalidApiKeyName)?;
        if name.chars().count() > Self::MAX_CHARS { Err(InvalidApiKeyName) } else { Ok(Self(name)) }
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
