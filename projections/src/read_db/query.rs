//! Questions to the tables, each answered by an index.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use uuid::Uuid;
use whence_events::{
    CodeKind, Country, DeviceClass, EmailKey, Hash, Pii, Provider, RequestId, Sealed, SessionId,
    Timestamp, TouchId, UserId, Via,
};

use crate::{
    Invitee, Onboarding, ReferralOverview, SessionView, Snapshot, UndecidedReferral, UserView,
};

pub(super) fn login(
    connection: &Connection,
    request_id: RequestId,
) -> rusqlite::Result<Option<EmailKey>> {
    let sql = "SELECT email_key FROM login_requests WHERE request_id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row([request_id.0], |row| row.get(0).map(EmailKey)).optional()
}

pub(super) fn session(
    connection: &Connection,
    session_id: SessionId,
) -> rusqlite::Result<Option<SessionView>> {
    let sql = "SELECT u.user_id, u.email, u.display_name, u.display_name_version, u.avatar_url,
                      u.billing_customer_id, u.provider, u.created_at, u.updated_at,
                      s.token_hash, s.opened_at, s.expires_at, s.absolute_expires_at
               FROM sessions s JOIN users u ON u.user_id = s.user_id WHERE s.session_id = ?1";
    let view = |row: &Row<'_>| {
        Ok(SessionView {
            session_id,
            token_hash: Hash(row.get(9)?),
            opened_at: time(row, 10)?,
            expires_at: time(row, 11)?,
            absolute_expires_at: time(row, 12)?,
            user: user_view(row)?,
        })
    };
    connection.prepare_cached(sql)?.query_row([session_id.0], view).optional()
}

pub(super) fn sessions_of(
    connection: &Connection,
    user_id: UserId,
) -> rusqlite::Result<Vec<SessionId>> {
    let sql = "SELECT session_id FROM sessions WHERE user_id = ?1 ORDER BY session_id";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([user_id.0], |row| row.get(0).map(SessionId))?.collect()
}

pub(super) fn user(connection: &Connection, user_id: UserId) -> rusqlite::Result<Option<UserView>> {
    let sql = "SELECT user_id, email, display_name, display_name_version, avatar_url,
                      billing_customer_id, provider, created_at, updated_at
               FROM users WHERE user_id = ?1";
    connection.prepare_cached(sql)?.query_row([user_id.0], user_view).optional()
}

pub(super) fn snapshot(
    connection: &Connection,
    user_id: UserId,
) -> rusqlite::Result<Option<Snapshot>> {
    let sql = "SELECT referrer_id, referral_code, first_referrer_url, first_landing_page,
                      creator_id, utm_source, utm_medium, utm_campaign, utm_term, utm_content,
                      registration_device, registration_country, created_at,
                      EXISTS (SELECT 1 FROM undecided_referrals u WHERE u.user_id = ?1)
               FROM attributions WHERE user_id = ?1";
    let view = |row: &Row<'_>| {
        Ok(Snapshot {
            referred_by: row.get::<_, Option<Uuid>>(0)?.map(UserId),
            referral_code: row.get(1)?,
            first_referrer_url: sealed(row, 2)?,
            first_landing_page: row.get(3)?,
            acquired_via_creator_id: row.get::<_, Option<Uuid>>(4)?.map(UserId),
            utm_source: row.get(5)?,
            utm_medium: row.get(6)?,
            utm_campaign: row.get(7)?,
            utm_term: row.get(8)?,
            utm_content: row.get(9)?,
            registration_device: word(row, 10, DeviceClass::parse)?,
            registration_country: word(row, 11, Country::parse)?,
            created_at: time(row, 12)?,
            undecided: row.get(13)?,
        })
    };
    connection.prepare_cached(sql)?.query_row([user_id.0], view).optional()
}

pub(super) fn referral_overview(
    connection: &Connection,
    user_id: UserId,
) -> rusqlite::Result<ReferralOverview> {
    let sql = "SELECT
                 (SELECT code FROM referral_codes WHERE owner = ?1 AND kind = ?2
                    AND disabled_at IS NULL ORDER BY issued_at DESC, folded LIMIT 1),
                 (SELECT code FROM referral_codes WHERE owner = ?1 AND kind = ?3
                    AND disabled_at IS NULL ORDER BY issued_at DESC, folded LIMIT 1),
                 (SELECT count(*) FROM attributions WHERE referrer_id = ?1),
                 coalesce((SELECT count FROM clicks WHERE owner = ?1), 0),
                 (SELECT referrer_id FROM attributions WHERE user_id = ?1),
                 (SELECT attributed_at FROM attributions WHERE user_id = ?1)";
    let kinds = (CodeKind::Primary.as_str(), CodeKind::Custom.as_str());
    connection.prepare_cached(sql)?.query_row(params![user_id.0, kinds.0, kinds.1], |row| {
        Ok(ReferralOverview {
            primary_code: row.get(0)?,
            custom_slug: row.get(1)?,
            invitees: row.get(2)?,
            clicks: row.get(3)?,
            inviter: row.get::<_, Option<Uuid>>(4)?.map(UserId),
            attributed_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_micros),
        })
    })
}

pub(super) fn invitees(
    connection: &Connection,
    user_id: UserId,
    limit: u64,
    offset: u64,
) -> rusqlite::Result<Vec<Invitee>> {
    let sql = "SELECT a.user_id, u.display_name, u.display_name_version, a.created_at
               FROM attributions a LEFT JOIN users u ON u.user_id = a.user_id
               WHERE a.referrer_id = ?1 ORDER BY a.attributed_at DESC, a.user_id
               LIMIT ?2 OFFSET ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![user_id.0, limit, offset], |row| {
        let name = sealed(row, 1)?;
        let version = row.get::<_, Option<u64>>(2)?.unwrap_or(0);
        Ok(Invitee {
            user_id: UserId(row.get(0)?),
            display_name: name.map(|name| (name, version)),
            signed_at: time(row, 3)?,
        })
    })?;
    rows.collect()
}

pub(super) fn credited_since(
    connection: &Connection,
    user_id: UserId,
    since: Timestamp,
) -> rusqlite::Result<u32> {
    let sql = "SELECT count(*) FROM attributions WHERE referrer_id = ?1 AND attributed_at >= ?2";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row(params![user_id.0, since.as_micros()], |row| row.get(0))
}

pub(super) fn onboardings(
    connection: &Connection,
    limit: u64,
) -> rusqlite::Result<Vec<Onboarding>> {
    let sql = "SELECT user_id, since, welcome_failed, tried_at FROM onboardings
               ORDER BY tried_at, user_id LIMIT ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([limit], |row| {
        Ok(Onboarding {
            user_id: UserId(row.get(0)?),
            since: time(row, 1)?,
            welcome_failed: row.get(2)?,
            tried_at: time(row, 3)?,
        })
    })?;
    rows.collect()
}

pub(super) fn undecided_referrals(
    connection: &Connection,
    limit: u64,
) -> rusqlite::Result<Vec<UndecidedReferral>> {
    let sql = "SELECT user_id, code, touched_at, touch_id, via, refused_at
               FROM undecided_referrals ORDER BY refused_at, user_id, code LIMIT ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([limit], |row| {
        Ok(UndecidedReferral {
            user_id: UserId(row.get(0)?),
            code: known(row.get_ref(1)?.as_str()?.parse().ok(), 1)?,
            touched_at: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_micros),
            touch_id: row.get::<_, Option<Uuid>>(3)?.map(TouchId),
            via: known(Via::parse(row.get_ref(4)?.as_str()?), 4)?,
            refused_at: time(row, 5)?,
        })
    })?;
    rows.collect()
}

pub(super) fn unverified_mailboxes(
    connection: &Connection,
    before: Timestamp,
    limit: u64,
) -> rusqlite::Result<Vec<EmailKey>> {
    let sql = "SELECT email_key FROM mailboxes WHERE owned = 0 AND asked_at <= ?1
               ORDER BY asked_at, email_key LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let row = params![before.as_micros(), limit];
    statement.query_map(row, |row| row.get(0).map(EmailKey))?.collect()
}

pub(super) fn credited_by(
    connection: &Connection,
    referrer: UserId,
    code: &str,
    limit: u64,
) -> rusqlite::Result<Vec<(UserId, Timestamp)>> {
    let sql = "SELECT user_id, attributed_at FROM attributions
               WHERE referrer_id = ?1 AND referral_code = ?2
               ORDER BY attributed_at DESC, user_id LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = params![referrer.0, code, limit];
    statement.query_map(rows, |row| Ok((UserId(row.get(0)?), time(row, 1)?)))?.collect()
}

pub(super) fn later_touches(
    connection: &Connection,
    first: TouchId,
) -> rusqlite::Result<Vec<TouchId>> {
    let sql = "SELECT touch_id FROM visitor_touches WHERE first_touch_id = ?1 ORDER BY touch_id";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([first.0], |row| row.get(0).map(TouchId))?.collect()
}

fn user_view(row: &Row<'_>) -> rusqlite::Result<UserView> {
    Ok(UserView {
        user_id: UserId(row.get(0)?),
        email: known(sealed(row, 1)?, 1)?,
        display_name: sealed(row, 2)?,
        display_name_version: row.get(3)?,
        avatar_url: row.get(4)?,
        billing_customer_id: row.get(5)?,
        provider: known(Provider::parse(row.get_ref(6)?.as_str()?), 6)?,
        created_at: time(row, 7)?,
        updated_at: time(row, 8)?,
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_micros)
}

fn sealed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Pii<T>>> {
    let bytes = row.get_ref(column)?.as_blob_or_null()?;
    Ok(bytes.map(|bytes| Pii::Sealed(Sealed(bytes.into()))))
}

fn word<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    Ok(row.get_ref(column)?.as_str_or_null()?.and_then(parse))
}

/// A value that this version wrote is one that it knows.
fn known<T>(value: Option<T>, column: usize) -> rusqlite::Result<T> {
    value.ok_or_else(|| {
        rusqlite::Error::InvalidColumnType(column, "word".into(), rusqlite::types::Type::Text)
    })
}
