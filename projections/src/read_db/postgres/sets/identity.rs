//! Who is who.

use whence_events::{Country, DeviceClass};

use super::{Repeats, Set, Table, bytes, columns, text, text_or_null};

pub(super) static LOGIN_OPENED: Set = Set {
    table: Table::LoginRequests,
    repeats: Repeats::Never,
    sql: &["INSERT INTO read.login_requests (request_id, email_key, expires_at)
        SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bigint[])"],
    columns: columns!(LoginOpened {
        request_id => request_id.0,
        email_key => &email_key.0[..],
        expires_at => expires_at.as_micros(),
    }),
};

pub(super) static LOGIN_CLOSED: Set = Set {
    table: Table::LoginRequests,
    repeats: Repeats::Together,
    sql: &["DELETE FROM read.login_requests WHERE request_id = ANY ($1::uuid[])"],
    columns: columns!(LoginClosed { request_id => request_id.0 }),
};

pub(super) static LOGINS_FORGOTTEN: Set = Set {
    table: Table::LoginRequests,
    repeats: Repeats::Together,
    sql: &["DELETE FROM read.login_requests WHERE expires_at < ANY ($1::bigint[])"],
    columns: columns!(LoginsForgotten { before => before.as_micros() }),
};

pub(super) static USER_ADDED: Set = Set {
    table: Table::Users,
    repeats: Repeats::Never,
    sql: &["INSERT INTO read.users (user_id, email, display_name, display_name_version, provider,
          created_at, updated_at)
        SELECT v.user_id, v.email, v.display_name, 0, v.provider, v.at, v.at
        FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::text[], $5::bigint[])
          AS v (user_id, email, display_name, provider, at)"],
    columns: columns!(UserAdded {
        user_id => user_id.0,
        email => bytes(email.as_ref()).unwrap_or_default(),
        display_name => bytes(display_name.as_ref()),
        provider => provider.as_str(),
        at => at.as_micros(),
    }),
};

pub(super) static USER_SHOWN_AS: Set = Set {
    table: Table::Users,
    repeats: Repeats::LastWins,
    sql: &["UPDATE read.users u SET display_name = v.display_name,
          display_name_version = v.version, avatar_url = v.avatar_url, updated_at = v.at
        FROM unnest($1::uuid[], $2::bytea[], $3::bigint[], $4::text[], $5::bigint[])
          AS v (user_id, display_name, version, avatar_url, at)
        WHERE u.user_id = v.user_id"],
    columns: columns!(UserShownAs {
        user_id => user_id.0,
        display_name => bytes(display_name.as_ref()),
        display_name_version => display_name_version.cast_signed(),
        avatar_url => text_or_null(avatar_url.as_ref()),
        at => at.as_micros(),
    }),
};

pub(super) static USER_BILLED_AS: Set = Set {
    table: Table::Users,
    repeats: Repeats::LastWins,
    sql: &["UPDATE read.users u SET billing_customer_id = v.customer, updated_at = v.at
        FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS v (user_id, customer, at)
        WHERE u.user_id = v.user_id"],
    columns: columns!(UserBilledAs {
        user_id => user_id.0,
        billing_customer_id => text(billing_customer_id),
        at => at.as_micros(),
    }),
};

pub(super) static USER_REMOVED: Set = Set {
    table: Table::Users,
    repeats: Repeats::Together,
    sql: &["DELETE FROM read.users WHERE user_id = ANY ($1::uuid[])"],
    columns: columns!(UserRemoved { user_id => user_id.0 }),
};

pub(crate) static SESSIONS_OF_REMOVED: Set = Set {
    table: Table::Sessions,
    repeats: Repeats::Together,
    sql: &["DELETE FROM read.sessions WHERE user_id = ANY ($1::uuid[])"],
    columns: columns!(UserRemoved { user_id => user_id.0 }),
};

pub(super) static SESSION_ADDED: Set = Set {
    table: Table::Sessions,
    repeats: Repeats::Never,
    sql: &["INSERT INTO read.sessions (session_id, user_id, token_hash, kind, opened_at,
          expires_at, absolute_expires_at, device, device_version, device_class, country)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[], $5::bigint[],
          $6::bigint[], $7::bigint[], $8::bytea[], $9::bigint[], $10::text[], $11::text[])"],
    columns: columns!(SessionAdded {
        session_id => session_id.0,
        user_id => user_id.0,
        token_hash => &token_hash.0[..],
        kind => kind.as_str(),
        opened_at => opened_at.as_micros(),
        expires_at => expires_at.as_micros(),
        absolute_expires_at => absolute_expires_at.as_micros(),
        device => bytes(device.as_ref()).unwrap_or_default(),
        device_version => device_version.cast_signed(),
        device_class => device_class.map(DeviceClass::as_str),
        country => country.as_ref().map(Country::as_str),
    }),
};

pub(super) static SESSION_EXTENDED: Set = Set {
    table: Table::Sessions,
    repeats: Repeats::LastWins,
    sql: &["UPDATE read.sessions s SET expires_at = v.expires_at
        FROM unnest($1::uuid[], $2::bigint[]) AS v (session_id, expires_at)
        WHERE s.session_id = v.session_id"],
    columns: columns!(SessionExtended {
        session_id => session_id.0,
        expires_at => expires_at.as_micros(),
    }),
};

pub(super) static SESSION_REMOVED: Set = Set {
    table: Table::Sessions,
    repeats: Repeats::Together,
    sql: &["DELETE FROM read.sessions WHERE session_id = ANY ($1::uuid[])"],
    columns: columns!(SessionRemoved { session_id => session_id.0 }),
};

pub(super) static SESSIONS_FORGOTTEN: Set = Set {
    table: Table::Sessions,
    repeats: Repeats::Together,
    sql: &["DELETE FROM read.sessions WHERE expires_at < ANY ($1::bigint[])"],
    columns: columns!(SessionsForgotten { before => before.as_micros() }),
};
