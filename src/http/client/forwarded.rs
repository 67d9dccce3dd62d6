//! The headers in which proxies tell the address of their client.
//!
//! A client may send any of these headers itself, with any bytes, and a proxy passes on or adds to
//! what it was sent. So they are read as bytes, from the end that the nearest proxy wrote, and no
//! farther than each hop is vouched for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderName};

use crate::app::config::AddressHeader;

/// The number of proxies in one list that are read; a list of more has no client.
const MAX_HOPS: usize = 32;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Headers that only proxies have a reason to send, besides all that begin with `x-forwarded-`.
const OF_PROXIES: [&str; 10] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-vercel-forwarded-for",
    "true-client-ip",
    "cf-connecting-ip",
    "cloudfront-viewer-address",
];

/// Returns whether a request has a header that only proxies have a reason to send.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers
        .keys()
        .map(HeaderName::as_str)
        .any(|name| name.starts_with("x-forwarded-") || OF_PROXIES.contains(&name))
}

/// Returns the client that a trusted proxy names in this header. `None` of `header` is the default:
/// `X-Forwarded-For`, when there is no `Forwarded` beside it.
pub(super) fn client(
    headers: &HeaderMap,
    header: Option<&AddressHeader>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    match header {
        None if headers.contains_key(http::header::FORWARDED) => None,
        None => walk(hops(headers, &X_FORWARDED_FOR, false), parse_hop, is_trusted),
        Some(AddressHeader::List(name)) => walk(hops(headers, name, false), parse_hop, is_trusted),
        Some(AddressHeader::Forwarded) => {
            walk(hops(headers, &http::header::FORWARDED, true), forwarded_for, is_trusted)
        }
        Some(AddressHeader::Single(name)) => only(headers, name).and_then(parse_hop),
        Some(AddressHeader::WithPort(name)) => only(headers, name).and_then(parse_with_port),
    }
}

/// Returns the value of a header that has one line; of several, none is known to be the proxy's.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    lines.next().is_none().then(|| first.as_bytes().trim_ascii())
}

/// Returns the nearest hop that is not a trusted proxy, or the farthest one when all are. A hop that
/// is no address ends the walk without a client: nothing vouches for what is beyond it.
fn walk<'a>(
    hops: impl Iterator<Item = &'a [u8]>,
    parse: impl Fn(&[u8]) -> Option<IpAddr>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let mut farthest = None;
    for (number, hop) in hops.enumerate() {
        let hop = if number < MAX_HOPS { parse(hop)? } else { return None };
        if !is_trusted(hop) {
            return Some(hop);
        }
        farthest = Some(hop);
    }
    farthest
}

/// Returns the elements of all lines of a list, the nearest first.
fn hops<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    quoted: bool,
) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter().rev();
    lines.flat_map(move |line| FromTheRight { rest: Some(line.as_bytes()), quoted })
}

/// The elements of one line, the last first. What a proxy appended is found whatever stands before
/// it, such as a quote that the client opened and did not close.
struct FromTheRight<'a> {
    rest: Option<&'a [u8]>,
    /// Whether a comma between double quotes is part of an element.
    quoted: bool,
}

impl<'a> Iterator for FromTheRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let mut inside = false;
        for (at, byte) in rest.iter().enumerate().rev() {
            match byte {
                b'"' if self.quoted && !is_escaped(rest, at) => inside = !inside,
                b',' if !inside => {
                    self.rest = Some(&rest[..at]);
                    return Some(rest[at + 1..].trim_ascii());
                }
                _ => {}
            }
        }
        Some(rest.trim_ascii())
    }
}

/// Returns whether an odd number of backslashes stands before a byte.
fn is_escaped(bytes: &[u8], at: usize) -> bool {
    bytes[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Returns the address of `for=` in one element of `Forwarded`. `unknown` and obfuscated identifiers
/// such as `_hidden` are no addresses.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut inside = false;
    let parameters = element.split(|byte| {
        inside ^= *byte == b'"';
        *byte == b';' && !inside
    });
    let mut found = parameters.filter_map(|parameter| {
        let equals = parameter.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (&parameter[..equals], &parameter[equals + 1..]);
        name.trim_ascii().eq_ignore_ascii_case(b"for").then(|| value.trim_ascii())
    });
    let (value, None) = (found.next()?, found.next()) else { return None };
    let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    parse_hop(bare.unwrap_or(value))
}

/// Parses an address, with or without a port; an IPv6 address with a port is in brackets.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?;
    if let Some(rest) = hop.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        let address: Ipv6Addr = address.parse().ok()?;
        return is_port.then(|| IpAddr::V6(address).to_canonical());
    }
    if let Some((address, port)) = hop.split_once(':')
        && let Ok(address) = address.parse::<Ipv4Addr>()
    {
        return is_port(port).then_some(IpAddr::V4(address));
    }
    hop.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

/// Returns whether a text is a port, which `Forwarded` may also hide behind a name.
fn is_port(text: &str) -> bool {
    let hidden = text.strip_prefix('_').is_some_and(|name| !name.is_empty());
    hidden || text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// Parses an address behind which there is always a port.
fn parse_with_port(value: &[u8]) -> Option<IpAddr> {
    let colon = value.iter().rposition(|byte| *byte == b':')?;
    let (address, port) = (&value[..colon], std::str::from_utf8(&value[colon + 1..]).ok()?);
    let bare = address.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    let address: IpAddr = std::str::from_utf8(bare.unwrap_or(address)).ok()?.parse().ok()?;
    is_port(port).then(|| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::app::config::ClientHeaders;

    /// Returns the client that these lines name behind proxies of 10.0.0.0/8, by this setting.
    fn client_by(setting: Option<&str>, lines: &[(&'static str, &[u8])]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        let setting = ClientHeaders::parse(setting, None).unwrap().address;
        let is_trusted = |ip| matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 10);
        client(&headers, setting.as_ref(), is_trusted).map(|ip| ip.to_string())
    }

    #[track_caller]
    fn check(setting: Option<&str>, lines: &[(&'static str, &[u8])], client: &str) {
        let found = client_by(setting, lines);
        assert_eq!(found.as_deref().unwrap_or("unknown"), client, "{lines:?}");
    }

    #[test]
    fn the_nearest_hop_that_is_no_proxy_of_ours_is_the_client() {
        let xff = |lines: &[&'static str], client| {
            let lines: Vec<_> =
                lines.iter().map(|line| ("x-forwarded-for", line.as_bytes())).collect();
            check(None, &lines, client);
            check(Some("x-forwarded-for"), &lines, client);
        };
        xff(&["1.1.1.1, 2.2.2.2"], "2.2.2.2");
        xff(&["1.1.1.1", "2.2.2.2:80"], "2.2.2.2");
        xff(&["1.1.1.1, 2.2.2.2", "10.0.0.1 , 10.0.0.2:5"], "2.2.2.2");
        xff(&["2001:db8::1"], "2001:db8::1");
        xff(&["[2001:db8::1]:443, 10.1.1.1"], "2001:db8::1");
        xff(&["::ffff:2.2.2.2"], "2.2.2.2");
        xff(&["10.0.0.9,10.0.0.1"], "10.0.0.9");
        xff(&[], "unknown");
    }

    #[test]
    fn a_hop_that_is_no_address_ends_the_walk() {
        for hop in [
            &b"unknown"[..],
            b"",
            b"_x",
            b"\xff",
            b"2.2.2",
            b"2.2.2.2:",
            b"2.2.2.2:99999",
            b"2.2.2.2:8x",
            b"[::1",
            b"[::1]x",
            b"[2.2.2.2]",
            b"fe80::1%eth0",
            b"unix:",
            b"\"2.2.2.2\"",
            b"2.2.2.2 3.3.3.3",
        ] {
            let line = [b"9.9.9.9, ", hop, b", 10.0.0.1"].concat();
            check(None, &[("x-forwarded-for", &line)], "unknown");
            // A proxy's own word behind it counts.
            let line = [b"9.9.9.9, ", hop, b", 2.2.2.2"].concat();
            check(None, &[("x-forwarded-for", &line)], "2.2.2.2");
            check(None, &[("x-forwarded-for", hop), ("x-forwarded-for", b"2.2.2.2")], "2.2.2.2");
        }
        let many = vec!["10.0.0.1"; MAX_HOPS].join(",");
        check(None, &[("x-forwarded-for", format!("9.9.9.9,{many}").as_bytes())], "unknown");
    }

    #[test]
    fn forwarded_is_read_when_it_is_named_and_as_rfc_7239_writes_it() {
        let read = |line: &str, client| {
            let lines = [("forwarded", line.as_bytes()), ("x-forwarded-for", b"9.9.9.9")];
            check(Some("forwarded"), &lines, client);
        };
        read(
            r#"for=192.0.2.60;proto=http, For="[2001:db8::17]:4711";by=203.0.113.43"#,
            "2001:db8::17",
        );
        read("for=192.0.2.60:_x;by=unknown", "192.0.2.60");
        read(r#"for=192.0.2.60;host="a, for=9.9.9.9", for=10.0.0.1"#, "192.0.2.60");
        read(r#"for=192.0.2.60;host="a\", for=9.9.9.9", for=10.0.0.1"#, "192.0.2.60");
        for hidden in
            ["for=_hidden", "for=unknown", "proto=http", "for=", "for=192.0.2.1;for=192.0.2.2"]
        {
            read(&format!("for=9.9.9.9, {hidden}"), "unknown");
        }
        // What the client left open does not reach what the proxy appended.
        read(r#"for=9.9.9.9;host=", for=192.0.2.60"#, "192.0.2.60");
        let lines: [(&str, &[u8]); 2] =
            [("forwarded", b"for=\""), ("forwarded", b"for=192.0.2.60")];
        check(Some("forwarded"), &lines, "192.0.2.60");
    }

    #[test]
    fn only_the_header_that_is_named_is_read() {
        let all: [(&str, &[u8]); 3] = [
            ("x-forwarded-for", b"1.1.1.1"),
            ("forwarded", b"for=2.2.2.2"),
            ("x-real-ip", b"3.3.3.3"),
        ];
        check(Some("x-forwarded-for"), &all, "1.1.1.1");
        check(Some("forwarded"), &all, "2.2.2.2");
        check(Some("X-Real-IP"), &all, "3.3.3.3");
        check(Some("cloudflare"), &all, "unknown");
        // By default one of the two is the client's own, and nothing tells which.
        check(None, &all, "unknown");
        check(None, &all[1..], "unknown");
    }

    #[test]
    fn a_header_with_one_address_has_one_line() {
        let name = "cf-connecting-ip";
        check(Some("cloudflare"), &[(name, b" 2001:db8::1 ")], "2001:db8::1");
        check(Some("cloudflare"), &[(name, b"1.1.1.1"), (name, b"2.2.2.2")], "unknown");
        check(Some("cloudflare"), &[(name, b"1.1.1.1, 2.2.2.2")], "unknown");
        let viewer = "cloudfront-viewer-address";
        check(Some("cloudfront"), &[(viewer, b"198.51.100.10:46532")], "198.51.100.10");
        check(Some("cloudfront"), &[(viewer, b"2001:db8::a:46532")], "2001:db8::a");
        check(Some("cloudfront"), &[(viewer, b"[2001:db8::a]:46532")], "2001:db8::a");
        check(Some("cloudfront"), &[(viewer, b"198.51.100.10")], "unknown");
        check(Some("vercel"), &[("x-vercel-forwarded-for", b"9.9.9.9, 1.1.1.1")], "1.1.1.1");
    }

    proptest! {
        /// What a client sends never changes what the proxy behind it says.
        #[test]
        fn a_client_cannot_reach_the_hop_of_its_proxy(
            sent in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4),
            appended in any::<bool>(),
        ) {
            for (setting, name, own) in [
                ("x-forwarded-for", "x-forwarded-for", "203.0.113.7"),
                ("forwarded", "forwarded", "for=203.0.113.7;host=\"a,b\";proto=https"),
            ] {
                let sent = sent.iter().filter(|line| HeaderValue::from_bytes(line).is_ok());
                let mut lines: Vec<Vec<u8>> = sent.cloned().collect();
                match lines.last_mut() {
                    Some(last) if appended => last.extend([b", ", own.as_bytes()].concat()),
                    _ => lines.push(own.as_bytes().to_vec()),
                }
                let lines: Vec<_> = lines.iter().map(|line| (name, &line[..])).collect();
                let found = client_by(Some(setting), &lines);
                prop_assert_eq!(found.as_deref(), Some("203.0.113.7"));
            }
        }
    }
}
