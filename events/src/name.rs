//! The events of a name, which keeps its owner permanently: streams `name-code-{code}` and
//! `name-handle-{handle}`.

use serde::{Deserialize, Serialize};

use crate::UserId;
use crate::event::stream_family;

stream_family! {
    /// The events of a name stream.
    NameEvent {
        NameReserved = "NameReserved.v1" [],
    }
}

/// The name was reserved; it is appended only where the stream does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NameReserved {
    /// The user who owns the name.
    pub owner: UserId,
}
