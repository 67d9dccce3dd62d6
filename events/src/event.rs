//! The enum of all events, and the macro that declares a stream family.

use crate::{
    ApiKeyEvent, AuditEvent, MailboxEvent, NameEvent, PiiSlot, RulesEvent, TouchEvent, UserEvent,
};

/// Any event of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An event of a mailbox stream.
    Mailbox(MailboxEvent),
    /// An event of a user stream.
    User(Box<UserEvent>),
    /// An event of a name stream.
    Name(NameEvent),
    /// An event of a touch stream.
    Touch(Box<TouchEvent>),
    /// An event of a rules stream.
    Rules(RulesEvent),
    /// An event of the audit stream.
    Audit(AuditEvent),
    /// An event of an API key.
    ApiKey(ApiKeyEvent),
    /// An event of a type that this version does not know, because a newer one wrote it. It stops
    /// projectors and is shown as unknown in an audit; it is never taken for another event.
    Unknown {
        /// The stored type.
        event_type: String,
    },
}

impl Event {
    /// Returns the stored type, such as `LoginStarted.v1`.
    #[must_use]
    pub fn event_type(&self) -> &str {
        match self {
            Self::Mailbox(event) => event.event_type(),
            Self::User(event) => event.event_type(),
            Self::Name(event) => event.event_type(),
            Self::Touch(event) => event.event_type(),
            Self::Rules(event) => event.event_type(),
            Self::Audit(event) => event.event_type(),
            Self::ApiKey(event) => event.event_type(),
            Self::Unknown { event_type } => event_type,
        }
    }

    /// Calls `visit` with the name and the slot of every personal field.
    pub fn visit_pii(&mut self, visit: &mut dyn FnMut(&'static str, &mut dyn PiiSlot)) {
        match self {
            Self::Mailbox(event) => event.visit_pii(visit),
            Self::User(event) => event.visit_pii(visit),
            Self::Name(event) => event.visit_pii(visit),
            Self::Touch(event) => event.visit_pii(visit),
            Self::Rules(event) => event.visit_pii(visit),
            Self::Audit(event) => event.visit_pii(visit),
            Self::ApiKey(event) => event.visit_pii(visit),
            Self::Unknown { .. } => {}
        }
    }
}

/// Declares the events of a stream family: the enum, the stored type of each variant, its personal
/// fields in brackets (an optional one followed by `?`), and its bytes.
///
/// One line adds an event type to the codec, the sealing and the schemas.
macro_rules! stream_family {
    ($(#[$doc:meta])* $family:ident {
        $($name:ident = $type:literal [$($pii:tt)*],)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $family { $(
            #[doc = concat!("`", $type, "`")]
            $name($name),
        )+ }

        impl $family {
            /// All stored types of this family.
            pub const TYPES: &'static [&'static str] = &[$($type),+];

            /// Returns the stored type.
            #[must_use]
            pub const fn event_type(&self) -> &'static str {
                match self { $(Self::$name(_) => $type,)+ }
            }

            /// Returns the bytes to store.
            pub(crate) fn encode(&self) -> serde_json::Result<Vec<u8>> {
                match self { $(Self::$name(data) => serde_json::to_vec(data),)+ }
            }

            /// Returns the event of stored bytes; `None` when the type is not of this family.
            pub(crate) fn decode(event_type: &str, data: &[u8]) -> Option<serde_json::Result<Self>> {
                match event_type {
                    $($type => Some(serde_json::from_slice(data).map(Self::$name)),)+
                    _ => None,
                }
            }

            pub(crate) fn visit_pii(
                &mut self,
                visit: &mut dyn FnMut(&'static str, &mut dyn crate::PiiSlot),
            ) {
                // A family without personal fields never calls it.
                let _ = &visit;
                match self { $(
                    Self::$name(data) => {
                        let _ = &data;
                        crate::event::stream_family!(@pii data, visit, $($pii)*);
                    }
                )+ }
            }

            /// Returns the JSON Schema of every type.
            #[cfg(feature = "schema")]
            pub(crate) fn schemas() -> Vec<(&'static str, schemars::Schema)> {
                vec![$(($type, schemars::schema_for!($name)),)+]
            }
        }

        $(impl From<$name> for $family {
            fn from(data: $name) -> Self {
                Self::$name(data)
            }
        })+
    };
    (@pii $data:ident, $visit:ident, ) => {};
    (@pii $data:ident, $visit:ident, $field:ident ? $(, $($rest:tt)*)?) => {
        if let Some(slot) = &mut $data.$field {
            $visit(stringify!($field), slot);
        }
        crate::event::stream_family!(@pii $data, $visit, $($($rest)*)?);
    };
    (@pii $data:ident, $visit:ident, $field:ident $(, $($rest:tt)*)?) => {
        $visit(stringify!($field), &mut $data.$field);
        crate::event::stream_family!(@pii $data, $visit, $($($rest)*)?);
    };
}
pub(crate) use stream_family;

impl From<MailboxEvent> for Event {
    fn from(event: MailboxEvent) -> Self {
        Self::Mailbox(event)
    }
}

impl From<UserEvent> for Event {
    fn from(event: UserEvent) -> Self {
        Self::User(Box::new(event))
    }
}

impl From<NameEvent> for Event {
    fn from(event: NameEvent) -> Self {
        Self::Name(event)
    }
}

impl From<TouchEvent> for Event {
    fn from(event: TouchEvent) -> Self {
        Self::Touch(Box::new(event))
    }
}

impl From<RulesEvent> for Event {
    fn from(event: RulesEvent) -> Self {
        Self::Rules(event)
    }
}

impl From<AuditEvent> for Event {
    fn from(event: AuditEvent) -> Self {
        Self::Audit(event)
    }
}

impl From<ApiKeyEvent> for Event {
    fn from(event: ApiKeyEvent) -> Self {
        Self::ApiKey(event)
    }
}
