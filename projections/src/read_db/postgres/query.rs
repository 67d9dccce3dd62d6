//! Questions to the tables, each answered by an index.

use deadpool_postgres::Object;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use whence_events::{
    CodeKind, Country, DeviceClass, EmailKey, Hash, Pii, Provider, RequestId, Sealed, SessionId,
    Timestamp, TouchId, UserId, Via,
};

use super::{ANSWER, PostgresReadDb, QueryError};
use crate::{
    Invitee, Onboarding, ReferralOverview, SessionView, Snapshot, UndecidedReferral, UserView,
};

/// The values of a statement's parameters.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

impl PostgresReadDb {
    pub(in crate::read_db) async fn login(
        &self,
        request_id: RequestId,
    ) -> Result<Option<EmailKey>, QueryError> {
        let sql = "SELECT email_key FROM read.login_requests WHERE request_id = $1";
        self.first(sql, &[&request_id.0], |row| bytes(row, 0).map(EmailKey)).await
    }

    pub(in crate::read_db) async fn session(
        &self,
        session_id: SessionId,
    ) -> Result<Option<SessionView>, QueryError> {
        let sql = "SELECT u.user_id, u.email, u.display_name, u.display_name_version, u.avatar_url,
                          u.billing_customer_id, u.provider, u.created_at, u.updated_at,
                          s.token_hash, s.opened_at, s.expires_at, s.absolute_expires_at
                   FROM read.sessions s JOIN read.users u ON u.user_id = s.user_id
                   WHERE s.session_id = $1";
        let view = |row: &Row| {
            Ok(SessionView {
                session_id,
                token_hash: Hash(bytes(row, 9)?),
                opened_at: time(row, 10)?,
                expires_at: time(row, 11)?,
                absolute_expires_at: time(row, 12)?,
                user: user_view(row)?,
            })
        };
        self.first(sql, &[&session_id.0], view).await
    }

    pub(in crate::read_db) async fn sessions_of(
        &self,
        user_id: UserId,
    ) -> Result<Vec<SessionId>, QueryError> {
        let sql = "SELECT session_id FROM read.sessions WHERE user_id = $1 ORDER BY session_id";
        self.all(sql, &[&user_id.0], |row| Ok(SessionId(row.try_get(0)?))).await
    }

    pub(in crate::read_db) async fn user(
        &self,
        user_id: UserId,
    ) -> Result<Option<UserView>, QueryError> {
        let sql = "SELECT user_id, email, display_name, display_name_version, avatar_url,
                          billing_customer_id, provider, created_at, updated_at
                   FROM read.users WHERE user_id = $1";
        self.first(sql, &[&user_id.0], user_view).await
    }

    pub(in crate::read_db) async fn snapshot(
        &self,
        user_id: UserId,
    ) -> Result<Option<Snapshot>, QueryError> {
        let sql = "SELECT referrer_id, referral_code, first_referrer_url, first_landing_page,
                          creator_id, utm_source, utm_medium, utm_campaign, utm_term, utm_content,
                          registration_device, registration_country, created_at,
                          EXISTS (SELECT 1 FROM read.undecided_referrals u WHERE u.user_id = $1)
                   FROM read.attributions WHERE user_id = $1";
        let view = |row: &Row| {
            Ok(Snapshot {
                referred_by: row.try_get::<_, Option<_>>(0)?.map(UserId),
                referral_code: row.try_get(1)?,
                first_referrer_url: sealed(row, 2)?,
                first_landing_page: row.try_get(3)?,
                acquired_via_creator_id: row.try_get::<_, Option<_>>(4)?.map(UserId),
                utm_source: row.try_get(5)?,
                utm_medium: row.try_get(6)?,
                utm_campaign: row.try_get(7)?,
                utm_term: row.try_get(8)?,
                utm_content: row.try_get(9)?,
                registration_device: word(row, 10)?.and_then(DeviceClass::parse),
                registration_country: word(row, 11)?.and_then(Country::parse),
                created_at: time(row, 12)?,
                undecided: row.try_get(13)?,
            })
        };
        self.first(sql, &[&user_id.0], view).await
    }

    pub(in crate::read_db) async fn referral_overview(
        &self,
        user_id: UserId,
    ) -> Result<ReferralOverview, QueryError> {
        let sql = "SELECT
            (SELECT code FROM read.referral_codes WHERE owner = $1 AND kind = $2
               AND disabled_at IS NULL ORDER BY issued_at DESC, folded LIMIT 1),
            (SELECT code FROM read.referral_codes WHERE owner = $1 AND kind = $3
               AND disabled_at IS NULL ORDER BY issued_at DESC, folded LIMIT 1),
            (SELECT count(*) FROM read.attributions WHERE referrer_id = $1),
            coalesce((SELECT count FROM read.clicks WHERE owner = $1), 0),
            (SELECT referrer_id FROM read.attributions WHERE user_id = $1),
            (SELECT attributed_at FROM read.attributions WHERE user_id = $1)";
        let kinds = (CodeKind::Primary.as_str(), CodeKind::Custom.as_str());
        let view = |row: &Row| {
            Ok(ReferralOverview {
                primary_code: row.try_get(0)?,
                custom_slug: row.try_get(1)?,
                invitees: whole(row, 2)?,
                clicks: whole(row, 3)?,
                inviter: row.try_get::<_, Option<_>>(4)?.map(UserId),
                attributed_at: time_or_null(row, 5)?,
            })
        };
        let found = self.first(sql, &[&user_id.0, &kinds.0, &kinds.1], view).await?;
        Ok(found.unwrap_or_default())
    }

    pub(in crate::read_db) async fn invitees(
        &self,
        user_id: UserId,
        limit: u64,
        offset: u64,
    ) -> Result<Vec<Invitee>, QueryError> {
        let sql = "SELECT a.user_id, u.display_name, u.display_name_version, a.created_at
                   FROM read.attributions a LEFT JOIN read.users u ON u.user_id = a.user_id
                   WHERE a.referrer_id = $1 ORDER BY a.attributed_at DESC, a.user_id
                   LIMIT $2 OFFSET $3";
        let view = |row: &Row| {
            let name = sealed(row, 1)?;
            let version = row.try_get::<_, Option<i64>>(2)?.unwrap_or(0);
            let version = u64::try_from(version).map_err(|_| QueryError::Value)?;
            Ok(Invitee {
                user_id: UserId(row.try_get(0)?),
                display_name: name.map(|name| (name, version)),
                signed_at: time(row, 3)?,
            })
        };
        self.all(sql, &[&user_id.0, &count(limit), &count(offset)], view).await
    }

    pub(in crate::read_db) async fn credited_since(
        &self,
        user_id: UserId,
        since: Timestamp,
    ) -> Result<u32, QueryError> {
        let sql = "SELECT count(*) FROM read.attributions
                   WHERE referrer_id = $1 AND attributed_at >= $2";
        let found = self.first(sql, &[&user_id.0, &since.as_micros()], |row| whole(row, 0)).await?;
        Ok(found.unwrap_or(0))
    }

    pub(in crate::read_db) async fn onboardings(
        &self,
        limit: u64,
    ) -> Result<Vec<Onboarding>, QueryError> {
        let sql = "SELECT user_id, since, welcome_failed, tried_at FROM read.onboardings
                   ORDER BY tried_at, user_id LIMIT $1";
        let view = |row: &Row| {
            Ok(Onboarding {
                user_id: UserId(row.try_get(0)?),
                since: time(row, 1)?,
                welcome_failed: whole(row, 2)?,
                tried_at: time(row, 3)?,
            })
        };
        self.all(sql, &[&count(limit)], view).await
    }

    pub(in crate::read_db) async fn undecided_referrals(
        &self,
        limit: u64,
    ) -> Result<Vec<UndecidedReferral>, QueryError> {
        let sql = "SELECT user_id, code, touched_at, touch_id, via, refused_at
                   FROM read.undecided_referrals ORDER BY refused_at, user_id, code LIMIT $1";
        let view = |row: &Row| {
            Ok(UndecidedReferral {
                user_id: UserId(row.try_get(0)?),
                code: known(row.try_get::<_, &str>(1)?.parse().ok())?,
                touched_at: time_or_null(row, 2)?,
                touch_id: row.try_get::<_, Option<Uuid>>(3)?.map(TouchId),
                via: known(Via::parse(row.try_get(4)?))?,
                refused_at: time(row, 5)?,
            })
        };
        self.all(sql, &[&count(limit)], view).await
    }

    pub(in crate::read_db) async fn unverified_mailboxes(
        &self,
        before: Timestamp,
        limit: u64,
    ) -> Result<Vec<EmailKey>, QueryError> {
        let sql = "SELECT email_key FROM read.mailboxes WHERE owned = 0 AND asked_at <= $1
                   ORDER BY asked_at, email_key LIMIT $2";
        let view = |row: &Row| Ok(EmailKey(bytes(row, 0)?));
        self.all(sql, &[&before.as_micros(), &count(limit)], view).await
    }

    pub(in crate::read_db) async fn credited_by(
        &self,
        referrer: UserId,
        code: &str,
        limit: u64,
    ) -> Result<Vec<(UserId, Timestamp)>, QueryError> {
        let sql = "SELECT user_id, attributed_at FROM read.attributions
                   WHERE referrer_id = $1 AND referral_code = $2
                   ORDER BY attributed_at DESC, user_id LIMIT $3";
        let view = |row: &Row| Ok((UserId(row.try_get(0)?), time(row, 1)?));
        self.all(sql, &[&referrer.0, &code, &count(limit)], view).await
    }

    pub(in crate::read_db) async fn later_touches(
        &self,
        first: TouchId,
    ) -> Result<Vec<TouchId>, QueryError> {
        let sql = "SELECT touch_id FROM read.visitor_touches WHERE first_touch_id = $1
                   ORDER BY touch_id";
        self.all(sql, &[&first.0], |row| Ok(TouchId(row.try_get(0)?))).await
    }

    async fn first<T>(
        &self,
        sql: &str,
        values: Values<'_>,
        view: impl Fn(&Row) -> Result<T, QueryError>,
    ) -> Result<Option<T>, QueryError> {
        self.rows(sql, values).await?.first().map(view).transpose()
    }

    async fn all<T>(
        &self,
        sql: &str,
        values: Values<'_>,
        view: impl Fn(&Row) -> Result<T, QueryError>,
    ) -> Result<Vec<T>, QueryError> {
        self.rows(sql, values).await?.iter().map(view).collect()
    }

    pub(super) async fn rows(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, QueryError> {
        let client = self.pool.get().await?;
        let answer = timeout(ANSWER, async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, values).await
        });
        if let Ok(rows) = answer.await {
            return Ok(rows?);
        }
        // It may never answer again: nobody else gets this connection.
        drop(Object::take(client));
        Err(QueryError::TimedOut)
    }
}

fn user_view(row: &Row) -> Result<UserView, QueryError> {
    Ok(UserView {
        user_id: UserId(row.try_get(0)?),
        email: known(sealed(row, 1)?)?,
        display_name: sealed(row, 2)?,
        display_name_version: whole(row, 3)?,
        avatar_url: row.try_get(4)?,
        billing_customer_id: row.try_get(5)?,
        provider: known(Provider::parse(row.try_get(6)?))?,
        created_at: time(row, 7)?,
        updated_at: time(row, 8)?,
    })
}

fn time(row: &Row, column: usize) -> Result<Timestamp, QueryError> {
    Ok(Timestamp::from_micros(row.try_get(column)?))
}

fn time_or_null(row: &Row, column: usize) -> Result<Option<Timestamp>, QueryError> {
    Ok(row.try_get::<_, Option<_>>(column)?.map(Timestamp::from_micros))
}

fn whole<T: TryFrom<i64>>(row: &Row, column: usize) -> Result<T, QueryError> {
    known(T::try_from(row.try_get(column)?).ok())
}

fn bytes<const N: usize>(row: &Row, column: usize) -> Result<[u8; N], QueryError> {
    known(row.try_get::<_, &[u8]>(column)?.try_into().ok())
}

fn sealed<T>(row: &Row, column: usize) -> Result<Option<Pii<T>>, QueryError> {
    let bytes = row.try_get::<_, Option<&[u8]>>(column)?;
    Ok(bytes.map(|bytes| Pii::Sealed(Sealed(bytes.into()))))
}

fn word(row: &Row, column: usize) -> Result<Option<&str>, QueryError> {
    Ok(row.try_get(column)?)
}

/// A value that this version wrote is one that it knows.
fn known<T>(value: Option<T>) -> Result<T, QueryError> {
    value.ok_or(QueryError::Value)
}

/// More rows than Postgres can count are all.
fn count(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
