//! Changes to work that is due.

use rusqlite::{ToSql, Transaction, params};
use whence_events::{ReferralCode, Timestamp};

use super::run;
use crate::change::{OnboardingStep, PendingChange};

pub(super) fn apply(transaction: &Transaction<'_>, change: PendingChange) -> rusqlite::Result<()> {
    let run = |sql, values: &[&dyn ToSql]| run(transaction, sql, values);
    match change {
        PendingChange::CodeAskedFor { email_key, at } => run(
            "INSERT INTO mailboxes (email_key, asked_at, owned) VALUES (?1, ?2, 0)
             ON CONFLICT (email_key) DO UPDATE SET asked_at = excluded.asked_at",
            params![email_key.0, at.as_micros()],
        ),
        PendingChange::MailboxOwned { email_key } => {
            run("UPDATE mailboxes SET owned = 1 WHERE email_key = ?1", params![email_key.0])
        }
        PendingChange::MailboxGone { email_key } => {
            run("DELETE FROM mailboxes WHERE email_key = ?1", params![email_key.0])
        }
        PendingChange::AddressDue { email_key, user_id, due_at } => run(
            "INSERT OR REPLACE INTO address_moves (email_key, user_id, due_at) VALUES (?1, ?2, ?3)",
            params![email_key.0, user_id.0, due_at.as_micros()],
        ),
        PendingChange::AddressSettled { email_key } => {
            run("DELETE FROM address_moves WHERE email_key = ?1", params![email_key.0])
        }
        PendingChange::OnboardingDue { user_id, at } => run(
            "INSERT INTO onboardings (user_id, since, steps, welcome_failed, tried_at)
             VALUES (?1, ?2, 0, 0, ?2)",
            params![user_id.0, at.as_micros()],
        ),
        PendingChange::OnboardingStep { user_id, step } => {
            run(
                "UPDATE onboardings SET steps = steps | ?2 WHERE user_id = ?1",
                params![user_id.0, step.bit()],
            )?;
            run(
                "DELETE FROM onboardings WHERE user_id = ?1 AND steps = ?2",
                params![user_id.0, OnboardingStep::ALL],
            )
        }
        PendingChange::WelcomeFailed { user_id, attempt, at } => run(
            "UPDATE onboardings SET welcome_failed = ?2, tried_at = ?3 WHERE user_id = ?1",
            params![user_id.0, attempt, at.as_micros()],
        ),
        PendingChange::OnboardingOver { user_id } => {
            run("DELETE FROM onboardings WHERE user_id = ?1", params![user_id.0])
        }
        PendingChange::ReferralUndecided { user_id, code, touched_at, touch_id, via, at } => run(
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
        PendingChange::ReferralDecided { user_id, code } => run(
            "DELETE FROM undecided_referrals WHERE user_id = ?1 AND code = coalesce(?2, code)",
            params![user_id.0, code.as_ref().map(ReferralCode::as_str)],
        ),
        PendingChange::ErasureDue { user_id, due_at } => run(
            "INSERT OR REPLACE INTO erasures (user_id, due_at) VALUES (?1, ?2)",
            params![user_id.0, due_at.as_micros()],
        ),
        PendingChange::ErasureOver { user_id } => {
            run("DELETE FROM erasures WHERE user_id = ?1", params![user_id.0])
        }
    }
}
