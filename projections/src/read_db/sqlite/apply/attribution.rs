//! Changes to attribution snapshots, referral codes, clicks and later touches.

use rusqlite::{ToSql, Transaction, params};
use whence_events::{AttributionCaptured, Country, DeviceClass, Pii, Timestamp, UserId};

use super::{bytes, run};
use crate::change::AttributionChange;

pub(super) fn apply(
    transaction: &Transaction<'_>,
    change: AttributionChange,
) -> rusqlite::Result<()> {
    let run = |sql, values: &[&dyn ToSql]| run(transaction, sql, values);
    match change {
        AttributionChange::SnapshotAdded { user_id, snapshot, at } => {
            snapshot_added(transaction, user_id, &snapshot, at)
        }
        AttributionChange::Referred { user_id, referrer_id, code, at } => run(
            "UPDATE attributions SET referrer_id = ?2, referral_code = ?3, attributed_at = ?4
             WHERE user_id = ?1",
            params![user_id.0, referrer_id.0, code.as_str(), at.as_micros()],
        ),
        AttributionChange::SnapshotRemoved { user_id } => run(
            "UPDATE attributions SET first_referrer_url = NULL, first_landing_page = NULL,
               utm_source = NULL, utm_medium = NULL, utm_campaign = NULL, utm_term = NULL,
               utm_content = NULL, creator_id = NULL, registration_device = NULL,
               registration_country = NULL WHERE user_id = ?1",
            params![user_id.0],
        ),
        AttributionChange::CodeAdded { code, kind, owner, at } => run(
            "INSERT INTO referral_codes (folded, code, kind, owner, issued_at)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (folded) DO UPDATE
               SET code = excluded.code, issued_at = excluded.issued_at, disabled_at = NULL",
            params![code.folded().as_str(), code.as_str(), kind.as_str(), owner.0, at.as_micros()],
        ),
        AttributionChange::CodeDisabled { code, at } => run(
            "UPDATE referral_codes SET disabled_at = ?2 WHERE folded = ?1 AND disabled_at IS NULL",
            params![code.folded().as_str(), at.as_micros()],
        ),
        AttributionChange::CodeBlocked { code, at } => run(
            "UPDATE referral_codes SET blocked_at = ?2 WHERE folded = ?1",
            params![code.folded().as_str(), at.map(Timestamp::as_micros)],
        ),
        AttributionChange::Clicked { owner } => run(
            "INSERT INTO clicks (owner, count) VALUES (?1, 1)
             ON CONFLICT (owner) DO UPDATE SET count = count + 1",
            params![owner.0],
        ),
        AttributionChange::VisitorReturned { first_touch_id, touch_id } => run(
            "INSERT OR IGNORE INTO visitor_touches (first_touch_id, touch_id) VALUES (?1, ?2)",
            params![first_touch_id.0, touch_id.0],
        ),
    }
}

fn snapshot_added(
    transaction: &Transaction<'_>,
    user_id: UserId,
    snapshot: &AttributionCaptured,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO attributions (user_id, first_referrer_url, first_landing_page, utm_source,
                 utm_medium, utm_campaign, utm_term, utm_content, creator_id, registration_device,
                 registration_country, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let referrer = match &snapshot.first_referrer_url {
        Some(Pii::Sealed(sealed)) => Some(sealed),
        Some(Pii::Clear(_) | Pii::Erased) | None => None,
    };
    let row = params![
        user_id.0,
        bytes(referrer),
        snapshot.first_landing_page,
        snapshot.utm_source,
        snapshot.utm_medium,
        snapshot.utm_campaign,
        snapshot.utm_term,
        snapshot.utm_content,
        snapshot.acquired_via_creator_id.map(|id| id.0),
        snapshot.registration_device.map(DeviceClass::as_str),
        snapshot.registration_country.as_ref().map(Country::as_str),
        at.as_micros()
    ];
    transaction.prepare_cached(sql)?.execute(row).map(drop)
}
