//! Errors of a URL of Postgres, of connecting, and of the client.

/// What is wrong with a `postgres://` URL or with the file of its `sslrootcert`, in one sentence
/// without the password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UrlError(pub(super) String);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The network or the server refused it.
    #[error("{}", message(.0))]
    Refused(#[from] tokio_postgres::Error),
    /// No host answered in time.
    #[error("no answer in time")]
    TimedOut,
}

/// Returns an error of the client with the message of the server, which its own text leaves out.
#[must_use]
pub fn message(error: &tokio_postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        return server.message().to_owned();
    }
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
