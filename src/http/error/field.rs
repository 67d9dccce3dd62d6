//! A field of a body of the portal family that is wrong.

/// A field of a body that is not what it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortalField {
    /// The name of the field.
    pub(crate) name: &'static str,
    /// What it can be, in a sentence.
    pub(crate) why: &'static str,
}
