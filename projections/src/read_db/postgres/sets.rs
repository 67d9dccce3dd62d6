//! Each kind of change as a statement over many rows.

mod attribution;
mod duties;
mod identity;

use std::borrow::Cow;

use tokio_postgres::types::ToSql;
use uuid::Uuid;
use whence_events::{EmailKey, Sealed};

use crate::Change;

pub(super) use identity::SESSIONS_OF_REMOVED;

/// All values of a column.
pub(super) type Column<'a> = Box<dyn ToSql + Send + Sync + 'a>;

/// What is done with many rows of a table at once. Each is one value: they are told apart by where
/// they are.
pub(super) struct Set {
    pub(super) table: Table,
    pub(super) repeats: Repeats,
    /// Run one after the other, all with the same columns.
    pub(super) sql: &'static [&'static str],
    /// Their parameters.
    pub(super) columns: for<'a> fn(&'a [Change]) -> Vec<Column<'a>>,
}

/// Changes of different tables commute.
#[derive(Clone, Copy)]
pub(super) enum Table {
    LoginRequests,
    Users,
    Sessions,
    Attributions,
    ReferralCodes,
    Clicks,
    Onboardings,
    UndecidedReferrals,
    Mailboxes,
    VisitorTouches,
}

impl Table {
    pub(super) const COUNT: usize = Self::VisitorTouches as usize + 1;
}

/// What becomes of a second change of the same kind to the same row, nothing being between them.
pub(super) enum Repeats {
    /// It needs a statement of its own.
    Never,
    /// One statement takes both.
    Together,
    /// The first of them need not be.
    LastWins,
}

/// What tells rows of a table apart, or is coarser than that.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Key {
    Id(Uuid),
    Code(Box<str>),
}

/// The statement that a change is part of, and the row it touches; none: any.
pub(super) fn of(change: &Change) -> (&'static Set, Option<Key>) {
    use {attribution as a, duties as d, identity as i};
    let (set, id) = match change {
        Change::LoginOpened { request_id, .. } => (&i::LOGIN_OPENED, request_id.0),
        Change::LoginClosed { request_id } => (&i::LOGIN_CLOSED, request_id.0),
        Change::LoginsForgotten { .. } => return (&i::LOGINS_FORGOTTEN, None),
        Change::UserAdded { user_id, .. } => (&i::USER_ADDED, user_id.0),
        Change::UserShownAs { user_id, .. } => (&i::USER_SHOWN_AS, user_id.0),
        Change::UserBilledAs { user_id, .. } => (&i::USER_BILLED_AS, user_id.0),
        Change::UserRemoved { user_id } => (&i::USER_REMOVED, user_id.0),
        Change::SessionAdded { session_id, .. } => (&i::SESSION_ADDED, session_id.0),
        Change::SessionExtended { session_id, .. } => (&i::SESSION_EXTENDED, session_id.0),
        Change::SessionRemoved { session_id } => (&i::SESSION_REMOVED, session_id.0),
        Change::SessionsForgotten { .. } => return (&i::SESSIONS_FORGOTTEN, None),
        Change::OriginAdded { user_id, .. } => (&a::ORIGIN_ADDED, user_id.0),
        Change::Referred { user_id, .. } => (&a::REFERRED, user_id.0),
        Change::OriginRemoved { user_id } => (&a::ORIGIN_REMOVED, user_id.0),
        Change::CodeAdded { code, .. } => return (&a::CODE_ADDED, Some(Key::code(code))),
        Change::CodeDisabled { code, .. } => return (&a::CODE_DISABLED, Some(Key::code(code))),
        Change::Clicked { owner } => (&a::CLICKED, owner.0),
        Change::VisitorReturned { touch_id, .. } => (&a::VISITOR_RETURNED, touch_id.0),
        Change::CodeAskedFor { email_key, .. } => {
            return (&d::CODE_ASKED_FOR, Some(email_key.into()));
        }
        Change::MailboxOwned { email_key } => return (&d::MAILBOX_OWNED, Some(email_key.into())),
        Change::MailboxGone { email_key } => return (&d::MAILBOX_GONE, Some(email_key.into())),
        Change::OnboardingDue { user_id, .. } => (&d::ONBOARDING_DUE, user_id.0),
        Change::OnboardingStep { user_id, .. } => (&d::ONBOARDING_STEP, user_id.0),
        Change::WelcomeFailed { user_id, .. } => (&d::WELCOME_FAILED, user_id.0),
        Change::OnboardingOver { user_id } => (&d::ONBOARDING_OVER, user_id.0),
        // By the user, although there is a row for each code: a decision may end all of them.
        Change::ReferralUndecided { user_id, .. } => (&d::REFERRAL_UNDECIDED, user_id.0),
        Change::ReferralDecided { user_id, .. } => (&d::REFERRAL_DECIDED, user_id.0),
    };
    (set, Some(Key::Id(id)))
}

impl Key {
    fn code(code: &whence_events::ReferralCode) -> Self {
        Self::Code(code.folded().as_str().into())
    }
}

impl From<&EmailKey> for Key {
    fn from(key: &EmailKey) -> Self {
        Self::Id(Uuid::from_bytes(key.0))
    }
}

/// The columns of a kind of change, each as one field of it and what becomes of that.
macro_rules! columns {
    ($change:ident { $($field:ident => $value:expr),+ $(,)? }) => {
        |changes| {
            vec![$(Box::new(
                changes
                    .iter()
                    .map(|change| {
                        let crate::Change::$change { $field, .. } = change else {
                            unreachable!("a statement has one kind of change");
                        };
                        $value
                    })
                    .collect::<Vec<_>>(),
            ) as crate::read_db::postgres::sets::Column<'_>),+]
        }
    };
}
use columns;

/// What Postgres can keep of a text: all but the character of the number 0.
fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

fn text_or_null(value: Option<&String>) -> Option<Cow<'_, str>> {
    value.map(|value| text(value))
}

fn bytes(sealed: Option<&Sealed>) -> Option<&[u8]> {
    sealed.map(|sealed| &*sealed.0)
}
