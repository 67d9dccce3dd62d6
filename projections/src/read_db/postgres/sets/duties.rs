//! What whence still owes somebody.

use whence_events::{ReferralCode, Timestamp};

use super::{Repeats, Set, Table, columns};
use crate::Onboarding;

pub(super) static ONBOARDING_DUE: Set = Set {
    table: Table::Onboardings,
    repeats: Repeats::Never,
    sql: &["INSERT INTO read.onboardings (user_id, since, steps, welcome_failed, tried_at)
        SELECT v.user_id, v.at, 0, 0, v.at
        FROM unnest($1::uuid[], $2::bigint[]) AS v (user_id, at)"],
    columns: columns!(OnboardingDue { user_id => user_id.0, at => at.as_micros() }),
};

// Whoever has all steps goes. Bits are only ever added, so it makes no difference whether that is
// seen after each of them or after all.
const _: () = assert!(Onboarding::ALL == 7, "the statement below says 7");
pub(super) static ONBOARDING_STEP: Set = Set {
    table: Table::Onboardings,
    repeats: Repeats::Together,
    sql: &[
        "DELETE FROM read.onboardings o
         USING (SELECT user_id, bit_or(step) AS steps
                FROM unnest($1::uuid[], $2::bigint[]) AS v (user_id, step) GROUP BY user_id) v
         WHERE o.user_id = v.user_id AND o.steps | v.steps = 7",
        "UPDATE read.onboardings o SET steps = o.steps | v.steps
         FROM (SELECT user_id, bit_or(step) AS steps
               FROM unnest($1::uuid[], $2::bigint[]) AS v (user_id, step) GROUP BY user_id) v
         WHERE o.user_id = v.user_id",
    ],
    columns: columns!(OnboardingStep { user_id => user_id.0, step => i64::from(*step) }),
};

pub(super) static WELCOME_FAILED: Set = Set {
    table: Table::Onboardings,
    repeats: Repeats::LastWins,
    sql: &["UPDATE read.onboardings o SET welcome_failed = v.attempt, tried_at = v.at
        FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS v (user_id, attempt, at)
        WHERE o.user_id = v.user_id"],
    columns: columns!(WelcomeFailed {
        user_id => user_id.0,
        attempt => i64::from(*attempt),
        at => at.as_micros(),
    }),
};

pub(super) static ONBOARDING_OVER: Set = Set {
    table: Table::Onboardings,
    repeats: Repeats::Together,
    sql: &["DELETE FROM read.onboardings WHERE user_id = ANY ($1::uuid[])"],
    columns: columns!(OnboardingOver { user_id => user_id.0 }),
};

pub(super) static REFERRAL_UNDECIDED: Set = Set {
    table: Table::UndecidedReferrals,
    repeats: Repeats::Never,
    sql: &["INSERT INTO read.undecided_referrals
          (user_id, code, touched_at, touch_id, via, refused_at)
        SELECT * FROM
          unnest($1::uuid[], $2::text[], $3::bigint[], $4::uuid[], $5::text[], $6::bigint[])
        ON CONFLICT (user_id, code) DO UPDATE
          SET touched_at = excluded.touched_at, touch_id = excluded.touch_id,
            via = excluded.via, refused_at = excluded.refused_at"],
    columns: columns!(ReferralUndecided {
        user_id => user_id.0,
        code => code.as_str(),
        touched_at => touched_at.map(Timestamp::as_micros),
        touch_id => touch_id.map(|id| id.0),
        via => via.as_str(),
        at => at.as_micros(),
    }),
};

pub(super) static REFERRAL_DECIDED: Set = Set {
    table: Table::UndecidedReferrals,
    repeats: Repeats::Together,
    sql: &["DELETE FROM read.undecided_referrals u
        USING unnest($1::uuid[], $2::text[]) AS v (user_id, code)
        WHERE u.user_id = v.user_id AND u.code = coalesce(v.code, u.code)"],
    columns: columns!(ReferralDecided {
        user_id => user_id.0,
        code => code.as_ref().map(ReferralCode::as_str),
    }),
};

pub(super) static CODE_ASKED_FOR: Set = Set {
    table: Table::Mailboxes,
    repeats: Repeats::LastWins,
    sql: &["INSERT INTO read.mailboxes (email_key, asked_at, owned)
        SELECT v.email_key, v.at, 0 FROM unnest($1::bytea[], $2::bigint[]) AS v (email_key, at)
        ON CONFLICT (email_key) DO UPDATE SET asked_at = excluded.asked_at"],
    columns: columns!(CodeAskedFor { email_key => &email_key.0[..], at => at.as_micros() }),
};

pub(super) static MAILBOX_OWNED: Set = Set {
    table: Table::Mailboxes,
    repeats: Repeats::Together,
    sql: &["UPDATE read.mailboxes SET owned = 1 WHERE email_key = ANY ($1::bytea[])"],
    columns: columns!(MailboxOwned { email_key => &email_key.0[..] }),
};

pub(super) static MAILBOX_GONE: Set = Set {
    table: Table::Mailboxes,
    repeats: Repeats::Together,
    sql: &["DELETE FROM read.mailboxes WHERE email_key = ANY ($1::bytea[])"],
    columns: columns!(MailboxGone { email_key => &email_key.0[..] }),
};
