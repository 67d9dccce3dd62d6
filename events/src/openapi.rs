//! The schemas of ids, times and words in the specification of the API, for whoever serves them.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::{
    ApiKeyId, CorrelationId, Country, DeviceId, EmailKey, EventId, Handle, Hash, Mac, ReferralCode,
    RequestId, SessionId, Timestamp, TouchId, UserId,
};

/// What a text looks like.
enum Shape {
    Format(&'static str),
    Pattern(&'static str),
}

/// Returns the schema of a text of this shape.
fn text(description: &str, shape: &Shape, example: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .examples([example]);
    let text = match shape {
        Shape::Format(format) => text.format(Some(SchemaFormat::Custom((*format).to_owned()))),
        Shape::Pattern(pattern) => text.pattern(Some(*pattern)),
    };
    text.build().into()
}

/// Returns the schema of one of these words.
pub(crate) fn words(words: impl Iterator<Item = &'static str>) -> RefOr<Schema> {
    let words: Vec<_> = words.collect();
    let example = words.first().copied();
    let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
    schema.examples(example).build().into()
}

macro_rules! texts {
    ($($name:ident: $shape:ident $value:literal, $example:literal, $description:literal;)+) => {$(
        impl ToSchema for $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text($description, &Shape::$shape($value), $example)
            }
        }
    )+};
}

texts! {
    UserId: Format "uuid", "0192a7c4-3b5e-7d10-8c1f-6a2b9e4d5f01", "The id of an account.";
    RequestId: Format "uuid", "5b1f3c3e-8a0d-4f6a-9a41-0e6c2f7d9b52", "The id of a login request.";
    ApiKeyId: Format "uuid", "0192a7c4-3b64-7177-8c5b-61839ecf4007", "The id of an API key.";
    SessionId: Format "uuid", "0192a7c4-3b5f-7a22-9d0e-1c3f5b7a9e02", "The id of a session.";
    DeviceId: Format "uuid", "0192a7c4-3b60-7c33-8e1d-2d4f6a8b0c03", "The id of a known device.";
    TouchId: Format "uuid", "0192a7c4-3b61-7e44-9f2c-3e506b9c1d04", "The id of a touch.";
    EventId: Format "uuid", "0192a7c4-3b62-7f55-8a3b-4f617cad2e05", "The id of a stored event.";
    CorrelationId: Format "uuid", "0192a7c4-3b63-7066-9b4a-50728dbe3f06", "The id of a request.";
    Mac: Pattern "^[A-Za-z0-9_-]{22}$", "kq1l3mX0mZ0m7w4c2q8Wzg", "128 bits, in base64url.";
    Hash: Pattern "^[A-Za-z0-9_-]{43}$", "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg", "A SHA-256 hash, in base64url.";
    EmailKey: Pattern "^[0-9a-f]{32}$", "9f2c4e6a8b0d1f3e5a7c9b1d3f5e7a90", "The name of an address in the log.";
    ReferralCode: Pattern "^[A-Za-z0-9][A-Za-z0-9-]{1,31}$", "ada-1815", "A referral code.";
    Handle: Pattern "^[a-z0-9][a-z0-9_.-]{1,31}$", "ada.lovelace", "The handle of a creator.";
    Country: Pattern "^[A-Z]{2}$", "NL", "A country, by ISO 3166-1.";
    Timestamp: Format "date-time", "2026-11-29T08:15:30.123456Z", "A time in UTC, by RFC 3339.";
}
