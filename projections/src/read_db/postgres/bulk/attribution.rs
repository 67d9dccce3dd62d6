//! Changes to attribution snapshots, referral codes, clicks and later touches, many at a time.

use whence_events::{AttributionCaptured, Country, DeviceClass, Pii, Timestamp};

use super::{BulkStatement, OnRepeat, Part, RowKey, bytes, columns, text_or_null};
use crate::change::AttributionChange;
use crate::read_db::sql::Sql;

/// Returns the statement that a change is part of.
pub(super) fn part(change: &AttributionChange) -> Part {
    let (statement, id) = match change {
        AttributionChange::SnapshotAdded { user_id, .. } => (&SNAPSHOT_ADDED, user_id.0),
        AttributionChange::Referred { user_id, .. } => (&REFERRED, user_id.0),
        AttributionChange::SnapshotRemoved { user_id } => (&SNAPSHOT_REMOVED, user_id.0),
        AttributionChange::CodeAdded { code, .. } => {
            return Part::of_row(&CODE_ADDED, RowKey::code(code));
        }
        AttributionChange::CodeDisabled { code, .. } => {
            return Part::of_row(&CODE_DISABLED, RowKey::code(code));
        }
        AttributionChange::CodeBlocked { code, .. } => {
            return Part::of_row(&CODE_BLOCKED, RowKey::code(code));
        }
        AttributionChange::Clicked { owner } => (&CLICKED, owner.0),
        AttributionChange::VisitorReturned { touch_id, .. } => (&VISITOR_RETURNED, touch_id.0),
    };
    Part::of_row(statement, RowKey::Id(id))
}

static SNAPSHOT_ADDED: BulkStatement = BulkStatement {
    table: "attributions",
    on_repeat: OnRepeat::Never,
    sql: Sql::new(
        "INSERT INTO {attributions} (user_id, first_referrer_url, first_landing_page,
          utm_source, utm_medium, utm_campaign, utm_term, utm_content, creator_id,
          registration_device, registration_country, created_at)
        SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::text[], $5::text[],
          $6::text[], $7::text[], $8::text[], $9::uuid[], $10::text[], $11::text[], $12::bigint[])",
    ),
    then: None,
    columns: columns!(Attribution, AttributionChange::SnapshotAdded {
        user_id => user_id.0,
        snapshot => referrer(snapshot),
        snapshot => text_or_null(snapshot.first_landing_page.as_ref()),
        snapshot => text_or_null(snapshot.utm_source.as_ref()),
        snapshot => text_or_null(snapshot.utm_medium.as_ref()),
        snapshot => text_or_null(snapshot.utm_campaign.as_ref()),
        snapshot => text_or_null(snapshot.utm_term.as_ref()),
        snapshot => text_or_null(snapshot.utm_content.as_ref()),
        snapshot => snapshot.acquired_via_creator_id.map(|id| id.0),
        snapshot => snapshot.registration_device.map(DeviceClass::as_str),
        snapshot => snapshot.registration_country.as_ref().map(Country::as_str),
        at => at.as_micros(),
    }),
};

fn referrer(snapshot: &AttributionCaptured) -> Option<&[u8]> {
    match &snapshot.first_referrer_url {
        Some(Pii::Sealed(sealed)) => bytes(Some(sealed)),
        Some(Pii::Clear(_) | Pii::Erased) | None => None,
    }
}

static REFERRED: BulkStatement = BulkStatement {
    table: "attributions",
    on_repeat: OnRepeat::LastWins,
    sql: Sql::new(
        "UPDATE {attributions} a
        SET referrer_id = v.referrer_id, referral_code = v.code, attributed_at = v.at
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[])
          AS v (user_id, referrer_id, code, at)
        WHERE a.user_id = v.user_id",
    ),
    then: None,
    columns: columns!(Attribution, AttributionChange::Referred {
        user_id => user_id.0,
        referrer_id => referrer_id.0,
        code => code.as_str(),
        at => at.as_micros(),
    }),
};

static SNAPSHOT_REMOVED: BulkStatement = BulkStatement {
    table: "attributions",
    on_repeat: OnRepeat::Together,
    sql: Sql::new(
        "UPDATE {attributions} SET first_referrer_url = NULL, first_landing_page = NULL,
          utm_source = NULL, utm_medium = NULL, utm_campaign = NULL, utm_term = NULL,
          utm_content = NULL, creator_id = NULL, registration_device = NULL,
          registration_country = NULL
        WHERE user_id = ANY ($1::uuid[])",
    ),
    then: None,
    columns: columns!(Attribution, AttributionChange::SnapshotRemoved { user_id => user_id.0 }),
};

static CODE_ADDED: BulkStatement = BulkStatement {
    table: "referral_codes",
    on_repeat: OnRepeat::Never,
    sql: Sql::new(
        "INSERT INTO {referral_codes} (folded, code, kind, owner, issued_at)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::bigint[])
        ON CONFLICT (folded) DO UPDATE
          SET code = excluded.code, issued_at = excluded.issued_at, disabled_at = NULL",
    ),
    then: None,
    columns: columns!(Attribution, AttributionChange::CodeAdded {
        code => code.folded().as_str().to_owned(),
        code => code.as_str(),
        kind => kind.as_str(),
        owner => owner.0,
        at => at.as_micros(),
    }),
};

static CODE_DISABLED: BulkStatement = BulkStatement {
    table: "referral_codes",
    on_repeat: OnRepeat::Never,
    sql: Sql::new(
        "UPDATE {referral_codes} c SET disabled_at = v.at
        FROM unnest($1::text[], $2::bigint[]) AS v (folded, at)
        WHERE c.folded = v.folded AND c.disabled_at IS NULL",
    ),
    then: None,
    columns: columns!(Attribution, AttributionChange::CodeDisabled {
        code => code.folded().as_str().to_owned(),
        at => at.as_micros(),
    }),
};

static CODE_BLOCKED: BulkStatement = BulkStatement {
    table: "referral_codes",
    on_repeat: OnRepeat::LastWins,
    sql: Sql::new(
        "UPDATE {referral_codes} c SET blocked_at = v.at
        FROM unnest($1::text[], $2::bigint[]) AS v (folded, at)
        WHERE c.folded = v.folded",
    ),
    then: None,
    columns: columns!(Attribution, AttributionChange::CodeBlocked {
        code => code.folded().as_str().to_owned(),
        at => at.map(Timestamp::as_micros),
    }),
};

static CLICKED: BulkStatement = BulkStatement {
    table: "clicks",
    on_repeat: OnRepeat::Together,
    sql: Sql::new(
        "INSERT INTO {clicks} (owner, count)
        SELECT owner, count(*) FROM unnest($1::uuid[]) AS v (owner) GROUP BY owner
        ON CONFLICT (owner) DO UPDATE SET count = clicks.count + excluded.count",
    ),
    then: None,
    columns: columns!(Attribution, AttributionChange::Clicked { owner => owner.0 }),
};

static VISITOR_RETURNED: BulkStatement = BulkStatement {
    table: "visitor_touches",
    on_repeat: OnRepeat::Together,
    sql: Sql::new(
        "INSERT INTO {visitor_touches} (first_touch_id, touch_id)
        SELECT * FROM unnest($1::uuid[], $2::uuid[]) ON CONFLICT DO NOTHING",
    ),
    then: None,
    columns: columns!(Attribution, AttributionChange::VisitorReturned {
        first_touch_id => first_touch_id.0,
        touch_id => touch_id.0,
    }),
};
