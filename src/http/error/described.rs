//! What the specification of the API says about a problem.

use http::header::HeaderName;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::Value;
use whence_events::CorrelationId;

use super::{Family, Problem};

/// The answer to a problem, as the specification shows it.
pub(crate) struct DescribedProblem {
    /// The status.
    pub(crate) status: u16,
    /// What tells the problem from others of the same status: the code, or the key of the portal family.
    pub(crate) code: String,
    /// The sentence for developers.
    pub(crate) message: String,
    /// The whole body.
    pub(crate) body: Value,
    /// The headers that the answer has besides those of every answer.
    pub(crate) headers: Vec<HeaderName>,
}

impl Problem {
    /// Returns the answer of a family to this problem.
    pub(in crate::http) fn described(self, family: Family, id: CorrelationId) -> DescribedProblem {
        let message = self.parts().2;
        let (status, body) = self.answer(family, message, None, id);
        let code = match family {
            Family::Console => &body["error"],
            Family::Portal => &body["error"]["i18nKey"],
        };
        let mut headers = Vec::new();
        if self.retry_after_seconds().is_some() {
            headers.push(RETRY_AFTER);
        }
        if matches!(self, Self::ApiKey(problem) if problem.challenge().is_some()) {
            headers.push(WWW_AUTHENTICATE);
        }
        let code = code.as_str().unwrap_or_default().to_owned();
        DescribedProblem {
            status: status.as_u16(),
            code,
            message: message.to_owned(),
            body,
            headers,
        }
    }
}
