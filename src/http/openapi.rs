//! The specification of the API (OpenAPI 3.1), which is made of the routes themselves.
//!
//! A route is added by `routes!`, so that none is outside of it. Its handler says the rest:
//!
//! ```text
//! #[utoipa::path(post, path = "/v1/referrals/code", request_body = SlugBody, responses(
//!     (status = 200, body = ChosenCode),
//!     Refusals<(SignedIn, Csrf, InvalidJson, WrongSlug, RateLimited, Command)>,
//! ))]
//! ```
//!
//! The first sentence of its documentation is the summary. What follows from the path, or is the same for
//! all routes, is added by [`describe()`]: ids, groups, headers, examples, the envelope of the portal family
//! and the errors, by status.

mod components;
mod describe;
mod groups;
mod links;
mod operations;
pub(super) mod refused;
mod responses;
mod samples;
mod schemas;
mod shared;
mod texts;

pub(super) use describe::describe;
pub(super) use refused::{Facts, Need, Refusals, Refuses};
pub(super) use schemas::{is_nullable, type_of};
pub(super) use texts::Millis;
