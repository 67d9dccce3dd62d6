//! Addresses and codes as people type them: what is accepted has one form, which is its own.

use whence_events::{EmailAddress, six_digits};

/// Reads the text as an address and as a code.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(address) = EmailAddress::parse(&text) {
        let again = |text: &str| EmailAddress::parse(text).expect("its own form is an address");
        assert!(again(address.as_str()) == address, "another form");
        assert!(again(&address.shown()) == address, "shown as another one");
        let person = again(&address.person());
        assert_eq!(person.as_str(), address.person(), "a person has another form");
        assert_eq!(person.person(), person.as_str(), "a person is another one");
    }
    if let Some(code) = six_digits(&text) {
        assert!(code.iter().all(u8::is_ascii_digit), "no digits");
        let found = text.chars().filter(|c| c.is_numeric()).count();
        assert_eq!(found, 6, "other digits are overlooked");
    }
}

/// Returns whether the input is an address.
#[must_use]
pub fn accepts(data: &[u8]) -> bool {
    EmailAddress::parse(&String::from_utf8_lossy(data)).is_ok()
}
