//! Login requests, users and sessions.

use std::time::Duration;

use whence_events::{
    Client, Country, DeviceClass, EmailAddress, EmailKey, Event, Hash, MailboxEvent, Pii, PiiSlot,
    Position, ProfileUpdated, Provider, Recorded, RequestId, Sealed, SessionId, SessionKind,
    SessionOpened, StreamId, Timestamp, UserEvent, UserId, UserRegistered, Version,
};

use crate::change::{Change, IdentityChange, NewSession};
use crate::projector::Projector;
use crate::read_db::select::{Row, Select, Value, known};
use crate::read_db::{QueryError, ReadDb};
use crate::schema::{RowSize, TableSchema, bytes, index, int, text, uuid};

/// Logins and sessions are forgotten this long after their end.
const FORGET_AFTER: Duration = Duration::from_hours(1);

/// How many events lie between two times at which logins and sessions that are over are forgotten.
/// Counted by position and not by time, so that the rows are the same however the log is batched.
const FORGET_EVERY: Position = 1024;

/// A session and its user: all that a request with a session asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// The id of the session.
    pub session_id: SessionId,
    /// SHA-256 of its secret.
    pub token_hash: Hash,
    /// When it began.
    pub opened_at: Timestamp,
    /// When it was used last, as far as that is on record.
    pub used_at: Timestamp,
    /// When it ends, unless it is extended.
    pub expires_at: Timestamp,
    /// When it ends at the latest.
    pub absolute_expires_at: Timestamp,
    /// The user whose session it is.
    pub user: UserView,
}

/// A session in the list of the sessions of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSession {
    /// The id of the session.
    pub session_id: SessionId,
    /// When it began.
    pub opened_at: Timestamp,
    /// When it was used last, as far as that is on record.
    pub used_at: Timestamp,
    /// The client that opened it, sealed.
    pub device: Pii<Client>,
    /// The event of the user in which the client is sealed.
    pub device_version: Version,
    /// The kind of device.
    pub device_class: Option<DeviceClass>,
    /// The country of the client.
    pub country: Option<Country>,
    /// The kind of credential that carries it.
    pub kind: SessionKind,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserView {
    /// The id of the user.
    pub user_id: UserId,
    /// The address, sealed.
    pub email: Pii<EmailAddress>,
    /// The event of the user in which the address is sealed.
    pub email_version: Version,
    /// The display name, sealed.
    pub display_name: Option<Pii<String>>,
    /// The URL of the picture, sealed.
    pub avatar_url: Option<Pii<String>>,
    /// The event of the user in which display name and picture are sealed.
    pub profile_version: Version,
    /// The id of the user in the billing system.
    pub billing_customer_id: Option<String>,
    /// How the user logs in.
    pub provider: Provider,
    /// When the user registered.
    pub created_at: Timestamp,
    /// When any of this changed last.
    pub updated_at: Timestamp,
    /// When the user is erased, as they asked.
    pub erasure_due_at: Option<Timestamp>,
}

// Personal fields stay sealed: the vault opens them when they are read.
static SCHEMA: [TableSchema; 3] = [
    TableSchema {
        name: "login_requests",
        columns: &[uuid("request_id"), bytes("email_key"), int("expires_at")],
        key: &["request_id"],
        indexes: &[index("login_requests_by_end", &["expires_at"])],
        rows: RowSize::Small,
    },
    TableSchema {
        name: "users",
        columns: &[
            uuid("user_id"),
            bytes("email"),                  // sealed
            int("email_version"),            // in this event of the user
            bytes("display_name").or_null(), // sealed
            bytes("avatar_url").or_null(),   // sealed
            int("profile_version"),          // in this event of the user
            text("billing_customer_id").or_null(),
            text("provider"),
            int("created_at"),
            int("updated_at"),
        ],
        key: &["user_id"],
        indexes: &[],
        rows: RowSize::Small,
    },
    TableSchema {
        name: "sessions",
        columns: &[
            uuid("session_id"),
            uuid("user_id"),
            bytes("token_hash"),
            text("kind"),
            int("opened_at"),
            int("used_at"),
            int("expires_at"),
            int("absolute_expires_at"),
            bytes("device"),       // sealed
            int("device_version"), // in this event of the user
            text("device_class").or_null(),
            text("country").or_null(),
        ],
        key: &["session_id"],
        indexes: &[
            index("sessions_by_user", &["user_id"]),
            index("sessions_by_end", &["expires_at"]),
        ],
        rows: RowSize::Small,
    },
];

static LOGIN: Select<EmailKey> =
    Select::new("SELECT email_key FROM {login_requests} WHERE request_id = {1}", |row| {
        row.array(0).map(EmailKey)
    });

static USER: Select<UserView> = Select::new(
    "SELECT u.user_id, u.email, u.email_version, u.display_name, u.avatar_url, u.profile_version,
            u.billing_customer_id, u.provider, u.created_at, u.updated_at, e.due_at
     FROM {users} u LEFT JOIN {erasures} e ON e.user_id = u.user_id WHERE u.user_id = {1}",
    user_view,
);

static SESSION: Select<SessionView> = Select::new(
    "SELECT u.user_id, u.email, u.email_version, u.display_name, u.avatar_url, u.profile_version,
            u.billing_customer_id, u.provider, u.created_at, u.updated_at, e.due_at,
            s.session_id, s.token_hash, s.opened_at, s.used_at, s.expires_at, s.absolute_expires_at
     FROM {sessions} s JOIN {users} u ON u.user_id = s.user_id
       LEFT JOIN {erasures} e ON e.user_id = s.user_id WHERE s.session_id = {1}",
    |row| {
        Ok(SessionView {
            session_id: SessionId(row.uuid(11)?),
            token_hash: Hash(row.array(12)?),
            opened_at: row.time(13)?,
            used_at: row.time(14)?,
            expires_at: row.time(15)?,
            absolute_expires_at: row.time(16)?,
            user: user_view(row)?,
        })
    },
);

static SESSIONS_OF: Select<SessionId> = Select::new(
    "SELECT session_id FROM {sessions} WHERE user_id = {1} ORDER BY session_id",
    |row| row.uuid(0).map(SessionId),
);

static LISTED_SESSIONS: Select<ListedSession> = Select::new(
    "SELECT session_id, opened_at, used_at, device, device_version, device_class, country, kind
     FROM {sessions} WHERE user_id = {1} AND expires_at > {2} ORDER BY opened_at DESC, session_id",
    |row| {
        Ok(ListedSession {
            session_id: SessionId(row.uuid(0)?),
            opened_at: row.time(1)?,
            used_at: row.time(2)?,
            device: known(row.sealed_or_null(3)?)?,
            device_version: row.number(4)?,
            device_class: row.text_or_null(5)?.and_then(DeviceClass::parse),
            country: row.text_or_null(6)?.and_then(Country::parse),
            kind: known(SessionKind::parse(row.text(7)?))?,
        })
    },
);

fn user_view(row: &dyn Row) -> Result<UserView, QueryError> {
    Ok(UserView {
        user_id: UserId(row.uuid(0)?),
        email: known(row.sealed_or_null(1)?)?,
        email_version: row.number(2)?,
        display_name: row.sealed_or_null(3)?,
        avatar_url: row.sealed_or_null(4)?,
        profile_version: row.number(5)?,
        billing_customer_id: row.string_or_null(6)?,
        provider: known(Provider::parse(row.text(7)?))?,
        created_at: row.time(8)?,
        updated_at: row.time(9)?,
        erasure_due_at: row.time_or_null(10)?,
    })
}

impl ReadDb {
    /// Returns the mailbox of a login that is open.
    pub async fn login(&self, request_id: RequestId) -> Result<Option<EmailKey>, QueryError> {
        self.first(&LOGIN, &[Value::Uuid(request_id.0)]).await
    }

    /// Returns a session and its user.
    pub async fn session(&self, session_id: SessionId) -> Result<Option<SessionView>, QueryError> {
        self.first(&SESSION, &[Value::Uuid(session_id.0)]).await
    }

    /// Returns the sessions of a user.
    pub async fn sessions_of(&self, user_id: UserId) -> Result<Vec<SessionId>, QueryError> {
        self.all(&SESSIONS_OF, &[Value::Uuid(user_id.0)]).await
    }

    /// Returns the sessions of a user that have not expired, the newest first.
    pub async fn listed_sessions(
        &self,
        user_id: UserId,
        now: Timestamp,
    ) -> Result<Vec<ListedSession>, QueryError> {
        self.all(&LISTED_SESSIONS, &[Value::Uuid(user_id.0), now.into()]).await
    }

    /// Returns a user.
    pub async fn user(&self, user_id: UserId) -> Result<Option<UserView>, QueryError> {
        self.first(&USER, &[Value::Uuid(user_id.0)]).await
    }
}

/// The projector of login requests, users and sessions.
pub(crate) struct Identity;

impl Projector for Identity {
    fn name(&self) -> &'static str {
        "identity"
    }

    fn version(&self) -> u32 {
        3
    }

    fn schema(&self) -> &'static [TableSchema] {
        &SCHEMA
    }

    fn project(&self, recorded: &Recorded, changes: &mut Vec<Change>) {
        let at = recorded.metadata.occurred_at;
        match (&recorded.stream, &recorded.event) {
            (StreamId::Mailbox(email_key), Event::Mailbox(event)) => match event {
                MailboxEvent::LoginStarted(started) => add(
                    changes,
                    IdentityChange::LoginOpened {
                        request_id: started.request_id,
                        email_key: *email_key,
                        expires_at: started.expires_at,
                    },
                ),
                MailboxEvent::LoginExpired(over) => close(changes, over.request_id),
                MailboxEvent::CodeVerified(over) => close(changes, over.request_id),
                MailboxEvent::LoginLocked(locked) => {
                    if let Some(request_id) = locked.request_id {
                        close(changes, request_id);
                    }
                }
                MailboxEvent::LoginThrottled(_)
                | MailboxEvent::CodeDeliveryFailed(_)
                | MailboxEvent::CodeRejected(_)
                | MailboxEvent::MailboxClaimed(_)
                | MailboxEvent::MailboxReleased(_)
                | MailboxEvent::MailboxForgotten(_)
                | MailboxEvent::StartCounted(_)
                | MailboxEvent::StartReturned(_)
                | MailboxEvent::DeviceForgotten(_)
                | MailboxEvent::MailboxMoved(_)
                | MailboxEvent::MailboxReclaimed(_)
                | MailboxEvent::LockCleared(_) => {}
            },
            (StreamId::User(user_id), Event::User(event)) => {
                user_changes(*user_id, event, at, recorded.version, changes);
            }
            _ => {}
        }
        if recorded.position.is_multiple_of(FORGET_EVERY) {
            let before = at - FORGET_AFTER;
            add(changes, IdentityChange::LoginsForgotten { before });
            add(changes, IdentityChange::SessionsForgotten { before });
        }
    }
}

fn add(changes: &mut Vec<Change>, change: IdentityChange) {
    changes.push(change.into());
}

fn close(changes: &mut Vec<Change>, request_id: RequestId) {
    add(changes, IdentityChange::LoginClosed { request_id });
}

fn user_changes(
    user_id: UserId,
    event: &UserEvent,
    at: Timestamp,
    version: Version,
    changes: &mut Vec<Change>,
) {
    match event {
        UserEvent::UserRegistered(registered) => add(changes, user_added(user_id, registered, at)),
        UserEvent::ProfileUpdated(updated) => {
            add(changes, user_shown_as(user_id, updated, at, version));
        }
        UserEvent::EmailChanged(moved) => {
            add(changes, user_moved_to(user_id, &moved.email, at, version));
        }
        UserEvent::EmailChangeUndone(undone) => {
            add(changes, user_moved_to(user_id, &undone.email, at, version));
        }
        UserEvent::BillingCustomerLinked(linked) => {
            let billing_customer_id = linked.billing_customer_id.clone();
            add(changes, IdentityChange::UserBilledAs { user_id, billing_customer_id, at });
        }
        UserEvent::UserErased(_) => add(changes, IdentityChange::UserRemoved { user_id }),
        UserEvent::SessionOpened(opened) => {
            let session = Box::new(new_session(user_id, opened, at, version));
            add(changes, IdentityChange::SessionAdded { session });
        }
        UserEvent::SessionExtended(extended) => add(
            changes,
            IdentityChange::SessionExtended {
                session_id: extended.session_id,
                expires_at: extended.expires_at,
                at,
            },
        ),
        UserEvent::RefreshRotated(rotated) => add(
            changes,
            IdentityChange::SessionExtended {
                session_id: rotated.session_id,
                expires_at: rotated.expires_at,
                at,
            },
        ),
        UserEvent::SessionRevoked(revoked) => {
            add(changes, IdentityChange::SessionRemoved { session_id: revoked.session_id });
        }
        UserEvent::AttributionCapturedV1(_)
        | UserEvent::AttributionCaptured(_)
        | UserEvent::ReferralAttributed(_)
        | UserEvent::ReferralRefused(_)
        | UserEvent::ReferralCodeIssued(_)
        | UserEvent::ReferralCodeDisabled(_)
        | UserEvent::ReferralCodeBlocked(_)
        | UserEvent::ReferralCodeUnblocked(_)
        | UserEvent::SessionsRevoked(_)
        | UserEvent::UserSuspended(_)
        | UserEvent::UserReinstated(_)
        | UserEvent::SubscriptionProvisioned(_)
        | UserEvent::WelcomeEmailSent(_)
        | UserEvent::WelcomeEmailFailed(_)
        | UserEvent::EmailChangeNoticed(_)
        | UserEvent::ErasureRequested(_)
        | UserEvent::ErasureCancelled(_)
        | UserEvent::ErasureCompleted(_)
        | UserEvent::CreatorHandleClaimed(_) => {}
    }
}

fn user_added(user_id: UserId, registered: &UserRegistered, at: Timestamp) -> IdentityChange {
    IdentityChange::UserAdded {
        user_id,
        email: sealed(&registered.email),
        display_name: registered.display_name.as_ref().and_then(sealed),
        provider: registered.provider,
        at,
    }
}

fn user_moved_to(
    user_id: UserId,
    email: &Pii<EmailAddress>,
    at: Timestamp,
    version: Version,
) -> IdentityChange {
    IdentityChange::UserMovedTo { user_id, email: sealed(email), version, at }
}

fn user_shown_as(
    user_id: UserId,
    updated: &ProfileUpdated,
    at: Timestamp,
    version: Version,
) -> IdentityChange {
    IdentityChange::UserShownAs {
        user_id,
        display_name: updated.display_name.as_ref().and_then(sealed),
        avatar_url: updated.avatar_url.as_ref().and_then(sealed),
        version,
        at,
    }
}

fn new_session(
    user_id: UserId,
    opened: &SessionOpened,
    at: Timestamp,
    version: Version,
) -> NewSession {
    NewSession {
        session_id: opened.session_id,
        user_id,
        token_hash: opened.token_hash,
        kind: opened.kind,
        opened_at: at,
        expires_at: opened.expires_at,
        absolute_expires_at: opened.absolute_expires_at,
        device: sealed(&opened.device),
        device_version: version,
        device_class: opened.device_class,
        country: opened.country,
    }
}

/// Returns the ciphertext of a field; the tables never hold anything else of it.
fn sealed(field: &impl PiiSlot) -> Option<Sealed> {
    field.sealed().cloned()
}
