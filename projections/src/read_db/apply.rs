//! Changes as SQL.

use rusqlite::{Transaction, params};
use whence_events::{AttributionCaptured, Pii, ReferralCode, Sealed, Timestamp, UserId};

use crate::{Change, Onboarding};

/// Applies one change.
#[expect(clippy::too_many_lines, reason = "one statement for each kind of change")]
pub(super) fn change(transaction: &Transaction<'_>, change: Change) -> rusqlite::Result<()> {
    let run = |sql, values: &[&dyn rusqlite::ToSql]| {
        transaction.prepare_cached(sql)?.execute(values).map(drop)
    };
    match change {
        Change::LoginOpened { request_id, email_key, expires_at } => run(
            "INSERT INTO login_requests (request_id, email_key, expires_at) VALUES (?1, ?2, ?3)",
            params![request_id.0, email_key.0, expires_at.as_micros()],
        ),
        Change::LoginClosed { request_id } => {
            run("DELETE FROM login_requests WHERE request_id = ?1", params![request_id.0])
        }
        Change::LoginsForgotten { before } => {
            run("DELETE FROM login_requests WHERE expires_at < ?1", params![before.as_micros()])
        }
        Change::UserAdded { user_id, email, display_name, provider, at } => run(
            "INSERT INTO users (user_id, email, display_name, display_name_version, provider,
               created_at, updated_at) VALUES (?1, ?2, ?3, 0, ?4, ?5, ?5)",
            params![
                user_id.0,
                bytes(email.as_ref()).unwrap_or_default(),
                bytes(display_name.as_ref()),
                provider.as_str(),
                at.as_micros()
            ],
        ),
        Change::UserShownAs { user_id, display_name, display_name_version, avatar_url, at } => run(
            "UPDATE users SET display_name = ?2, display_name_version = ?3, avatar_url = ?4,
               updated_at = ?5 WHERE user_id = ?1",
            params![
                user_id.0,
                bytes(display_name.as_ref()),
                display_name_version,
                avatar_url,
                at.as_micros()
            ],
        ),
        Change::UserBilledAs { user_id, billing_customer_id, at } => run(
            "UPDATE users SET billing_customer_id = ?2, updated_at = ?3 WHERE user_id = ?1",
            params![user_id.0, billing_customer_id, at.as_micros()],
        ),
        Change::UserRemoved { user_id } => {
            run("DELETE FROM sessions WHERE user_id = ?1", params![user_id.0])?;
            run("DELETE FROM users WHERE user_id = ?1", params![user_id.0])
        }
        Change::SessionAdded {
            session_id,
            user_id,
            token_hash,
            kind,
            opened_at,
            expires_at,
            absolute_expires_at,
            device,
            device_version,
            device_class,
            country,
        } => run(
            "INSERT INTO sessions (session_id, user_id, token_hash, kind, opened_at, expires_at,
               absolute_expires_at, device, device_version, device_class, country)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                session_id.0,
                user_id.0,
                token_hash.0,
                kind.as_str(),
                opened_at.as_micros(),
                expires_at.as_micros(),
                absolute_expires_at.as_micros(),
                bytes(device.as_ref()).unwrap_or_default(),
                device_version,
                device_class.map(whence_events::DeviceClass::as_str),
                country.as_ref().map(whence_events::Country::as_str)
            ],
        ),
        Change::SessionExtended { session_id, expires_at } => run(
            "UPDATE sessions SET expires_at = ?2 WHERE session_id = ?1",
            params![session_id.0, expires_at.as_micros()],
        ),
        Change::SessionRemoved { session_id } => {
            run("DELETE FROM sessions WHERE session_id = ?1", params![session_id.0])
        }
        Change::SessionsForgotten { before } => {
            run("DELETE FROM sessions WHERE expires_at < ?1", params![before.as_micros()])
        }
        Change::OriginAdded { user_id, origin, at } => {
            origin_added(transaction, user_id, &origin, at)
        }
        Change::Referred { user_id, referrer_id, code, at } => run(
            "UPDATE attributions SET referrer_id = ?2, referral_code = ?3, attributed_at = ?4
             WHERE user_id = ?1",
            params![user_id.0, referrer_id.0, code.as_str(), at.as_micros()],
        ),
        Change::OriginRemoved { user_id } => run(
            "UPDATE attributions SET first_referrer_url = NULL, first_landing_page = NULL,
               utm_source = NULL, utm_medium = NULL, utm_campaign = NULL, utm_term = NULL,
               utm_content = NULL, creator_id = NULL, registration_device = NULL,
               registration_country = NULL WHERE user_id = ?1",
            params![user_id.0],
        ),
        Change::CodeAdded { code, kind, owner, at } => run(
            "INSERT INTO referral_codes (folded, code, kind, owner, issued_at)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (folded) DO UPDATE
               SET code = excluded.code, issued_at = excluded.issued_at, disabled_at = NULL",
            params![code.folded().as_str(), code.as_str(), kind.as_str(), owner.0, at.as_micros()],
        ),
        Change::CodeDisabled { code, at } => run(
            "UPDATE referral_codes SET disabled_at = ?2 WHERE folded = ?1 AND disabled_at IS NULL",
            params![code.folded().as_str(), at.as_micros()],
        ),
        Change::Clicked { owner } => run(
            "INSERT INTO clicks (owner, count) VALUES (?1, 1)
             ON CONFLICT (owner) DO UPDATE SET count = count + 1",
            params![owner.0],
        ),
        Change::VisitorReturned { first_touch_id, touch_id } => run(
            "INSERT OR IGNORE INTO visitor_touches (first_touch_id, touch_id) VALUES (?1, ?2)",
            params![first_touch_id.0, touch_id.0],
        ),
        Change::CodeAskedFor { email_key, at } => run(
            "INSERT INTO mailboxes (email_key, asked_at, owned) VALUES (?1, ?2, 0)
             ON CONFLICT (email_key) DO UPDATE SET asked_at = excluded.asked_at",
            params![email_key.0, at.as_micros()],
        ),
        Change::MailboxOwned { email_key } => {
            run("UPDATE mailboxes SET owned = 1 WHERE email_key = ?1", params![email_key.0])
        }
        Change::MailboxGone { email_key } => {
            run("DELETE FROM mailboxes WHERE email_key = ?1", params![email_key.0])
        }
        Change::OnboardingDue { user_id, at } => run(
            "INSERT INTO onboardings (user_id, since, steps, welcome_failed, tried_at)
             VALUES (?1, ?2, 0, 0, ?2)",
            params![user_id.0, at.as_micros()],
        ),
        Change::OnboardingStep { user_id, step } => {
            run(
                "UPDATE onboardings SET steps = steps | ?2 WHERE user_id = ?1",
                params![user_id.0, step],
            )?;
            run(
                "DELETE FROM onboardings WHERE user_id = ?1 AND steps = ?2",
                params![user_id.0, Onboarding::ALL],
            )
        }
        Change::WelcomeFailed { user_id, attempt, at } => run(
            "UPDATE onboardings SET welcome_failed = ?2, tried_at = ?3 WHERE user_id = ?1",
            params![user_id.0, attempt, at.as_micros()],
        ),
        Change::OnboardingOver { user_id } => {
            run("DELETE FROM onboardings WHERE user_id = ?1", params![user_id.0])
        }
        Change::ReferralUndecided { user_id, code, touched_at, touch_id, via, at } => run(
            "INSERT OR REPLACE INTO undecided_referrals
               (user_id, code, touched_at, touch_id, via, refused_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                user_id.0,
                code.as_str(),
                touched_at.map(Timestamp::as_micros),
                touch_id.map(|id| id.0),
                via.as_str(),
                at.as_micros()
            ],
        ),
        Change::ReferralDecided { user_id, code } => run(
            "DELETE FROM undecided_referrals WHERE user_id = ?1 AND code = coalesce(?2, code)",
            params![user_id.0, code.as_ref().map(ReferralCode::as_str)],
        ),
    }
}

fn origin_added(
    transaction: &Transaction<'_>,
    user_id: UserId,
    origin: &AttributionCaptured,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO attributions (user_id, first_referrer_url, first_landing_page, utm_source,
                 utm_medium, utm_campaign, utm_term, utm_content, creator_id, registration_device,
                 registration_country, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let referrer = match &origin.first_referrer_url {
        Some(Pii::Sealed(sealed)) => Some(sealed),
        Some(Pii::Clear(_) | Pii::Erased) | None => None,
    };
    let row = params![
        user_id.0,
        bytes(referrer),
        origin.first_landing_page,
        origin.utm_source,
        origin.utm_medium,
        origin.utm_campaign,
        origin.utm_term,
        origin.utm_content,
        origin.acquired_via_creator_id.map(|id| id.0),
        origin.registration_device.map(whence_events::DeviceClass::as_str),
        origin.registration_country.as_ref().map(whence_events::Country::as_str),
        at.as_micros()
    ];
    transaction.prepare_cached(sql)?.execute(row).map(drop)
}

fn bytes(sealed: Option<&Sealed>) -> Option<&[u8]> {
    sealed.map(|sealed| &*sealed.0)
}
