//! The least version of the server.

use eventstore::Client;

/// The least version, by year and month: it is the first that says when a subscription has caught up.
const LEAST: (u32, u32) = (23, 10);

/// Returns whether the server that a client is connected to is recent enough.
pub(in crate::store::kurrent) async fn has_recent_server(
    client: &Client,
) -> Result<bool, eventstore::Error> {
    let info = client.server_info().await?;
    Ok(is_recent(&info.version().to_string()))
}

/// Returns whether a version, as a server writes it, is recent enough. One that is written in another
/// way is that of a server to come.
pub(super) fn is_recent(version: &str) -> bool {
    let mut parts = version.split(['.', '-', '+', ' ']).map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(year)), Some(Ok(month))) => (year, month) >= LEAST,
        _ => true,
    }
}

/// Returns the least version, for people.
pub(super) fn least() -> String {
    let (year, month) = LEAST;
    format!("{year}.{month}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_year_and_month() {
        for old in ["5.0.11", "20.10.5", "22.10.5", "23.6.0", "23.9", "0.0.0"] {
            assert!(!is_recent(old), "{old}");
        }
        for recent in ["23.10.0", "23.10.8", "23.10.8-nightly", "24.2.0", "25.0.0", "26.0", "next"]
        {
            assert!(is_recent(recent), "{recent}");
        }
    }
}
