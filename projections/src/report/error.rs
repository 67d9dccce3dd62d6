//! Why a question to a view has no answer.

/// A question that no view can answer; the text is one sentence that says why, for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidQuery(pub String);
