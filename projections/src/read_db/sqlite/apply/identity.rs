//! Changes to login requests, users and sessions.

use rusqlite::{ToSql, Transaction, params};
use whence_events::{Country, DeviceClass};

use super::{bytes, run};
use crate::change::{IdentityChange, NewSession};

pub(super) fn apply(transaction: &Transaction<'_>, change: IdentityChange) -> rusqlite::Result<()> {
    let run = |sql, values: &[&dyn ToSql]| run(transaction, sql, values);
    match change {
        IdentityChange::LoginOpened { request_id, email_key, expires_at } => run(
            "INSERT INTO login_requests (request_id, email_key, expires_at) VALUES (?1, ?2, ?3)",
            params![request_id.0, email_key.0, expires_at.as_micros()],
        ),
        IdentityChange::LoginClosed { request_id } => {
            run("DELETE FROM login_requests WHERE request_id = ?1", params![request_id.0])
        }
        IdentityChange::LoginsForgotten { before } => {
            run("DELETE FROM login_requests WHERE expires_at < ?1", params![before.as_micros()])
        }
        IdentityChange::UserAdded { user_id, email, display_name, provider, at } => run(
            "INSERT INTO users (user_id, email, email_version, display_name, profile_version, provider,
               created_at, updated_at) VALUES (?1, ?2, 0, ?3, 0, ?4, ?5, ?5)",
            params![
                user_id.0,
                bytes(email.as_ref()).unwrap_or_default(),
                bytes(display_name.as_ref()),
                provider.as_str(),
                at.as_micros()
            ],
        ),
        IdentityChange::UserShownAs { user_id, display_name, avatar_url, version, at } => run(
            "UPDATE users SET display_name = ?2, avatar_url = ?3, profile_version = ?4,
               updated_at = ?5 WHERE user_id = ?1",
            params![
                user_id.0,
                bytes(display_name.as_ref()),
                bytes(avatar_url.as_ref()),
                version,
                at.as_micros()
            ],
        ),
        IdentityChange::UserMovedTo { user_id, email, version, at } => run(
            "UPDATE users SET email = ?2, email_version = ?3, updated_at = ?4 WHERE user_id = ?1",
            params![
                user_id.0,
                bytes(email.as_ref()).unwrap_or_default(),
                version,
                at.as_micros()
            ],
        ),
        IdentityChange::UserBilledAs { user_id, billing_customer_id, at } => run(
            "UPDATE users SET billing_customer_id = ?2, updated_at = ?3 WHERE user_id = ?1",
            params![user_id.0, billing_customer_id, at.as_micros()],
        ),
        IdentityChange::UserRemoved { user_id } => {
            run("DELETE FROM sessions WHERE user_id = ?1", params![user_id.0])?;
            run("DELETE FROM users WHERE user_id = ?1", params![user_id.0])
        }
        IdentityChange::SessionAdded { session } => session_added(transaction, &session),
        IdentityChange::SessionExtended { session_id, expires_at, at } => run(
            "UPDATE sessions SET expires_at = ?2, used_at = ?3 WHERE session_id = ?1",
            params![session_id.0, expires_at.as_micros(), at.as_micros()],
        ),
        IdentityChange::SessionRemoved { session_id } => {
            run("DELETE FROM sessions WHERE session_id = ?1", params![session_id.0])
        }
        IdentityChange::SessionsForgotten { before } => {
            run("DELETE FROM sessions WHERE expires_at < ?1", params![before.as_micros()])
        }
    }
}

fn session_added(transaction: &Transaction<'_>, session: &NewSession) -> rusqlite::Result<()> {
    run(
        transaction,
        "INSERT INTO sessions (session_id, user_id, token_hash, kind, opened_at, used_at,
               expires_at, absolute_expires_at, device, device_version, device_class, country)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            session.session_id.0,
            session.user_id.0,
            session.token_hash.0,
            session.kind.as_str(),
            session.opened_at.as_micros(),
            session.expires_at.as_micros(),
            session.absolute_expires_at.as_micros(),
            bytes(session.device.as_ref()).unwrap_or_default(),
            session.device_version,
            session.device_class.map(DeviceClass::as_str),
            session.country.as_ref().map(Country::as_str)
        ],
    )
}
