//! What the specification says once for all calls.

use serde_json::{Map, Value, json};

/// Returns what the API is.
pub(super) fn info() -> Value {
    json!({
        "title": "whence",
        "version": env!("CARGO_PKG_VERSION"),
        "summary": "Who is this account, and where did it come from?",
        "description": "Passwordless login and attribution out of one append-only event log.\n\n\
            The console family (`/v1/...`) uses cookies and snake_case, the portal family \
            (`/api/v1/...`) bearer tokens and camelCase. Bodies are JSON objects, whatever their \
            content type says. Every answer has an `x-request-id`.",
        "license": { "name": "MIT", "identifier": "MIT" },
    })
}

/// Returns the schemas of the errors of both families.
pub(super) fn schemas() -> Map<String, Value> {
    let uuid = json!({ "type": "string", "format": "uuid" });
    let console = json!({
        "type": "object",
        "description": "An error of the console family.",
        "required": ["error", "message", "request_id"],
        "properties": {
            "error": { "type": "string", "description": "What went wrong, for programs." },
            "message": { "type": "string", "description": "The same, for developers." },
            "request_id": uuid,
        },
    });
    let portal = json!({
        "type": "object",
        "description": "An error of the portal family.",
        "required": ["success", "error"],
        "properties": {
            "success": { "const": false },
            "error": {
                "type": "object",
                "required": ["code", "message", "i18nKey", "i18nVars", "details", "correlationId"],
                "properties": {
                    "code": { "type": "string", "description": "The kind of error." },
                    "message": { "type": "string", "description": "What went wrong, for developers." },
                    "i18nKey": { "type": "string", "description": "What went wrong, for programs." },
                    "i18nVars": {
                        "type": "object",
                        "description": "What a translation may want to name.",
                        "additionalProperties": { "type": ["string", "integer"] },
                    },
                    "details": { "type": "array", "items": { "type": "object" } },
                    "correlationId": uuid,
                },
            },
        },
    });
    [("Problem".to_owned(), console), ("PortalProblem".to_owned(), portal)].into_iter().collect()
}

/// Returns the headers of responses.
pub(super) fn headers() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "x-request-id": {
            "description": "The id of the request, which its events have, too.",
            "required": true,
            "schema": { "type": "string", "format": "uuid" },
        },
        "retry-after": {
            "description": "The seconds until another try can help.",
            "required": true,
            "schema": { "type": "integer", "minimum": 1 },
        },
        "www-authenticate": {
            "description": "What is missing, or wrong with what was sent (RFC 6750).",
            "required": true,
            "schema": text,
        },
        "etag": { "description": "The tag of this very body (RFC 9110).", "schema": text },
        "location": { "description": "Where to look instead.", "required": true, "schema": text },
        "set-cookie": { "description": "Cookies that are set or taken away.", "schema": text },
    })
}

/// Returns the ways to prove who calls.
pub(super) fn security_schemes() -> Value {
    json!({
        "session": {
            "type": "apiKey", "in": "cookie", "name": "nl_session",
            "description": "The session of a browser; over https `__Host-nl_session`.",
        },
        "csrf": {
            "type": "apiKey", "in": "header", "name": "X-CSRF-Token",
            "description": "The value of the cookie `nl_csrf`, which pages of this site can read.",
        },
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "An access token of `POST /api/v1/auth/login` or `POST /v1/auth/token`.",
        },
        "refresh": {
            "type": "apiKey", "in": "cookie", "name": "whence_refresh",
            "description": "A refresh token; over https `__Secure-whence_refresh`. Apps send it in the body.",
        },
        "apiKey": {
            "type": "http", "scheme": "bearer", "bearerFormat": "whk_",
            "description": "The API key of a back-end.",
        },
        "operator": {
            "type": "apiKey", "in": "header", "name": "X-Admin-Token",
            "description": "The token of an operator.",
        },
        "metricsToken": {
            "type": "http", "scheme": "bearer",
            "description": "The token of `--metrics-token`.",
        },
    })
}
