//! The error of opening a log in KurrentDB.

use super::names::PrefixError;
use crate::store::StoreError;

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum KurrentOpenError {
    /// The address is not a connection string. It is not shown, since there may be a password in it.
    #[error("the address of KurrentDB is not a connection string")]
    ConnectionString,
    /// The prefix of the streams cannot be used.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// The database of the vault does not answer.
    #[error("cannot read the vault of the log in KurrentDB")]
    Vault(#[source] StoreError),
    /// There is no server, or it refused.
    #[error("cannot open the log in KurrentDB at {hosts}: {cause}")]
    Unreachable {
        /// The nodes that the connection string names.
        hosts: String,
        /// What is wrong, and what to do.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}
