//! Changes to the keys of back-ends, many at a time.

use whence_events::Timestamp;

use super::{BulkStatement, OnRepeat, Part, RowKey, columns, text};
use crate::change::ApiKeyChange;
use crate::read_db::sql::Sql;

/// Returns the statement that a change is part of.
pub(super) fn part(change: &ApiKeyChange) -> Part {
    let (statement, id) = match change {
        ApiKeyChange::Issued { api_key_id, .. } => (&ISSUED, api_key_id),
        ApiKeyChange::Rotated { api_key_id, .. } => (&ROTATED, api_key_id),
        ApiKeyChange::GraceEnded { api_key_id, .. } => (&GRACE_ENDED, api_key_id),
        ApiKeyChange::Revoked { api_key_id, .. } => (&REVOKED, api_key_id),
        ApiKeyChange::Used { api_key_id, .. } => (&USED, api_key_id),
    };
    Part::of_row(statement, RowKey::Id(id.0))
}

static ISSUED: BulkStatement = BulkStatement {
    table: "api_keys",
    on_repeat: OnRepeat::Never,
    sql: Sql::new(
        "INSERT INTO {api_keys} (api_key_id, name, scopes, issued_by, issued_at, expires_at)
        SELECT * FROM
          unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])",
    ),
    then: None,
    columns: columns!(ApiKey, ApiKeyChange::Issued {
        api_key_id => api_key_id.0,
        key => text(&key.name),
        key => &*key.scopes,
        key => text(&key.issued_by),
        at => at.as_micros(),
        key => key.expires_at.map(Timestamp::as_micros),
    }),
};

static ROTATED: BulkStatement = BulkStatement {
    table: "api_keys",
    on_repeat: OnRepeat::LastWins,
    sql: Sql::new(
        "UPDATE {api_keys} k SET rotated_at = v.at, previous_until = v.previous_until
        FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS v (api_key_id, at, previous_until)
        WHERE k.api_key_id = v.api_key_id",
    ),
    then: None,
    columns: columns!(ApiKey, ApiKeyChange::Rotated {
        api_key_id => api_key_id.0,
        at => at.as_micros(),
        previous_until => previous_until.as_micros(),
    }),
};

static GRACE_ENDED: BulkStatement = BulkStatement {
    table: "api_keys",
    on_repeat: OnRepeat::LastWins,
    sql: Sql::new(
        "UPDATE {api_keys} k SET previous_until = v.previous_until
        FROM unnest($1::uuid[], $2::bigint[]) AS v (api_key_id, previous_until)
        WHERE k.api_key_id = v.api_key_id",
    ),
    then: None,
    columns: columns!(ApiKey, ApiKeyChange::GraceEnded {
        api_key_id => api_key_id.0,
        previous_until => previous_until.as_micros(),
    }),
};

static REVOKED: BulkStatement = BulkStatement {
    table: "api_keys",
    on_repeat: OnRepeat::LastWins,
    sql: Sql::new(
        "UPDATE {api_keys} k SET revoked_at = v.at
        FROM unnest($1::uuid[], $2::bigint[]) AS v (api_key_id, at)
        WHERE k.api_key_id = v.api_key_id",
    ),
    then: None,
    columns: columns!(ApiKey, ApiKeyChange::Revoked { api_key_id => api_key_id.0, at => at.as_micros() }),
};

static USED: BulkStatement = BulkStatement {
    table: "api_keys",
    on_repeat: OnRepeat::LastWins,
    sql: Sql::new(
        "UPDATE {api_keys} k SET last_used_day = v.day
        FROM unnest($1::uuid[], $2::text[]) AS v (api_key_id, day)
        WHERE k.api_key_id = v.api_key_id",
    ),
    then: None,
    columns: columns!(ApiKey, ApiKeyChange::Used { api_key_id => api_key_id.0, day => text(day) }),
};
