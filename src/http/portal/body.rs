//! Bodies of the portal family, field by field, so that an answer can say which one is wrong.

use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};

use crate::http::error::{PortalField, Problem};
use crate::http::extract::{object, whole_body};
use crate::http::typed_text::TypedText;

/// A JSON object whose fields are taken out one by one; others are ignored. An empty body is an empty
/// object.
pub(super) struct Fields(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = whole_body(request).await?;
        if bytes.trim_ascii().is_empty() {
            return Ok(Self(Map::new()));
        }
        object(&bytes).map(Self).ok_or(Problem::InvalidJson)
    }
}

impl Fields {
    /// Takes a text out, or a number as one; a missing field and a null are `None`.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        Ok(self.typed(name)?.map(TypedText::into_text))
    }

    /// Takes a one-time code out; `None` when it is missing or none.
    pub(super) fn code(&mut self, name: &'static str) -> Result<Option<[u8; 6]>, Problem> {
        Ok(self.typed(name)?.and_then(TypedText::into_code))
    }

    fn typed(&mut self, name: &'static str) -> Result<Option<TypedText>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(TypedText::Text(text))),
            Some(Value::Number(number)) => Ok(Some(TypedText::Number(number))),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                Err(invalid(name, "It has to be a text."))
            }
        }
    }
}

/// Returns the problem of a field, and what it can be.
pub(super) fn invalid(name: &'static str, why: &'static str) -> Problem {
    Problem::InvalidField(PortalField { name, why })
}
