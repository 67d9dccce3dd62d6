//! The id by which a billing system knows a user.

/// The id of a customer of a billing system: visible ASCII without an `@`, because an e-mail address
/// would be personal data in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingCustomerId(String);

/// The text is not the id of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a customer is 1 to 255 visible ASCII characters without @")]
pub struct InvalidBillingCustomer;

impl BillingCustomerId {
    /// The length of an id at most, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Parses an id, with white space around it removed; `None` for an empty text, which links the user
    /// to no customer.
    pub fn parse(text: &str) -> Result<Option<Self>, InvalidBillingCustomer> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let visible = text.bytes().all(|b| b.is_ascii_graphic() && b != b'@');
        if visible && text.len() <= Self::MAX_BYTES {
            Ok(Some(Self(text.to_owned())))
        } else {
            Err(InvalidBillingCustomer)
        }
    }

    /// Returns the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_visible_and_no_address() {
        for id in ["cus_NffrFeUfNV2Hib", "42", "a/b:c.d-e_f", &"x".repeat(255)] {
            let parsed = BillingCustomerId::parse(&format!(" {id}\n")).unwrap().unwrap();
            assert_eq!(parsed.as_str(), id);
        }
        assert_eq!(BillingCustomerId::parse(" "), Ok(None));
        for bad in ["a b", "é", "a\0b", "ada@example.com", "a\u{200b}b", &"x".repeat(256)] {
            assert_eq!(BillingCustomerId::parse(bad), Err(InvalidBillingCustomer), "{bad:?}");
        }
    }
}
