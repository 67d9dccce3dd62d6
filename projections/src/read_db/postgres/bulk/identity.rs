//! Changes to login requests, users and sessions, many at a time.

use whence_events::{Country, DeviceClass};

use super::{BulkStatement, OnRepeat, Part, RowKey, bytes, columns, text};
use crate::change::IdentityChange;
use crate::read_db::sql::Sql;

/// Returns the statement that a change is part of.
pub(super) fn part(change: &IdentityChange) -> Part {
    let (statement, id) = match change {
        IdentityChange::LoginOpened { request_id, .. } => (&LOGIN_OPENED, request_id.0),
        IdentityChange::LoginClosed { request_id } => (&LOGIN_CLOSED, request_id.0),
        IdentityChange::LoginsForgotten { .. } => return Part::of_any_row(&LOGINS_FORGOTTEN),
        IdentityChange::UserAdded { user_id, .. } => (&USER_ADDED, user_id.0),
        IdentityChange::UserShownAs { user_id, .. } => (&USER_SHOWN_AS, user_id.0),
        IdentityChange::UserMovedTo { user_id, .. } => (&USER_MOVED_TO, user_id.0),
        IdentityChange::UserBilledAs { user_id, .. } => (&USER_BILLED_AS, user_id.0),
        IdentityChange::UserRemoved { user_id } => {
            let user = Part::of_row(&USER_REMOVED, RowKey::Id(user_id.0));
            return Part { before: Some(&SESSIONS_OF_REMOVED), ..user };
        }
        IdentityChange::SessionAdded { session } => (&SESSION_ADDED, session.session_id.0),
        IdentityChange::SessionExtended { session_id, .. } => (&SESSION_EXTENDED, session_id.0),
        IdentityChange::SessionRemoved { session_id } => (&SESSION_REMOVED, session_id.0),
        IdentityChange::SessionsForgotten { .. } => return Part::of_any_row(&SESSIONS_FORGOTTEN),
    };
    Part::of_row(statement, RowKey::Id(id))
}

static LOGIN_OPENED: BulkStatement = BulkStatement {
    table: "login_requests",
    on_repeat: OnRepeat::Never,
    sql: Sql::new(
        "INSERT INTO {login_requests} (request_id, email_key, expires_at)
        SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bigint[])",
    ),
    then: None,
    columns: columns!(Identity, IdentityChange::LoginOpened {
        request_id => request_id.0,
        email_key => &email_key.0[..],
        expires_at => expires_at.as_micros(),
    }),
};

static LOGIN_CLOSED: BulkStatement = BulkStatement {
    table: "login_requests",
    on_repeat: OnRepeat::Together,
    sql: Sql::new("DELETE FROM {login_requests} WHERE request_id = ANY ($1::uuid[])"),
    then: None,
    columns: columns!(Identity, IdentityChange::LoginClosed { request_id => request_id.0 }),
};

static LOGINS_FORGOTTEN: BulkStatement = BulkStatement {
    table: "login_requests",
    on_repeat: OnRepeat::Together,
    sql: Sql::new("DELETE FROM {login_requests} WHERE expires_at < ANY ($1::bigint[])"),
    then: None,
    columns: columns!(Identity, IdentityChange::LoginsForgotten { before => before.as_micros() }),
};

static USER_ADDED: BulkStatement = BulkStatement {
    table: "users",
    on_repeat: OnRepeat::Never,
    sql: Sql::new(
        "INSERT INTO {users} (user_id, email, email_version, display_name, profile_version,
          provider, created_at, updated_at)
        SELECT v.user_id, v.email, 0, v.display_name, 0, v.provider, v.at, v.at
        FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::text[], $5::bigint[])
          AS v (user_id, email, display_name, provider, at)",
    ),
    then: None,
    columns: columns!(Identity, IdentityChange::UserAdded {
        user_id => user_id.0,
        email => bytes(email.as_ref()).unwrap_or_default(),
        display_name => bytes(display_name.as_ref()),
        provider => provider.as_str(),
        at => at.as_micros(),
    }),
};

static USER_SHOWN_AS: BulkStatement = BulkStatement {
    table: "users",
    on_repeat: OnRepeat::LastWins,
    sql: Sql::new(
        "UPDATE {users} u SET display_name = v.display_name, avatar_url = v.avatar_url,
          profile_version = v.version, updated_at = v.at
        FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[])
          AS v (user_id, display_name, avatar_url, version, at)
        WHERE u.user_id = v.user_id",
    ),
    then: None,
    columns: columns!(Identity, IdentityChange::UserShownAs {
        user_id => user_id.0,
        display_name => bytes(display_name.as_ref()),
        avatar_url => bytes(avatar_url.as_ref()),
        version => version.cast_signed(),
        at => at.as_micros(),
    }),
};

static USER_MOVED_TO: BulkStatement = BulkStatement {
    table: "users",
    on_repeat: OnRepeat::LastWins,
    sql: Sql::new(
        "UPDATE {users} u SET email = v.email, email_version = v.version, updated_at = v.at
        FROM unnest($1::uuid[], $2::bytea[], $3::bigint[], $4::bigint[])
          AS v (user_id, email, version, at)
        WHERE u.user_id = v.user_id",
    ),
    then: None,
    columns: columns!(Identity, IdentityChange::UserMovedTo {
        user_id => user_id.0,
        email => bytes(email.as_ref()).unwrap_or_default(),
        version => version.cast_signed(),
        at => at.as_micros(),
    }),
};

static USER_BILLED_AS: BulkStatement = BulkStatement {
    table: "users",
    on_repeat: OnRepeat::LastWins,
    sql: Sql::new(
        "UPDATE {users} u SET billing_customer_id = v.customer, updated_at = v.at
        FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS v (user_id, customer, at)
        WHERE u.user_id = v.user_id",
    ),
    then: None,
    columns: columns!(Identity, IdentityChange::UserBilledAs {
        user_id => user_id.0,
        billing_customer_id => text(billing_customer_id),
        at => at.as_micros(),
    }),
};

static USER_REMOVED: BulkStatement = BulkStatement {
    table: "users",
    on_repeat: OnRepeat::Together,
    sql: Sql::new("DELETE FROM {users} WHERE user_id = ANY ($1::uuid[])"),
    then: None,
    columns: columns!(Identity, IdentityChange::UserRemoved { user_id => user_id.0 }),
};

static SESSIONS_OF_REMOVED: BulkStatement = BulkStatement {
    table: "sessions",
    on_repeat: OnRepeat::Together,
    sql: Sql::new("DELETE FROM {sessions} WHERE user_id = ANY ($1::uuid[])"),
    then: None,
    columns: columns!(Identity, IdentityChange::UserRemoved { user_id => user_id.0 }),
};

static SESSION_ADDED: BulkStatement = BulkStatement {
    table: "sessions",
    on_repeat: OnRepeat::Never,
    sql: Sql::new(
        "INSERT INTO {sessions} (session_id, user_id, token_hash, kind, opened_at, used_at,
          expires_at, absolute_expires_at, device, device_version, device_class, country)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[], $5::bigint[],
          $6::bigint[], $7::bigint[], $8::bigint[], $9::bytea[], $10::bigint[], $11::text[],
          $12::text[])",
    ),
    then: None,
    columns: columns!(Identity, IdentityChange::SessionAdded {
        session => session.session_id.0,
        session => session.user_id.0,
        session => &session.token_hash.0[..],
        session => session.kind.as_str(),
        session => session.opened_at.as_micros(),
        session => session.opened_at.as_micros(),
        session => session.expires_at.as_micros(),
        session => session.absolute_expires_at.as_micros(),
        session => bytes(session.device.as_ref()).unwrap_or_default(),
        session => session.device_version.cast_signed(),
        session => session.device_class.map(DeviceClass::as_str),
        session => session.country.as_ref().map(Country::as_str),
    }),
};

static SESSION_EXTENDED: BulkStatement = BulkStatement {
    table: "sessions",
    on_repeat: OnRepeat::LastWins,
    sql: Sql::new(
        "UPDATE {sessions} s SET expires_at = v.expires_at, used_at = v.at
        FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS v (session_id, expires_at, at)
        WHERE s.session_id = v.session_id",
    ),
    then: None,
    columns: columns!(Identity, IdentityChange::SessionExtended {
        session_id => session_id.0,
        expires_at => expires_at.as_micros(),
        at => at.as_micros(),
    }),
};

static SESSION_REMOVED: BulkStatement = BulkStatement {
    table: "sessions",
    on_repeat: OnRepeat::Together,
    sql: Sql::new("DELETE FROM {sessions} WHERE session_id = ANY ($1::uuid[])"),
    then: None,
    columns: columns!(Identity, IdentityChange::SessionRemoved { session_id => session_id.0 }),
};

static SESSIONS_FORGOTTEN: BulkStatement = BulkStatement {
    table: "sessions",
    on_repeat: OnRepeat::Together,
    sql: Sql::new("DELETE FROM {sessions} WHERE expires_at < ANY ($1::bigint[])"),
    then: None,
    columns: columns!(Identity, IdentityChange::SessionsForgotten { before => before.as_micros() }),
};
