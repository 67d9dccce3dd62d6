//! The settings of a session, which are set once it is open: poolers refuse those that a client asks
//! for while it connects.

use tokio_postgres::config::Config;

/// What the server gives up on its own: statements that no caller waits for any more (10 s is far
/// more than any statement should take), waits for locks, and transactions that were left open. A
/// commit that waits for a standby is none of these: nothing ends it, since that would acknowledge
/// what is not replicated.
const SERVER_LIMITS: [&str; 4] = [
    "statement_timeout=10s",
    "lock_timeout=3s",
    "idle_in_transaction_session_timeout=10s",
    // A statement whose client has gone ends, and gives back its locks.
    "client_connection_check_interval=1s",
];

/// Returns the statements that give a new session its settings, each `name=value`: our limits, unless
/// the options of the URL set them, and what the caller needs.
pub(super) fn statements(config: &Config, settings: &[&str]) -> String {
    let own = config.get_options().unwrap_or_default().replace('-', "_");
    let limits = SERVER_LIMITS.iter().filter(|limit| {
        let name = limit.split('=').next().unwrap_or("");
        !own.contains(&format!("{name}="))
    });
    let set = |setting: &&str| {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        format!("SET {name} = '{value}';")
    };
    limits.chain(settings).map(set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements_of(url: &str, settings: &[&str]) -> String {
        statements(&url.parse().unwrap(), settings)
    }

    #[test]
    fn the_url_comes_before_our_limits_and_the_caller_before_the_url() {
        let plain = statements_of("postgres://u@a/db", &["synchronous_commit=off"]);
        assert!(
            plain.starts_with("SET statement_timeout = '10s';SET lock_timeout = '3s';"),
            "{plain}"
        );
        assert!(plain.ends_with("SET synchronous_commit = 'off';"), "{plain}");
        for options in ["-c%20lock_timeout%3D9", "--lock-timeout%3D9"] {
            let url = format!("postgres://u@a/db?options={options}");
            assert!(!statements_of(&url, &[]).contains("lock_timeout"), "{options}");
            let needed = statements_of(&url, &["lock_timeout=60s"]);
            assert!(needed.ends_with("SET lock_timeout = '60s';"), "{needed}");
        }
    }
}
