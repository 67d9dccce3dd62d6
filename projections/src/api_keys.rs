//! The keys of back-ends, as operators list them. No secret and no hash of one is in here: a request
//! with a key is checked against the log.

use whence_events::{
    ApiKeyEvent, ApiKeyId, ApiKeyScope, Event, Metadata, Recorded, StreamId, Timestamp,
};

use crate::change::{ApiKeyChange, Change, NewApiKey};
use crate::projector::Projector;
use crate::read_db::select::{Row, Select, Value, known};
use crate::read_db::{QueryError, ReadDb};
use crate::schema::{RowSize, TableSchema, int, text, uuid};

/// A key of a back-end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyView {
    /// The id of the key.
    pub api_key_id: ApiKeyId,
    /// The name that operators know the key by.
    pub name: String,
    /// What the key may be used for.
    pub scopes: Vec<ApiKeyScope>,
    /// The actor who issued the key, as events name them.
    pub issued_by: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When it got its newest secret, unless that is the first one.
    pub rotated_at: Option<Timestamp>,
    /// The time from which no earlier secret counts.
    pub previous_until: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The last day on which it was used (UTC), as in `2026-11-28`.
    pub last_used_day: Option<String>,
}

static SCHEMA: [TableSchema; 1] = [TableSchema {
    name: "api_keys",
    columns: &[
        uuid("api_key_id"),
        text("name"),
        text("scopes"), // with spaces between them
        text("issued_by"),
        int("issued_at"),
        int("expires_at").or_null(),
        int("rotated_at").or_null(),
        int("previous_until").or_null(),
        int("revoked_at").or_null(),
        text("last_used_day").or_null(),
    ],
    key: &["api_key_id"],
    indexes: &[],
    rows: RowSize::Small,
}];

static API_KEYS: Select<ApiKeyView> = Select::new(
    "SELECT api_key_id, name, scopes, issued_by, issued_at, expires_at, rotated_at, previous_until,
       revoked_at, last_used_day
     FROM {api_keys} ORDER BY issued_at, api_key_id LIMIT {1}",
    view,
);

static API_KEY: Select<ApiKeyView> = Select::new(
    "SELECT api_key_id, name, scopes, issued_by, issued_at, expires_at, rotated_at, previous_until,
       revoked_at, last_used_day
     FROM {api_keys} WHERE api_key_id = {1}",
    view,
);

fn view(row: &dyn Row) -> Result<ApiKeyView, QueryError> {
    let scopes = row.text(2)?.split_whitespace().map(|scope| known(ApiKeyScope::parse(scope)));
    Ok(ApiKeyView {
        api_key_id: ApiKeyId(row.uuid(0)?),
        name: row.text(1)?.to_owned(),
        scopes: scopes.collect::<Result<_, _>>()?,
        issued_by: row.text(3)?.to_owned(),
        issued_at: row.time(4)?,
        expires_at: row.time_or_null(5)?,
        rotated_at: row.time_or_null(6)?,
        previous_until: row.time_or_null(7)?,
        revoked_at: row.time_or_null(8)?,
        last_used_day: row.string_or_null(9)?,
    })
}

impl ReadDb {
    /// Returns up to `limit` keys, also revoked ones, the oldest first.
    pub async fn api_keys(&self, limit: u64) -> Result<Vec<ApiKeyView>, QueryError> {
        self.all(&API_KEYS, &[limit.into()]).await
    }

    /// Returns a key.
    pub async fn api_key(&self, id: ApiKeyId) -> Result<Option<ApiKeyView>, QueryError> {
        self.first(&API_KEY, &[Value::Uuid(id.0)]).await
    }
}

/// The projector of the keys of back-ends.
pub(crate) struct ApiKeys;

impl Projector for ApiKeys {
    fn name(&self) -> &'static str {
        "api-keys"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> &'static [TableSchema] {
        &SCHEMA
    }

    fn project(&self, recorded: &Recorded, changes: &mut Vec<Change>) {
        if let (StreamId::ApiKey(id), Event::ApiKey(event)) = (&recorded.stream, &recorded.event) {
            changes.push(change(*id, event, &recorded.metadata).into());
        }
    }
}

fn change(api_key_id: ApiKeyId, event: &ApiKeyEvent, metadata: &Metadata) -> ApiKeyChange {
    let at = metadata.occurred_at;
    match event {
        ApiKeyEvent::ApiKeyIssued(issued) => {
            let scopes: Vec<_> = issued.scopes.iter().map(|scope| scope.as_str()).collect();
            let key = NewApiKey {
                name: issued.name.clone(),
                scopes: scopes.join(" "),
                issued_by: metadata.actor.to_string(),
                expires_at: issued.expires_at,
            };
            ApiKeyChange::Issued { api_key_id, key: Box::new(key), at }
        }
        ApiKeyEvent::ApiKeyRotated(rotated) => {
            let previous_until = rotated.previous_until;
            ApiKeyChange::Rotated { api_key_id, previous_until, at }
        }
        ApiKeyEvent::ApiKeyGraceEnded(ended) => {
            ApiKeyChange::GraceEnded { api_key_id, previous_until: ended.ended_at }
        }
        ApiKeyEvent::ApiKeyRevoked(_) => ApiKeyChange::Revoked { api_key_id, at },
        ApiKeyEvent::ApiKeyUsed(used) => ApiKeyChange::Used { api_key_id, day: used.day.clone() },
    }
}
