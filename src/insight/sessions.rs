//! The sessions of a user, as their owner and operators see them.

use std::fmt;

use serde::{Deserialize, Serialize};
use whence_events::{
    AuditRead, AuditSubject, Country, DeviceClass, SessionId, SessionKind, StreamId, Timestamp,
    UserId,
};

use super::audit::{AuditError, Show, record};
use crate::engine::Engine;
use crate::engine::handler::Context;

/// The sessions of a user that are in use, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionList {
    /// The sessions.
    pub items: Vec<SessionLine>,
}

/// A session in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLine {
    /// The id of the session, by which it can be ended.
    pub id: SessionId,
    /// The kind of credential that carries it.
    pub kind: SessionKind,
    /// The kind of device that opened it.
    pub device_class: Option<DeviceClass>,
    /// The network of the address that opened it: the rest of the address is masked.
    pub ip: Option<String>,
    /// The country of that address.
    pub country: Option<Country>,
    /// Whether it is the session that asks; operators have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<bool>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was used last, as exactly as uses are recorded.
    pub last_active_at: Timestamp,
}

/// Returns the sessions of a user that are in use, the newest first.
pub async fn sessions(
    engine: &Engine,
    user_id: UserId,
    asking: Option<SessionId>,
    now: Timestamp,
) -> Result<SessionList, AuditError> {
    let stream = StreamId::User(user_id);
    let mut lines = Vec::new();
    for session in engine.read_db.listed_sessions(user_id, now).await? {
        let version = session.device_version;
        let client = engine.vault.open(&stream, version, "device", &session.device).await?;
        let ip = client.and_then(|client| client.ip).map(|ip| Show::Masked.ip(ip));
        lines.push(SessionLine {
            id: session.session_id,
            kind: session.kind,
            device_class: session.device_class,
            ip,
            country: session.country,
            current: asking.map(|asking| asking == session.session_id),
            created_at: session.opened_at,
            last_active_at: session.used_at,
        });
    }
    Ok(SessionList { items: lines })
}

/// Returns the sessions of a user for an operator, after the access is recorded.
pub async fn sessions_on_record(
    engine: &Engine,
    user_id: UserId,
    now: Timestamp,
    context: &Context,
) -> Result<SessionList, AuditError> {
    let list = sessions(engine, user_id, None, now).await?;
    if list.items.is_empty() && engine.read_db.user(user_id).await?.is_none() {
        return Err(AuditError::NoSuchUser);
    }
    let subject = AuditSubject::User;
    let read = AuditRead { subject, user_id: Some(user_id), code: None, personal_data: false };
    record(&engine.handler, read, context).await?;
    Ok(list)
}

/// Writes a line for each session.
impl fmt::Display for SessionList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.items.is_empty() {
            return writeln!(f, "No session is in use.");
        }
        for session in &self.items {
            let class = session.device_class.map_or("unknown device", DeviceClass::as_str);
            let ip = session.ip.as_deref().unwrap_or("unknown address");
            let country = session.country.as_ref().map_or("--", Country::as_str);
            let (id, kind) = (session.id, session.kind);
            let (since, used) = (session.created_at, session.last_active_at);
            writeln!(f, "{id}  {kind}  {class}  {ip}  {country}  since {since}, last used {used}")?;
        }
        Ok(())
    }
}
