//! Work that is due: onboarding steps, referrals that could not be decided, addresses that were never
//! verified and are to be forgotten, and erasures. A row goes when its work is done.

use std::time::Duration;

use whence_events::{
    CodeKind, EmailKey, Event, MailboxEvent, Recorded, ReferralCode, Refusal, StreamId, Timestamp,
    TouchId, UserEvent, UserId, Via, WelcomeEmailFailed,
};

use crate::change::{Change, OnboardingStep, PendingChange};
use crate::projector::Projector;
use crate::read_db::select::{Select, known};
use crate::read_db::{QueryError, ReadDb};
use crate::schema::{
    IndexSchema, RowSize, TableSchema, bytes, bytewise_text, index, int, text, uuid,
};

/// An onboarding that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onboarding {
    /// The user who is onboarded.
    pub user_id: UserId,
    /// When the onboarding became due.
    pub since: Timestamp,
    /// How many attempts to send the welcome mail failed.
    pub welcome_failed: u8,
    /// When the last of them was made.
    pub tried_at: Timestamp,
}

/// A referral attempt that could not be decided when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndecidedReferral {
    /// The user to attribute.
    pub user_id: UserId,
    /// The code that the user came with.
    pub code: ReferralCode,
    /// When the code was picked up, if the cookie said so.
    pub touched_at: Option<Timestamp>,
    /// The landing, if the cookie said so.
    pub touch_id: Option<TouchId>,
    /// The call that made the attempt.
    pub via: Via,
    /// When the attempt was refused.
    pub refused_at: Timestamp,
}

/// An address whose account moves, or has moved: it has to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueAddress {
    /// The key of the address.
    pub email_key: EmailKey,
    /// The user who moves.
    pub user_id: UserId,
}

/// How long after its first step an erasure counts as interrupted: the call that made the step is
/// given this time to take the others.
const ERASURE_TIME: Duration = Duration::from_mins(1);

static SCHEMA: [TableSchema; 5] = [
    TableSchema {
        name: "address_moves",
        columns: &[bytes("email_key"), uuid("user_id"), int("due_at")],
        key: &["email_key"],
        indexes: &[index("address_moves_by_time", &["due_at"])],
        rows: RowSize::Small,
    },
    TableSchema {
        name: "onboardings",
        columns: &[
            uuid("user_id"),
            int("since"),
            int("steps"),          // the bits of `OnboardingStep`
            int("welcome_failed"), // attempts
            int("tried_at"),
        ],
        key: &["user_id"],
        indexes: &[],
        rows: RowSize::Small,
    },
    TableSchema {
        name: "undecided_referrals",
        columns: &[
            uuid("user_id"),
            bytewise_text("code"), // as it came: a row for each, so that none replaces another
            int("touched_at").or_null(),
            uuid("touch_id").or_null(),
            text("via"),
            int("refused_at"),
        ],
        key: &["user_id", "code"],
        indexes: &[],
        rows: RowSize::Small,
    },
    TableSchema {
        name: "mailboxes",
        columns: &[
            bytes("email_key"),
            int("asked_at"), // when a code was requested last
            int("owned"),    // 1: it is a user's, and kept for as long as the user is
        ],
        key: &["email_key"],
        indexes: &[IndexSchema {
            only: Some("owned = 0"),
            ..index("mailboxes_of_nobody", &["asked_at"])
        }],
        rows: RowSize::Small,
    },
    TableSchema {
        name: "erasures",
        columns: &[
            uuid("user_id"),
            int("due_at"), // the end of the grace time, or the time to complete what was begun
        ],
        key: &["user_id"],
        indexes: &[index("erasures_by_time", &["due_at"])],
        rows: RowSize::Small,
    },
];

static ONBOARDINGS: Select<Onboarding> = Select::new(
    "SELECT user_id, since, welcome_failed, tried_at FROM {onboardings}
     ORDER BY tried_at, user_id LIMIT {1}",
    |row| {
        Ok(Onboarding {
            user_id: UserId(row.uuid(0)?),
            since: row.time(1)?,
            welcome_failed: row.number(2)?,
            tried_at: row.time(3)?,
        })
    },
);

static UNDECIDED: Select<UndecidedReferral> = Select::new(
    "SELECT user_id, code, touched_at, touch_id, via, refused_at
     FROM {undecided_referrals} ORDER BY refused_at, user_id, code LIMIT {1}",
    |row| {
        Ok(UndecidedReferral {
            user_id: UserId(row.uuid(0)?),
            code: known(row.text(1)?.parse().ok())?,
            touched_at: row.time_or_null(2)?,
            touch_id: row.uuid_or_null(3)?.map(TouchId),
            via: known(Via::parse(row.text(4)?))?,
            refused_at: row.time(5)?,
        })
    },
);

static UNVERIFIED: Select<EmailKey> = Select::new(
    "SELECT email_key FROM {mailboxes} WHERE owned = 0 AND asked_at <= {1}
     ORDER BY asked_at, email_key LIMIT {2}",
    |row| row.array(0).map(EmailKey),
);

static DUE_ADDRESSES: Select<DueAddress> = Select::new(
    "SELECT email_key, user_id FROM {address_moves} WHERE due_at <= {1}
     ORDER BY due_at, email_key LIMIT {2}",
    |row| Ok(DueAddress { email_key: row.array(0).map(EmailKey)?, user_id: UserId(row.uuid(1)?) }),
);

static ERASURES: Select<UserId> = Select::new(
    "SELECT user_id FROM {erasures} WHERE due_at <= {1} ORDER BY due_at, user_id LIMIT {2}",
    |row| row.uuid(0).map(UserId),
);

impl ReadDb {
    /// Returns up to `limit` addresses that have to be looked at by now, the longest waiting first.
    pub async fn due_addresses(
        &self,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<DueAddress>, QueryError> {
        self.all(&DUE_ADDRESSES, &[now.into(), limit.into()]).await
    }

    /// Returns up to `limit` users whose erasure is due at `now`, or was begun and is not complete, the
    /// longest waiting first.
    pub async fn due_erasures(
        &self,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<UserId>, QueryError> {
        self.all(&ERASURES, &[now.into(), limit.into()]).await
    }

    /// Returns up to `limit` onboardings that are not over, the longest waiting first.
    pub async fn onboardings(&self, limit: u64) -> Result<Vec<Onboarding>, QueryError> {
        self.all(&ONBOARDINGS, &[limit.into()]).await
    }

    /// Returns up to `limit` referrals that are not decided, the longest waiting first.
    pub async fn undecided_referrals(
        &self,
        limit: u64,
    ) -> Result<Vec<UndecidedReferral>, QueryError> {
        self.all(&UNDECIDED, &[limit.into()]).await
    }

    /// Returns up to `limit` addresses that belong to no user and for which no code was requested
    /// after `before`, the longest waiting first.
    pub async fn unverified_mailboxes(
        &self,
        before: Timestamp,
        limit: u64,
    ) -> Result<Vec<EmailKey>, QueryError> {
        self.all(&UNVERIFIED, &[before.into(), limit.into()]).await
    }
}

/// The projector of work that is due.
pub(crate) struct Pending;

impl Projector for Pending {
    fn name(&self) -> &'static str {
        // Stored with the position, and a word of `whence replay`: it stays what it was first.
        "duties"
    }

    fn version(&self) -> u32 {
        5
    }

    fn schema(&self) -> &'static [TableSchema] {
        &SCHEMA
    }

    fn project(&self, recorded: &Recorded, changes: &mut Vec<Change>) {
        let at = recorded.metadata.occurred_at;
        match (&recorded.stream, &recorded.event) {
            (StreamId::User(user_id), Event::User(event)) => {
                user_changes(*user_id, event, at, changes);
            }
            (StreamId::Mailbox(email_key), Event::Mailbox(event)) => {
                mailbox_changes(*email_key, event, at, changes);
            }
            _ => {}
        }
    }
}

/// How long a step of a change of address may take before it counts as interrupted.
const SETTLE_TIME: Duration = Duration::from_secs(30);

fn mailbox_changes(
    email_key: EmailKey,
    event: &MailboxEvent,
    at: Timestamp,
    changes: &mut Vec<Change>,
) {
    let mut add = |change: PendingChange| changes.push(change.into());
    match event {
        MailboxEvent::LoginStarted(_) => add(PendingChange::CodeAskedFor { email_key, at }),
        MailboxEvent::MailboxClaimed(claimed) => {
            add(PendingChange::MailboxOwned { email_key });
            if claimed.by_change {
                let (user_id, due_at) = (claimed.user_id, at + SETTLE_TIME);
                add(PendingChange::AddressDue { email_key, user_id, due_at });
            }
        }
        MailboxEvent::MailboxReclaimed(_) => add(PendingChange::AddressSettled { email_key }),
        MailboxEvent::MailboxReleased(_) => {
            add(PendingChange::MailboxGone { email_key });
            add(PendingChange::AddressSettled { email_key });
        }
        MailboxEvent::MailboxForgotten(_) => add(PendingChange::MailboxGone { email_key }),
        MailboxEvent::LoginThrottled(_)
        | MailboxEvent::CodeDeliveryFailed(_)
        | MailboxEvent::CodeRejected(_)
        | MailboxEvent::LoginLocked(_)
        | MailboxEvent::LoginExpired(_)
        | MailboxEvent::CodeVerified(_)
        | MailboxEvent::StartCounted(_)
        | MailboxEvent::StartReturned(_)
        | MailboxEvent::DeviceForgotten(_)
        | MailboxEvent::MailboxMoved(_)
        | MailboxEvent::LockCleared(_) => {}
    }
}

fn user_changes(user_id: UserId, event: &UserEvent, at: Timestamp, changes: &mut Vec<Change>) {
    let mut add = |change: PendingChange| changes.push(change.into());
    match event {
        UserEvent::UserRegistered(_) => add(PendingChange::OnboardingDue { user_id, at }),
        UserEvent::ReferralCodeIssued(issued) => {
            if issued.kind == CodeKind::Primary {
                add(PendingChange::OnboardingStep { user_id, step: OnboardingStep::Code });
            }
        }
        UserEvent::SubscriptionProvisioned(_) => {
            add(PendingChange::OnboardingStep { user_id, step: OnboardingStep::Plan });
        }
        UserEvent::WelcomeEmailSent(_) => {
            changes.push(welcomed(user_id));
        }
        UserEvent::WelcomeEmailFailed(failed) => {
            add(PendingChange::WelcomeFailed { user_id, attempt: failed.attempt, at });
            // Given up is over, too: else users whose mailbox is gone fill every sweep.
            let is_over = failed.attempt >= WelcomeEmailFailed::LAST_ATTEMPT;
            changes.extend(is_over.then(|| welcomed(user_id)));
        }
        UserEvent::EmailChanged(_)
        | UserEvent::EmailChangeNoticed(_)
        | UserEvent::EmailChangeUndone(_) => address_changes(user_id, event, at, changes),
        UserEvent::ErasureRequested(requested) => {
            add(PendingChange::ErasureDue { user_id, due_at: requested.due_at });
        }
        UserEvent::ErasureCancelled(_) | UserEvent::ErasureCompleted(_) => {
            add(PendingChange::ErasureOver { user_id });
        }
        UserEvent::UserErased(_) => {
            add(PendingChange::ErasureDue { user_id, due_at: at + ERASURE_TIME });
            add(PendingChange::OnboardingOver { user_id });
            add(PendingChange::ReferralDecided { user_id, code: None });
        }
        UserEvent::ReferralAttributed(_) => {
            add(PendingChange::ReferralDecided { user_id, code: None });
        }
        UserEvent::ReferralRefused(refused) => match (&refused.code, refused.reason) {
            (Some(code), Refusal::InternalError) => add(PendingChange::ReferralUndecided {
                user_id,
                code: code.clone(),
                touched_at: refused.evidence.touched_at,
                touch_id: refused.evidence.touch_id,
                via: refused.via,
                at,
            }),
            (Some(code), _) => {
                let code = Some(code.clone());
                add(PendingChange::ReferralDecided { user_id, code });
            }
            (None, _) => {}
        },
        UserEvent::AttributionCapturedV1(_)
        | UserEvent::AttributionCaptured(_)
        | UserEvent::SessionOpened(_)
        | UserEvent::SessionExtended(_)
        | UserEvent::RefreshRotated(_)
        | UserEvent::SessionRevoked(_)
        | UserEvent::ReferralCodeDisabled(_)
        | UserEvent::ReferralCodeBlocked(_)
        | UserEvent::ReferralCodeUnblocked(_)
        | UserEvent::SessionsRevoked(_)
        | UserEvent::UserSuspended(_)
        | UserEvent::UserReinstated(_)
        | UserEvent::ProfileUpdated(_)
        | UserEvent::CreatorHandleClaimed(_)
        | UserEvent::BillingCustomerLinked(_) => {}
    }
}

/// Adds what a change of address leaves to do.
fn address_changes(user_id: UserId, event: &UserEvent, at: Timestamp, changes: &mut Vec<Change>) {
    let mut due = |email_key, due_at| {
        changes.push(PendingChange::AddressDue { email_key, user_id, due_at }.into());
    };
    if let UserEvent::EmailChanged(changed) = event {
        due(changed.previous_key, at + SETTLE_TIME);
        changes.push(PendingChange::AddressSettled { email_key: changed.email_key }.into());
    } else if let UserEvent::EmailChangeNoticed(noticed) = event {
        due(noticed.previous_key, noticed.again_at);
    } else if let UserEvent::EmailChangeUndone(undone) = event {
        due(undone.email_key, at + SETTLE_TIME);
        due(undone.voided_key, at + SETTLE_TIME);
    }
}

fn welcomed(user_id: UserId) -> Change {
    PendingChange::OnboardingStep { user_id, step: OnboardingStep::Welcome }.into()
}
