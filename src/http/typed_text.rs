//! Texts in bodies that clients send as text or, without being asked to, as a number.

use serde::{Deserialize, Deserializer};
use serde_json::Number;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};
use whence_events::six_digits;

/// A text of a body. Client libraries turn what looks like a number into one.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum TypedText {
    /// The text as it was sent.
    Text(String),
    /// A number instead of the text that its digits are.
    Number(Number),
}

impl ToSchema for TypedText {}

impl PartialSchema for TypedText {
    fn schema() -> RefOr<Schema> {
        let kinds = SchemaType::from_iter([Type::String, Type::Number]);
        let text = ObjectBuilder::new().schema_type(kinds);
        text.description(Some("A text, or a number whose digits are the text.")).build().into()
    }
}

impl TypedText {
    /// Returns the text, or the number as text.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }

    /// Returns the six digits of a one-time code. A number has lost its leading zeros, and gets them back.
    pub(super) fn into_code(self) -> Option<[u8; 6]> {
        match self {
            Self::Text(text) => six_digits(&text),
            Self::Number(number) => {
                let written = number.to_string();
                // Some languages know numbers with a point only.
                let whole = written.strip_suffix(".0").unwrap_or(&written);
                let is_whole = whole.len() <= 6 && whole.bytes().all(|b| b.is_ascii_digit());
                if is_whole { six_digits(&format!("{whole:0>6}")) } else { None }
            }
        }
    }
}

/// Deserializes a field that may be missing or null, as text.
pub(super) fn optional_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(Option::<TypedText>::deserialize(deserializer)?.map(TypedText::into_text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn code(json: &str) -> Option<String> {
        let typed: TypedText = serde_json::from_str(json).unwrap();
        typed.into_code().map(|code| String::from_utf8(code.to_vec()).unwrap())
    }

    #[test]
    fn a_number_is_a_code_with_its_zeros_in_front() {
        for (json, expected) in [
            ("904175", "904175"),
            ("4175", "004175"),
            ("0", "000000"),
            ("904175.0", "904175"),
            ("\"904 175\"", "904175"),
        ] {
            assert_eq!(code(json).as_deref(), Some(expected), "{json}");
        }
        for json in ["-904175", "9041755", "904175.5", "9.04175e20", "\"4175\"", "\"\""] {
            assert_eq!(code(json), None, "{json}");
        }
    }

    #[test]
    fn any_other_kind_of_value_is_no_text() {
        for json in ["true", "null", "[1]", "{}"] {
            assert!(serde_json::from_str::<TypedText>(json).is_err(), "{json}");
        }
        let number: TypedText = serde_json::from_str("2026").unwrap();
        assert_eq!(number.into_text(), "2026");
    }
}
