//! Names that have one owner for ever: streams `name-code-{code}` and `name-handle-{handle}`.

use serde::{Deserialize, Serialize};

use crate::UserId;
use crate::event::stream_family;

stream_family! {
    /// Facts about one name.
    NameEvent {
        NameReserved = "NameReserved.v1" [],
    }
}

/// The name was taken; appended only where the stream does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NameReserved {
    /// By whom.
    pub owner: UserId,
}
