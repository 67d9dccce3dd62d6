//! Changes to work that is due, many at a time.

use whence_events::{ReferralCode, Timestamp};

use super::{BulkStatement, OnRepeat, Part, RowKey, columns};
use crate::change::{OnboardingStep, PendingChange};
use crate::read_db::sql::Sql;

/// Returns the statement that a change is part of.
pub(super) fn part(change: &PendingChange) -> Part {
    let (statement, id) = match change {
        PendingChange::CodeAskedFor { email_key, .. } => {
            return Part::of_row(&CODE_ASKED_FOR, email_key.into());
        }
        PendingChange::MailboxOwned { email_key } => {
            return Part::of_row(&MAILBOX_OWNED, email_key.into());
        }
        PendingChange::MailboxGone { email_key } => {
            return Part::of_row(&MAILBOX_GONE, email_key.into());
        }
        PendingChange::AddressDue { email_key, .. } => {
            return Part::of_row(&ADDRESS_DUE, email_key.into());
        }
        PendingChange::AddressSettled { email_key } => {
            return Part::of_row(&ADDRESS_SETTLED, email_key.into());
        }
        PendingChange::OnboardingDue { user_id, .. } => (&ONBOARDING_DUE, user_id.0),
        PendingChange::OnboardingStep { user_id, .. } => (&ONBOARDING_STEP, user_id.0),
        PendingChange::WelcomeFailed { user_id, .. } => (&WELCOME_FAILED, user_id.0),
        PendingChange::OnboardingOver { user_id } => (&ONBOARDING_OVER, user_id.0),
        // By the user, although there is a row for each code: a decision may end all of them.
        PendingChange::ReferralUndecided { user_id, .. } => (&REFERRAL_UNDECIDED, user_id.0),
        PendingChange::ReferralDecided { user_id, .. } => (&REFERRAL_DECIDED, user_id.0),
        PendingChange::ErasureDue { user_id, .. } => (&ERASURE_DUE, user_id.0),
        PendingChange::ErasureOver { user_id } => (&ERASURE_OVER, user_id.0),
    };
    Part::of_row(statement, RowKey::Id(id))
}

static ADDRESS_DUE: BulkStatement = BulkStatement {
    table: "address_moves",
    on_repeat: OnRepeat::LastWins,
    sql: Sql::new(
        "INSERT INTO {address_moves} (email_key, user_id, due_at)
        SELECT * FROM unnest($1::bytea[], $2::uuid[], $3::bigint[])
        ON CONFLICT (email_key) DO UPDATE
          SET user_id = excluded.user_id, due_at = excluded.due_at",
    ),
    then: None,
    columns: columns!(Pending, PendingChange::AddressDue {
        email_key => &email_key.0[..],
        user_id => user_id.0,
        due_at => due_at.as_micros(),
    }),
};

static ADDRESS_SETTLED: BulkStatement = BulkStatement {
    table: "address_moves",
    on_repeat: OnRepeat::Together,
    sql: Sql::new("DELETE FROM {address_moves} WHERE email_key = ANY ($1::bytea[])"),
    then: None,
    columns: columns!(Pending, PendingChange::AddressSettled { email_key => &email_key.0[..] }),
};

static ONBOARDING_DUE: BulkStatement = BulkStatement {
    table: "onboardings",
    on_repeat: OnRepeat::Never,
    sql: Sql::new(
        "INSERT INTO {onboardings} (user_id, since, steps, welcome_failed, tried_at)
        SELECT v.user_id, v.at, 0, 0, v.at
        FROM unnest($1::uuid[], $2::bigint[]) AS v (user_id, at)",
    ),
    then: None,
    columns: columns!(Pending, PendingChange::OnboardingDue { user_id => user_id.0, at => at.as_micros() }),
};

// A row with all steps goes. Bits are only ever added, so it makes no difference whether that is
// seen after each of them or after all.
const _: () = assert!(OnboardingStep::ALL == 7, "the statement below says 7");
static ONBOARDING_STEP: BulkStatement = BulkStatement {
    table: "onboardings",
    on_repeat: OnRepeat::Together,
    sql: Sql::new(
        "DELETE FROM {onboardings} o
         USING (SELECT user_id, bit_or(step) AS steps
                FROM unnest($1::uuid[], $2::bigint[]) AS v (user_id, step) GROUP BY user_id) v
         WHERE o.user_id = v.user_id AND o.steps | v.steps = 7",
    ),
    then: Some(Sql::new(
        "UPDATE {onboardings} o SET steps = o.steps | v.steps
         FROM (SELECT user_id, bit_or(step) AS steps
               FROM unnest($1::uuid[], $2::bigint[]) AS v (user_id, step) GROUP BY user_id) v
         WHERE o.user_id = v.user_id",
    )),
    columns: columns!(Pending, PendingChange::OnboardingStep { user_id => user_id.0, step => i64::from(step.bit()) }),
};

static WELCOME_FAILED: BulkStatement = BulkStatement {
    table: "onboardings",
    on_repeat: OnRepeat::LastWins,
    sql: Sql::new(
        "UPDATE {onboardings} o SET welcome_failed = v.attempt, tried_at = v.at
        FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS v (user_id, attempt, at)
        WHERE o.user_id = v.user_id",
    ),
    then: None,
    columns: columns!(Pending, PendingChange::WelcomeFailed {
        user_id => user_id.0,
        attempt => i64::from(*attempt),
        at => at.as_micros(),
    }),
};

static ONBOARDING_OVER: BulkStatement = BulkStatement {
    table: "onboardings",
    on_repeat: OnRepeat::Together,
    sql: Sql::new("DELETE FROM {onboardings} WHERE user_id = ANY ($1::uuid[])"),
    then: None,
    columns: columns!(Pending, PendingChange::OnboardingOver { user_id => user_id.0 }),
};

static REFERRAL_UNDECIDED: BulkStatement = BulkStatement {
    table: "undecided_referrals",
    on_repeat: OnRepeat::Never,
    sql: Sql::new(
        "INSERT INTO {undecided_referrals}
          (user_id, code, touched_at, touch_id, via, refused_at)
        SELECT * FROM
          unnest($1::uuid[], $2::text[], $3::bigint[], $4::uuid[], $5::text[], $6::bigint[])
        ON CONFLICT (user_id, code) DO UPDATE
          SET touched_at = excluded.touched_at, touch_id = excluded.touch_id,
            via = excluded.via, refused_at = excluded.refused_at",
    ),
    then: None,
    columns: columns!(Pending, PendingChange::ReferralUndecided {
        user_id => user_id.0,
        code => code.as_str(),
        touched_at => touched_at.map(Timestamp::as_micros),
        touch_id => touch_id.map(|id| id.0),
        via => via.as_str(),
        at => at.as_micros(),
    }),
};

static REFERRAL_DECIDED: BulkStatement = BulkStatement {
    table: "undecided_referrals",
    on_repeat: OnRepeat::Together,
    sql: Sql::new(
        "DELETE FROM {undecided_referrals} u
        USING unnest($1::uuid[], $2::text[]) AS v (user_id, code)
        WHERE u.user_id = v.user_id AND u.code = coalesce(v.code, u.code)",
    ),
    then: None,
    columns: columns!(Pending, PendingChange::ReferralDecided {
        user_id => user_id.0,
        code => code.as_ref().map(ReferralCode::as_str),
    }),
};

static CODE_ASKED_FOR: BulkStatement = BulkStatement {
    table: "mailboxes",
    on_repeat: OnRepeat::LastWins,
    sql: Sql::new(
        "INSERT INTO {mailboxes} (email_key, asked_at, owned)
        SELECT v.email_key, v.at, 0 FROM unnest($1::bytea[], $2::bigint[]) AS v (email_key, at)
        ON CONFLICT (email_key) DO UPDATE SET asked_at = excluded.asked_at",
    ),
    then: None,
    columns: columns!(Pending, PendingChange::CodeAskedFor { email_key => &email_key.0[..], at => at.as_micros() }),
};

static MAILBOX_OWNED: BulkStatement = BulkStatement {
    table: "mailboxes",
    on_repeat: OnRepeat::Together,
    sql: Sql::new("UPDATE {mailboxes} SET owned = 1 WHERE email_key = ANY ($1::bytea[])"),
    then: None,
    columns: columns!(Pending, PendingChange::MailboxOwned { email_key => &email_key.0[..] }),
};

static MAILBOX_GONE: BulkStatement = BulkStatement {
    table: "mailboxes",
    on_repeat: OnRepeat::Together,
    sql: Sql::new("DELETE FROM {mailboxes} WHERE email_key = ANY ($1::bytea[])"),
    then: None,
    columns: columns!(Pending, PendingChange::MailboxGone { email_key => &email_key.0[..] }),
};

static ERASURE_DUE: BulkStatement = BulkStatement {
    table: "erasures",
    on_repeat: OnRepeat::LastWins,
    sql: Sql::new(
        "INSERT INTO {erasures} (user_id, due_at)
        SELECT v.user_id, v.due_at FROM unnest($1::uuid[], $2::bigint[]) AS v (user_id, due_at)
        ON CONFLICT (user_id) DO UPDATE SET due_at = excluded.due_at",
    ),
    then: None,
    columns: columns!(Pending, PendingChange::ErasureDue { user_id => user_id.0, due_at => due_at.as_micros() }),
};

static ERASURE_OVER: BulkStatement = BulkStatement {
    table: "erasures",
    on_repeat: OnRepeat::Together,
    sql: Sql::new("DELETE FROM {erasures} WHERE user_id = ANY ($1::uuid[])"),
    then: None,
    columns: columns!(Pending, PendingChange::ErasureOver { user_id => user_id.0 }),
};
