//! Reading the query of a request.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::error::Problem;

/// A number of a query where anything else counts as none.
pub(super) enum LenientNumber {}

impl ToSchema for LenientNumber {}

impl PartialSchema for LenientNumber {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
        let other = ObjectBuilder::new().schema_type(Type::String);
        let any = OneOfBuilder::new().item(number).item(other).examples([20]).build();
        Schema::OneOf(any).into()
    }
}

/// Returns the number that the query parameter `name` holds, or `None` when it is missing. Of
/// several parameters of that name the first counts.
pub(super) fn number(query: &str, name: &str) -> Result<Option<u64>, Problem> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let found = pairs.find(|(key, _)| key == name);
    found.map(|(_, value)| value.parse().map_err(|_| Problem::InvalidQuery)).transpose()
}
