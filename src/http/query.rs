//! Reading the query of a request.

use super::error::Problem;

/// Returns the number that the query parameter `name` holds, or `None` when it is missing. Of
/// several parameters of that name the first counts.
pub(super) fn number(query: &str, name: &str) -> Result<Option<u64>, Problem> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let found = pairs.find(|(key, _)| key == name);
    found.map(|(_, value)| value.parse().map_err(|_| Problem::InvalidQuery)).transpose()
}
