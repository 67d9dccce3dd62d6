//! The customers of the billing system that users are, for back-ends.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use whence_events::UserId;

use super::user_id;
use crate::app::App;
use crate::domain::billing::BillingCustomerId;
use crate::domain::user::UserRejection;
use crate::engine::handler::HandleError;
use crate::http::api_key::{ScopedApiKey, WriteBilling};
use crate::http::error::{ApiKeyProblem, Problem};
use crate::http::extract::{JsonBody, RequestContext};
use crate::http::openapi::{Refusals, refused};
use crate::http::portal::success;
use crate::http::typed_text::TypedText;

/// The body of a link.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LinkBody {
    /// The id of the customer; empty: the user is none.
    billing_customer_id: TypedText,
}

/// The customer that a user is linked to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PlatformLink {
    id: UserId,
    #[schema(example = "cus_1815")]
    billing_customer_id: String,
    /// Whether it was another one before.
    changed: bool,
}

/// `PUT /api/v1/users/{id}/billing-customer`: links a user to a customer of the billing system.
#[utoipa::path(put, path = "/api/v1/users/{id}/billing-customer", request_body = LinkBody,
    params(("id" = UserId, Path, description = "The id of a user.")),
    responses(
        (status = 200, body = PlatformLink),
        Refusals<(ScopedApiKey<WriteBilling>, refused::InvalidJson, refused::InvalidParameter, refused::NoSuchUser, refused::Command)>,
    )
)]
pub(super) async fn link(
    key: ScopedApiKey<WriteBilling>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: RequestContext,
    JsonBody(body): JsonBody<LinkBody>,
) -> Result<Response, Problem> {
    let id = user_id(&id)?;
    let customer =
        BillingCustomerId::parse(&body.billing_customer_id.into_text()).map_err(|_| {
            Problem::InvalidParameter(
                "billingCustomerId is up to 255 visible ASCII characters without @.",
            )
        })?;
    let linked = customer.as_ref().map_or("", BillingCustomerId::as_str).to_owned();
    match app.link_billing(id, customer, &request.context(key.actor())).await {
        Ok(changed) => Ok(success(PlatformLink { id, billing_customer_id: linked, changed })),
        Err(HandleError::Rejected(UserRejection::NotRegistered | UserRejection::Erased)) => {
            Err(Problem::ApiKey(ApiKeyProblem::NoSuchUser))
        }
        Err(error) => Err(error.into()),
    }
}
