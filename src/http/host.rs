//! The host that a request is for: exactly one (RFC 9112, section 3.2).

use std::net::Ipv6Addr;

use axum::extract::Request;
use http::Version;
use http::header::HOST;

use crate::app::config::is_local_host;

/// Returns whether a request names exactly one host. HTTP/1.0 need not name one. A target in
/// absolute form names the host as well, and needs the header all the same.
pub(super) fn has_valid_host(request: &Request) -> bool {
    let mut lines = request.headers().get_all(HOST).iter();
    let header = match (lines.next(), lines.next()) {
        (Some(line), None) => is_host(line.as_bytes()),
        (None, _) => request.version() < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    };
    let target = request.uri().authority();
    header && target.is_none_or(|authority| is_host(authority.as_str().as_bytes()))
}

/// Returns whether a request is for this machine by one of its own names.
pub(super) fn has_local_host(request: &Request) -> bool {
    let header = request.headers().get(HOST).and_then(|line| line.to_str().ok());
    let target = request.uri().authority().map(http::uri::Authority::as_str);
    [header, target].into_iter().flatten().all(is_local_host) && header.or(target).is_some()
}

/// Returns whether this is a name or an address, with or without a port. Characters that a URI
/// allows in a name and no name has are refused, above all the comma that joins several values.
fn is_host(text: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(text) else { return false };
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, after)) = rest.split_once(']') else { return false };
            if address.parse::<Ipv6Addr>().is_err() {
                return false;
            }
            ("", after)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_named = text.starts_with('[') || is_name(host);
    is_named && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn is_name(host: &str) -> bool {
    let mut bytes = host.bytes();
    while let Some(byte) = bytes.next() {
        let is_good = match byte {
            b'%' => [bytes.next(), bytes.next()].iter().all(|it| it.is_some_and(is_hex)),
            _ => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'),
        };
        if !is_good {
            return false;
        }
    }
    !host.is_empty()
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit())
        && (port.is_empty() || port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_hosts() {
        for host in [
            "x",
            "localhost:8080",
            "Login.Example.com",
            "a_b.example",
            "127.0.0.1:1",
            "[::1]",
            "[2001:db8::1]:443",
            "x:",
            "xn--bcher-kva.example.",
            "%C3%BC.example",
            "x:65535",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn everything_else_is_none() {
        for host in [
            "",
            ":80",
            "a b",
            "a,b",
            "a, b",
            "user@x",
            "x/y",
            "x?y",
            "x#y",
            "http://x",
            "x:y",
            "x:65536",
            "x:1:2",
            "::1",
            "[::1",
            "[::1]x",
            "[x]",
            "[127.0.0.1]",
            "%",
            "%4",
            "%gg",
            "x\t",
            "<x>",
            "x\\y",
            "x:+1",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
        assert!(!is_host(b"\xff"));
    }
}
