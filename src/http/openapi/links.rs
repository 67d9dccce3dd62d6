//! Which calls lead to which: what one answers is what another one takes.

use serde_json::{Map, Value, json};

/// A call whose answer has what other calls take.
struct LinkSource {
    /// The operation.
    operation: &'static str,
    /// The place in its answer.
    place: &'static str,
    /// The name under which others take it.
    name: &'static str,
    /// The operations that take it as a parameter.
    parameter_of: &'static [&'static str],
    /// The operations that take it in their body.
    body_of: &'static [&'static str],
}

const USERS: &[&str] = &[
    "get_admin_users_by_id",
    "get_admin_users_by_id_attribution",
    "get_admin_users_by_id_bundle",
    "get_admin_users_by_id_handles",
    "get_admin_users_by_id_sessions",
    "get_admin_users_by_id_timeline",
    "get_portal_users_by_id",
    "get_portal_users_by_id_attribution",
    "post_admin_users_by_id_email",
    "post_admin_users_by_id_erase",
    "post_admin_users_by_id_handles",
    "post_admin_users_by_id_reinstate",
    "post_admin_users_by_id_sessions_revoke",
    "post_admin_users_by_id_suspend",
    "post_admin_users_by_id_unlock",
    "put_admin_users_by_id_billing_customer",
    "put_portal_users_by_id_billing_customer",
];

const CODES: &[&str] = &[
    "get_admin_codes_by_code",
    "get_admin_codes_by_code_bundle",
    "get_r_by_code",
    "post_admin_codes_by_code_disable",
    "post_admin_codes_by_code_enable",
];

const API_KEYS: &[&str] = &[
    "get_admin_api_keys_by_id",
    "get_admin_api_keys_by_id_timeline",
    "post_admin_api_keys_by_id_end_grace",
    "post_admin_api_keys_by_id_revoke",
    "post_admin_api_keys_by_id_rotate",
];

const NEITHER: LinkSource =
    LinkSource { operation: "", place: "", name: "id", parameter_of: &[], body_of: &[] };

const SOURCES: &[LinkSource] = &[
    LinkSource {
        operation: "post_auth_email_start",
        place: "/request_id",
        name: "request_id",
        body_of: &["post_auth_email_verify"],
        ..NEITHER
    },
    LinkSource {
        operation: "post_auth_email_change",
        place: "/request_id",
        name: "request_id",
        body_of: &["post_auth_email_change_verify"],
        ..NEITHER
    },
    LinkSource {
        operation: "post_portal_auth_login_start",
        place: "/data/requestId",
        name: "requestId",
        body_of: &["post_portal_auth_login"],
        ..NEITHER
    },
    LinkSource {
        operation: "post_portal_auth_login",
        place: "/data/refreshToken",
        name: "refreshToken",
        body_of: &["post_portal_auth_logout", "post_portal_auth_refresh"],
        ..NEITHER
    },
    LinkSource {
        operation: "get_auth_sessions",
        place: "/items/0/id",
        parameter_of: &["delete_auth_sessions_by_id"],
        ..NEITHER
    },
    LinkSource {
        operation: "get_portal_auth_sessions",
        place: "/data/items/0/id",
        parameter_of: &["delete_portal_auth_sessions_by_id"],
        ..NEITHER
    },
    LinkSource {
        operation: "get_auth_devices",
        place: "/devices/0/id",
        parameter_of: &["delete_auth_devices_by_id"],
        ..NEITHER
    },
    LinkSource { operation: "get_auth_me", place: "/user/id", parameter_of: USERS, ..NEITHER },
    LinkSource {
        operation: "post_admin_users_find",
        place: "/user_id",
        parameter_of: USERS,
        ..NEITHER
    },
    LinkSource {
        operation: "get_admin_users_by_id_sessions",
        place: "/items/0/id",
        name: "session_id",
        body_of: &["post_admin_users_by_id_sessions_revoke"],
        ..NEITHER
    },
    LinkSource {
        operation: "get_referrals_me",
        place: "/primary_code",
        name: "code",
        parameter_of: CODES,
        ..NEITHER
    },
    LinkSource {
        operation: "post_referrals_code",
        place: "/code/code",
        name: "code",
        parameter_of: CODES,
        ..NEITHER
    },
    LinkSource {
        operation: "put_creators_me",
        place: "/handle",
        name: "handle",
        parameter_of: &["get_creators_by_handle"],
        ..NEITHER
    },
    LinkSource {
        operation: "post_admin_api_keys",
        place: "/id",
        parameter_of: API_KEYS,
        ..NEITHER
    },
    LinkSource {
        operation: "get_admin_api_keys",
        place: "/items/0/id",
        parameter_of: API_KEYS,
        ..NEITHER
    },
    LinkSource {
        operation: "get_admin_projections",
        place: "/projections/0/name",
        name: "name",
        parameter_of: &["post_admin_projections_by_name_rebuild"],
        ..NEITHER
    },
    LinkSource {
        operation: "get_admin_events",
        place: "/items/0/position",
        name: "position",
        parameter_of: &["get_log_proof"],
        ..NEITHER
    },
    LinkSource {
        operation: "get_admin_events",
        place: "/next",
        name: "after",
        parameter_of: &["get_admin_events"],
        ..NEITHER
    },
    LinkSource {
        operation: "get_admin_referrals",
        place: "/next",
        name: "after",
        parameter_of: &["get_admin_referrals"],
        ..NEITHER
    },
    LinkSource {
        operation: "get_dev_mail_json",
        place: "/mails/0/id",
        parameter_of: &["get_dev_mail_by_id"],
        ..NEITHER
    },
    LinkSource {
        operation: "post_auth_token",
        place: "/access_token",
        name: "token",
        body_of: &["post_auth_introspect"],
        ..NEITHER
    },
];

/// Adds the links of an operation to its answer of success. Those that lead to no operation of the
/// specification are left out.
pub(super) fn add_to(operation: &mut Value, exist: &[String]) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let mut links = Map::new();
    for source in SOURCES.iter().filter(|source| source.operation == id) {
        let expression = format!("$response.body#{}", source.place);
        let named = json!({ source.name: expression });
        for target in source.parameter_of.iter().filter(|target| leads(exist, target)) {
            let link = json!({ "operationId": target, "parameters": named });
            links.insert((*target).to_owned(), link);
        }
        for target in source.body_of.iter().filter(|target| leads(exist, target)) {
            let link = json!({ "operationId": target, "requestBody": named });
            links.insert((*target).to_owned(), link);
        }
    }
    if !links.is_empty()
        && let Some(response) = operation["responses"].get_mut("200")
    {
        response["links"] = links.into();
    }
}

fn leads(exist: &[String], target: &str) -> bool {
    exist.iter().any(|id| id == target)
}
