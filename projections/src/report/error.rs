//! The error of a query that no view can answer.

/// A query that no view can answer; the text is one sentence that says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidQuery(pub String);
