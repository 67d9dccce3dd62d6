//! Reads the names and tokens of the operators, who may use the operators' API.

use anyhow::{Context as _, ensure};
use whence_events::Hash;

use crate::infra::hash::sha256;

/// The length in characters of the shortest token that is accepted: 128 random bits in base64 have 22.
const MIN_TOKEN_LENGTH: usize = 20;

/// The number of different characters in a token that is accepted: of 20 random hexadecimal digits,
/// one in some hundred has fewer.
const MIN_DIFFERENT: usize = 8;

/// An operator and their token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorConfig {
    /// The name of the operator in the log.
    pub name: String,
    /// The SHA-256 of the token.
    token: Hash,
}

impl OperatorConfig {
    /// Reads `TOKEN`, or `NAME=TOKEN`.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let (name, token) = split(text);
        check_name(name).context("--admin-token")?;
        let printable = token.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(printable, "--admin-token of {name}: printable ASCII without blanks");
        ensure!(
            token.len() >= MIN_TOKEN_LENGTH,
            "--admin-token of {name}: at least {MIN_TOKEN_LENGTH} characters, such as `openssl rand -hex 32` \
             prints"
        );
        let mut different: Vec<u8> = token.bytes().collect();
        different.sort_unstable();
        different.dedup();
        ensure!(
            different.len() >= MIN_DIFFERENT,
            "--admin-token of {name}: at least {MIN_DIFFERENT} different characters, so that nobody \
             guesses it; `openssl rand -hex 32` prints a good one"
        );
        Ok(Self { name: name.to_owned(), token: sha256(token.as_bytes()) })
    }

    /// Returns whether this is the token, in a time that does not depend on how much of it is right.
    #[must_use]
    pub fn has(&self, token: &[u8]) -> bool {
        self.token.same_as(&sha256(token))
    }
}

/// Splits a text into name and token. A token may end in `=`, as base64 does, so that what precedes
/// a `=` is a name only when a token follows.
fn split(text: &str) -> (&str, &str) {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(is_of_a_name);
    match text.split_once('=') {
        Some((name, token)) if is_name(name) && !token.trim_matches('=').is_empty() => {
            (name, token)
        }
        Some(_) | None => ("admin", text),
    }
}

/// Returns the token to send, of a text that may be written as for a service, with a name.
pub(crate) fn token_of(text: &str) -> anyhow::Result<&str> {
    let (_, token) = split(text);
    let one = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    ensure!(one && !token.contains(','), "--admin-token: one token, in printable ASCII");
    Ok(token)
}

/// Requires a name to be one that the log may record.
pub(crate) fn check_name(name: &str) -> anyhow::Result<()> {
    ensure!(name.len() <= 64, "a name has at most 64 characters");
    let plain = !name.is_empty() && name.chars().all(is_of_a_name);
    ensure!(plain, "a name is of letters, digits and . _ - @");
    Ok(())
}

/// Reads all operators, who each have a name of their own.
pub(crate) fn parse_all(texts: &[String]) -> anyhow::Result<Vec<OperatorConfig>> {
    let mut operators: Vec<OperatorConfig> = Vec::with_capacity(texts.len());
    for text in texts {
        let operator = OperatorConfig::parse(text)?;
        let known = operators.iter().any(|known| known.name == operator.name);
        ensure!(!known, "--admin-token: {} is there twice", operator.name);
        operators.push(operator);
    }
    Ok(operators)
}

/// Returns whether a character may be part of a name.
fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_have_a_name_and_may_end_in_equals_signs() {
        let token = "c2VjcmV0c2VjcmV0c2VjcmV0cw==";
        assert_eq!(OperatorConfig::parse(token).unwrap().name, "admin");
        let named = OperatorConfig::parse(&format!("grace={token}")).unwrap();
        assert_eq!(named.name, "grace");
        assert!(named.has(token.as_bytes()) && !named.has(b"another"));
    }

    #[test]
    fn weak_or_doubled_tokens_are_refused() {
        assert!(OperatorConfig::parse("short").is_err());
        assert!(OperatorConfig::parse("grace=short").is_err());
        assert!(OperatorConfig::parse(&"with blank ".repeat(4)).is_err());
        for weak in ["a".repeat(20), "ab".repeat(16), "1234567".repeat(4), "grace=".repeat(9)] {
            assert!(OperatorConfig::parse(&weak).is_err(), "{weak}");
        }
        let twice = ["a=01234567890123456789".to_owned(), "a=98765432109876543210".to_owned()];
        assert!(parse_all(&twice).is_err());
    }
}
