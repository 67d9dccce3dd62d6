//! Users, and what they may do.
#![expect(clippy::result_large_err, reason = "the error of gRPC is what it is")]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::log::Log;
use super::status;

/// The group that may do everything.
const ADMINS: &str = "$admins";

/// The group of all users.
const ALL_USERS: &str = "$all";

/// One who may log in.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) groups: Vec<String>,
}

/// Whose call it is.
#[derive(Clone)]
pub(crate) enum Caller {
    /// There are no users on this server: everybody may do everything.
    Everybody,
    /// A call without a name and a password.
    Nobody,
    /// A user.
    User(User),
}

/// What a caller wants to do with a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Returns whose call it is by its headers.
pub(crate) fn caller(users: &[User], metadata: &MetadataMap) -> Result<Caller, Status> {
    if users.is_empty() {
        return Ok(Caller::Everybody);
    }
    let Some(header) = metadata.get("authorization") else { return Ok(Caller::Nobody) };
    let credentials = header.to_str().ok().and_then(|header| header.strip_prefix("Basic "));
    let credentials = credentials.and_then(|text| BASE64_STANDARD.decode(text).ok());
    let credentials = credentials.and_then(|bytes| String::from_utf8(bytes).ok());
    let named = credentials.as_deref().and_then(|text| text.split_once(':'));
    let (name, password) = named.ok_or_else(status::unauthenticated)?;
    let user = users.iter().find(|user| user.name == name && user.password == password);
    user.cloned().map(Caller::User).ok_or_else(status::unauthenticated)
}

impl Caller {
    /// Refuses what the list of a stream, or the rules for streams without one, do not allow.
    pub(crate) fn check(&self, log: &Log, stream: &str, access: Access) -> Result<(), Status> {
        let user = match self {
            Self::Everybody => return Ok(()),
            Self::Nobody => return Err(status::access_denied()),
            Self::User(user) => user,
        };
        // What describes a stream is for those who may do anything with the stream.
        let described = stream.strip_prefix("$$").unwrap_or(stream);
        let named = match access {
            Access::Read => log.readers(described),
            Access::Write => log.writers(described),
        };
        let named = named.unwrap_or_else(|| {
            let group = if described.starts_with('$') { ADMINS } else { ALL_USERS };
            vec![group.to_owned()]
        });
        let is_allowed = named.iter().any(|name| {
            *name == user.name || name == ALL_USERS || user.groups.iter().any(|group| group == name)
        });
        let is_admin = user.groups.iter().any(|group| group == ADMINS);
        if is_allowed || is_admin { Ok(()) } else { Err(status::access_denied()) }
    }
}
