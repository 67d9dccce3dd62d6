//! Texts of bodies that have no type of their own.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// A time in the spelling of the portal family, in milliseconds.
pub(crate) enum Millis {}

impl ToSchema for Millis {}

impl PartialSchema for Millis {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A time in UTC, by RFC 3339."))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
        text.examples(["2026-11-29T08:15:30.123Z"]).build().into()
    }
}
