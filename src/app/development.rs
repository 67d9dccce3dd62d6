//! What a service for people who build against it does otherwise (`--development`).

use whence_events::{EmailAddress, six_digits};

use crate::app::App;
use crate::infra::tokens::OneTimeCode;

/// What the name of a test address begins with; its code follows.
const TEST_PREFIX: &str = "test+";

impl App {
    /// Returns the code of a new login: one that nobody can know before, but in development for a test
    /// address the one that stands in it.
    pub(crate) fn new_code(&self, email: &EmailAddress) -> OneTimeCode {
        let known = self.config.listening.development.then(|| code_in(email)).flatten();
        known.unwrap_or_else(OneTimeCode::generate)
    }
}

/// Returns the code in an address such as `test+123456@example.com`.
fn code_in(email: &EmailAddress) -> Option<OneTimeCode> {
    let digits = email.local_part().strip_prefix(TEST_PREFIX)?;
    let plain = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| six_digits(digits).map(OneTimeCode::from_digits)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(email: &str) -> Option<String> {
        let code = code_in(&EmailAddress::parse(email).unwrap())?;
        Some(code.as_str().to_owned())
    }

    #[test]
    fn only_six_digits_behind_test_are_a_code() {
        assert_eq!(code("test+123456@example.com").as_deref(), Some("123456"));
        assert_eq!(code("TEST+000000@shop.test").as_deref(), Some("000000"));
        for other in [
            "test@example.com",
            "test+12345@example.com",
            "test+1234567@example.com",
            "test+12345a@example.com",
            "test+12-3456@example.com",
            "mytest+123456@example.com",
            "ada+123456@example.com",
            "123456@example.com",
        ] {
            assert_eq!(code(other), None, "{other}");
        }
    }
}
