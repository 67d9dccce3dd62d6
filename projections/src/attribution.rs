//! Attribution: the snapshots, the referral edges, codes and clicks.

use whence_events::{
    CodeKind, CodeStatus, Country, DeviceClass, Event, Pii, Recorded, ReferralCode, StreamId,
    Timestamp, TouchId, UserEvent, UserId,
};

use crate::change::{AttributionChange, Change};
use crate::projector::Projector;
use crate::read_db::select::{Select, Value};
use crate::read_db::{QueryError, ReadDb};
use crate::schema::{
    IndexSchema, RowSize, TableSchema, bytes, bytewise_text, index, int, text, uuid,
};

/// The attribution snapshot of a user. It is immutable, but for the referral that may come once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The user who referred this one.
    pub referred_by: Option<UserId>,
    /// The code of that referral, as issued.
    pub referral_code: Option<String>,
    /// The page that linked to the first landing, sealed, in event 1 of the user.
    pub first_referrer_url: Option<Pii<String>>,
    /// The path of the first landing.
    pub first_landing_page: Option<String>,
    /// The creator on whose page the first landing was.
    pub acquired_via_creator_id: Option<UserId>,
    /// The `utm_source` of the first touch.
    pub utm_source: Option<String>,
    /// The `utm_medium` of the first touch.
    pub utm_medium: Option<String>,
    /// The `utm_campaign` of the first touch.
    pub utm_campaign: Option<String>,
    /// The `utm_term` of the first touch.
    pub utm_term: Option<String>,
    /// The `utm_content` of the first touch.
    pub utm_content: Option<String>,
    /// The kind of device that registered.
    pub registration_device: Option<DeviceClass>,
    /// The country of the request that registered.
    pub registration_country: Option<Country>,
    /// When the user registered.
    pub created_at: Timestamp,
    /// Whether a referral of this user is still to be decided.
    pub undecided: bool,
}

/// A user as a referrer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferralOverview {
    /// The code that was issued at registration.
    pub primary_code: Option<String>,
    /// The newest code of the user's own choice that is in use.
    pub custom_slug: Option<String>,
    /// The codes of the user that operators disabled, in the order of their issue.
    pub blocked_codes: Vec<String>,
    /// How many users were attributed to this one.
    pub invitees: u64,
    /// How often the links of this user were followed.
    pub clicks: u64,
    /// The user to whom this one was attributed.
    pub inviter: Option<UserId>,
    /// When that was decided.
    pub attributed_at: Option<Timestamp>,
}

/// A user who was attributed to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitee {
    /// The id of the user.
    pub user_id: UserId,
    /// The display name, sealed, and the version of the event of the user in which it is.
    pub display_name: Option<(Pii<String>, u64)>,
    /// When the user registered.
    pub signed_at: Timestamp,
}

static SCHEMA: [TableSchema; 4] = [
    TableSchema {
        name: "attributions",
        columns: &[
            uuid("user_id"),
            bytes("first_referrer_url").or_null(), // sealed, in event 1 of the user
            text("first_landing_page").or_null(),
            text("utm_source").or_null(),
            text("utm_medium").or_null(),
            text("utm_campaign").or_null(),
            text("utm_term").or_null(),
            text("utm_content").or_null(),
            uuid("creator_id").or_null(),
            text("registration_device").or_null(),
            text("registration_country").or_null(),
            int("created_at"),
            uuid("referrer_id").or_null(),
            text("referral_code").or_null(),
            int("attributed_at").or_null(),
        ],
        key: &["user_id"],
        indexes: &[IndexSchema {
            only: Some("referrer_id IS NOT NULL"),
            ..index("attributions_by_referrer", &["referrer_id", "attributed_at"])
        }],
        rows: RowSize::Small,
    },
    TableSchema {
        name: "referral_codes",
        columns: &[
            bytewise_text("folded"), // lower case
            text("code"),            // as issued
            text("kind"),
            uuid("owner"),
            int("issued_at"),
            int("disabled_at").or_null(),
            int("blocked_at").or_null(), // by an operator
        ],
        key: &["folded"],
        indexes: &[index("referral_codes_by_owner", &["owner"])],
        rows: RowSize::Small,
    },
    TableSchema {
        name: "clicks",
        columns: &[uuid("owner"), int("count")],
        key: &["owner"],
        indexes: &[],
        rows: RowSize::Small,
    },
    TableSchema {
        name: "visitor_touches",
        // The second one is of a later touch of the same visitor.
        columns: &[uuid("first_touch_id"), uuid("touch_id")],
        key: &["first_touch_id", "touch_id"],
        indexes: &[],
        rows: RowSize::Small,
    },
];

static SNAPSHOT: Select<Snapshot> = Select::new(
    "SELECT referrer_id, referral_code, first_referrer_url, first_landing_page, creator_id,
            utm_source, utm_medium, utm_campaign, utm_term, utm_content, registration_device,
            registration_country, created_at,
            EXISTS (SELECT 1 FROM {undecided_referrals} u WHERE u.user_id = {1})
     FROM {attributions} WHERE user_id = {1}",
    |row| {
        Ok(Snapshot {
            referred_by: row.uuid_or_null(0)?.map(UserId),
            referral_code: row.string_or_null(1)?,
            first_referrer_url: row.sealed_or_null(2)?,
            first_landing_page: row.string_or_null(3)?,
            acquired_via_creator_id: row.uuid_or_null(4)?.map(UserId),
            utm_source: row.string_or_null(5)?,
            utm_medium: row.string_or_null(6)?,
            utm_campaign: row.string_or_null(7)?,
            utm_term: row.string_or_null(8)?,
            utm_content: row.string_or_null(9)?,
            registration_device: row.text_or_null(10)?.and_then(DeviceClass::parse),
            registration_country: row.text_or_null(11)?.and_then(Country::parse),
            created_at: row.time(12)?,
            undecided: row.flag(13)?,
        })
    },
);

static OVERVIEW: Select<(ReferralOverview, bool)> = Select::new(
    "SELECT
       (SELECT code FROM {referral_codes} WHERE owner = {1} AND kind = {2}
          AND disabled_at IS NULL AND blocked_at IS NULL ORDER BY issued_at DESC, folded LIMIT 1),
       (SELECT code FROM {referral_codes} WHERE owner = {1} AND kind = {3}
          AND disabled_at IS NULL AND blocked_at IS NULL ORDER BY issued_at DESC, folded LIMIT 1),
       (SELECT count(*) FROM {attributions} WHERE referrer_id = {1}),
       coalesce((SELECT count FROM {clicks} WHERE owner = {1}), 0),
       (SELECT referrer_id FROM {attributions} WHERE user_id = {1}),
       (SELECT attributed_at FROM {attributions} WHERE user_id = {1}),
       EXISTS (SELECT 1 FROM {referral_codes} WHERE owner = {1} AND blocked_at IS NOT NULL)",
    |row| {
        let overview = ReferralOverview {
            primary_code: row.string_or_null(0)?,
            custom_slug: row.string_or_null(1)?,
            blocked_codes: Vec::new(),
            invitees: row.number(2)?,
            clicks: row.number(3)?,
            inviter: row.uuid_or_null(4)?.map(UserId),
            attributed_at: row.time_or_null(5)?,
        };
        Ok((overview, row.flag(6)?))
    },
);

static BLOCKED_CODES: Select<String> = Select::new(
    "SELECT code FROM {referral_codes} WHERE owner = {1} AND blocked_at IS NOT NULL
     ORDER BY issued_at, folded",
    |row| row.text(0).map(str::to_owned),
);

static INVITEES: Select<Invitee> = Select::new(
    "SELECT a.user_id, u.display_name, u.profile_version, a.created_at
     FROM {attributions} a LEFT JOIN {users} u ON u.user_id = a.user_id
     WHERE a.referrer_id = {1} ORDER BY a.attributed_at DESC, a.user_id LIMIT {2} OFFSET {3}",
    |row| {
        let version = row.number_or_null(2)?.unwrap_or(0);
        Ok(Invitee {
            user_id: UserId(row.uuid(0)?),
            display_name: row.sealed_or_null(1)?.map(|name| (name, version)),
            signed_at: row.time(3)?,
        })
    },
);

static CREDITED_SINCE: Select<u32> = Select::new(
    "SELECT count(*) FROM {attributions} WHERE referrer_id = {1} AND attributed_at >= {2}",
    |row| row.number(0),
);

static CREDITED_BY: Select<(UserId, Timestamp)> = Select::new(
    "SELECT user_id, attributed_at FROM {attributions}
     WHERE referrer_id = {1} AND referral_code = {2}
     ORDER BY attributed_at DESC, user_id LIMIT {3}",
    |row| Ok((UserId(row.uuid(0)?), row.time(1)?)),
);

static LATER_TOUCHES: Select<TouchId> = Select::new(
    "SELECT touch_id FROM {visitor_touches} WHERE first_touch_id = {1} ORDER BY touch_id",
    |row| row.uuid(0).map(TouchId),
);

impl ReadDb {
    /// Returns the attribution snapshot of a user.
    pub async fn snapshot(&self, user_id: UserId) -> Result<Option<Snapshot>, QueryError> {
        self.first(&SNAPSHOT, &[Value::Uuid(user_id.0)]).await
    }

    /// Returns a user as a referrer.
    pub async fn referral_overview(&self, user_id: UserId) -> Result<ReferralOverview, QueryError> {
        let kinds = [CodeKind::Primary, CodeKind::Custom].map(|kind| Value::Text(kind.as_str()));
        let found = self.first(&OVERVIEW, &[Value::Uuid(user_id.0), kinds[0], kinds[1]]).await?;
        let (mut overview, has_blocked_codes) = found.unwrap_or_default();
        if has_blocked_codes {
            overview.blocked_codes = self.all(&BLOCKED_CODES, &[Value::Uuid(user_id.0)]).await?;
        }
        Ok(overview)
    }

    /// Returns the users who were attributed to a user, the newest first.
    pub async fn invitees(
        &self,
        user_id: UserId,
        limit: u64,
        offset: u64,
    ) -> Result<Vec<Invitee>, QueryError> {
        self.all(&INVITEES, &[Value::Uuid(user_id.0), limit.into(), offset.into()]).await
    }

    /// Returns how many users were attributed to a user since a moment.
    pub async fn credited_since(
        &self,
        user_id: UserId,
        since: Timestamp,
    ) -> Result<u32, QueryError> {
        let found = self.first(&CREDITED_SINCE, &[Value::Uuid(user_id.0), since.into()]).await?;
        Ok(found.unwrap_or(0))
    }

    /// Returns the users who were attributed to a referrer by a code, as issued, and when that was;
    /// the newest first.
    pub async fn credited_by(
        &self,
        referrer: UserId,
        code: &ReferralCode,
        limit: u64,
    ) -> Result<Vec<(UserId, Timestamp)>, QueryError> {
        let values = [Value::Uuid(referrer.0), Value::Text(code.as_str()), limit.into()];
        self.all(&CREDITED_BY, &values).await
    }

    /// Returns the touches of a visitor that came after the first one.
    pub async fn later_touches(&self, first: TouchId) -> Result<Vec<TouchId>, QueryError> {
        self.all(&LATER_TOUCHES, &[Value::Uuid(first.0)]).await
    }
}

/// The projector of attribution.
pub(crate) struct Attribution;

impl Projector for Attribution {
    fn name(&self) -> &'static str {
        "attribution"
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
            (StreamId::User(user_id), Event::User(event)) => {
                changes.extend(user_change(*user_id, event, at).map(Change::from));
            }
            (stream, Event::Touch(touch)) => {
                let touch = touch.touch();
                if let (StreamId::Touch(touch_id), Some(first)) = (stream, touch.first_touch_id)
                    && first != *touch_id
                {
                    let touch_id = *touch_id;
                    let change =
                        AttributionChange::VisitorReturned { first_touch_id: first, touch_id };
                    changes.push(change.into());
                }
                let counts = touch.code_status == CodeStatus::Known;
                if let Some(owner) = touch.owner
                    && counts
                    && !touch.bot
                    && !touch.deduplicated
                {
                    changes.push(AttributionChange::Clicked { owner }.into());
                }
            }
            _ => {}
        }
    }
}

fn user_change(user_id: UserId, event: &UserEvent, at: Timestamp) -> Option<AttributionChange> {
    match event {
        UserEvent::AttributionCapturedV1(_) | UserEvent::AttributionCaptured(_) => {
            let snapshot = Box::new(event.snapshot()?.into_owned());
            Some(AttributionChange::SnapshotAdded { user_id, snapshot, at })
        }
        UserEvent::ReferralAttributed(referral) => Some(AttributionChange::Referred {
            user_id,
            referrer_id: referral.referrer_id,
            code: referral.code.clone(),
            at,
        }),
        UserEvent::ReferralCodeIssued(issued) => Some(AttributionChange::CodeAdded {
            code: issued.code.clone(),
            kind: issued.kind,
            owner: user_id,
            at,
        }),
        UserEvent::ReferralCodeDisabled(disabled) => {
            Some(AttributionChange::CodeDisabled { code: disabled.code.clone(), at })
        }
        UserEvent::ReferralCodeBlocked(blocked) => {
            Some(AttributionChange::CodeBlocked { code: blocked.code.clone(), at: Some(at) })
        }
        UserEvent::ReferralCodeUnblocked(unblocked) => {
            Some(AttributionChange::CodeBlocked { code: unblocked.code.clone(), at: None })
        }
        UserEvent::UserErased(_) => Some(AttributionChange::SnapshotRemoved { user_id }),
        UserEvent::UserRegistered(_)
        | UserEvent::ReferralRefused(_)
        | UserEvent::SessionOpened(_)
        | UserEvent::SessionExtended(_)
        | UserEvent::RefreshRotated(_)
        | UserEvent::SessionRevoked(_)
        | UserEvent::SessionsRevoked(_)
        | UserEvent::UserSuspended(_)
        | UserEvent::UserReinstated(_)
        | UserEvent::SubscriptionProvisioned(_)
        | UserEvent::WelcomeEmailSent(_)
        | UserEvent::WelcomeEmailFailed(_)
        | UserEvent::ProfileUpdated(_)
        | UserEvent::CreatorHandleClaimed(_)
        | UserEvent::EmailChanged(_)
        | UserEvent::EmailChangeUndone(_)
        | UserEvent::EmailChangeNoticed(_)
        | UserEvent::ErasureRequested(_)
        | UserEvent::ErasureCancelled(_)
        | UserEvent::ErasureCompleted(_)
        | UserEvent::BillingCustomerLinked(_) => None,
    }
}
