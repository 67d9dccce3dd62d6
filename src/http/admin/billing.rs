//! The customers of the billing system, as operators link them to users.

use axum::Json;
use axum::extract::Path;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use whence_events::UserId;

use super::operator::OperatorCall;
use super::users::user_id;
use crate::domain::billing::BillingCustomerId;
use crate::domain::user::UserRejection;
use crate::engine::handler::HandleError;
use crate::http::error::Problem;
use crate::http::extract::JsonBody;
use crate::http::openapi::{Refusals, refused};
use crate::http::typed_text::{TypedText, optional_text};

/// The body of a link. An empty text, null or a missing field links to no customer.
#[derive(Deserialize, ToSchema)]
pub(super) struct CustomerBody {
    #[serde(default, deserialize_with = "optional_text")]
    #[schema(value_type = Option<TypedText>)]
    billing_customer_id: Option<String>,
}

/// The customer that a user is linked to.
#[derive(Serialize, ToSchema)]
pub(super) struct LinkedCustomer {
    user_id: UserId,
    #[schema(example = "cus_1815")]
    billing_customer_id: String,
    changed: bool,
}

/// `PUT /v1/admin/users/{id}/billing-customer`: links a user to a customer of the billing system.
#[utoipa::path(put, path = "/users/{id}/billing-customer", request_body = CustomerBody,
    params(("id" = UserId, Path, description = "The id of a user.")),
    responses(
        (status = 200, body = LinkedCustomer),
        Refusals<(OperatorCall, refused::InvalidJson, refused::InvalidParameter, refused::UserNotFound, refused::Command)>,
    )
)]
pub(super) async fn link(
    call: OperatorCall,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<CustomerBody>,
) -> Result<Json<LinkedCustomer>, Problem> {
    let user_id = user_id(&id)?;
    let text = body.billing_customer_id.unwrap_or_default();
    let customer = BillingCustomerId::parse(&text).map_err(|_| {
        Problem::InvalidParameter(
            "billing_customer_id is up to 255 visible ASCII characters without @.",
        )
    })?;
    let linked = customer.as_ref().map_or("", BillingCustomerId::as_str).to_owned();
    match call.app.link_billing(user_id, customer, &call.context).await {
        Ok(changed) => Ok(Json(LinkedCustomer { user_id, billing_customer_id: linked, changed })),
        Err(HandleError::Rejected(UserRejection::NotRegistered | UserRejection::Erased)) => {
            Err(Problem::UserNotFound)
        }
        Err(error) => Err(error.into()),
    }
}
