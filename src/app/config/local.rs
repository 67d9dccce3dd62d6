//! The names of this machine, for development.

/// Returns whether a text names this machine by loopback, with or without a port: `localhost:3000`,
/// `127.0.0.1` or `[::1]:8080`.
#[must_use]
pub(crate) fn is_local_host(text: &str) -> bool {
    let names = ["localhost", "127.0.0.1", "[::1]"];
    let begins =
        |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let Some(name) = names.into_iter().find(|name| begins(name)) else { return false };
    match text[name.len()..].strip_prefix(':') {
        Some(port) => port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok(),
        None => text.len() == name.len(),
    }
}

/// Returns whether an origin, as browsers send it, is that of a page of this machine, at any port.
#[must_use]
pub(crate) fn is_local_origin(origin: &[u8]) -> bool {
    let text = std::str::from_utf8(origin).unwrap_or_default();
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    host.is_some_and(is_local_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_of_this_machine_is_local() {
        for host in ["localhost", "LOCALHOST:3000", "127.0.0.1:5173", "[::1]", "[::1]:8080"] {
            assert!(is_local_host(host), "{host}");
        }
        for origin in ["http://localhost:3000", "https://localhost", "http://[::1]:5173"] {
            assert!(is_local_origin(origin.as_bytes()), "{origin}");
        }
    }

    #[test]
    fn what_only_looks_local_is_not() {
        for host in [
            "",
            "localhost.evil.test",
            "localhost.",
            "localhost:",
            "localhost:+80",
            "localhost:65536",
            "localhost:80@evil.test",
            "127.0.0.1.evil.test",
            "127.0.0.10",
            "evil.test",
            "löcalhost",
            "0.0.0.0",
        ] {
            assert!(!is_local_host(host), "{host}");
        }
        for origin in ["null", "localhost:3000", "file://localhost", "http://localhost/", ""] {
            assert!(!is_local_origin(origin.as_bytes()), "{origin}");
        }
        assert!(!is_local_origin(b"http://\xff"));
    }
}
