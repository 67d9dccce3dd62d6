//! Forwarded headers: whatever a client sends, it is what the proxy says that counts.

use std::net::IpAddr;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use whence::app::client_address::ClientAddress;
use whence::app::config::{AddressHeader, ListeningConfig};
use whence::http::client_address;

/// The trusted proxy.
const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3));

/// The address that the proxy sees the client at.
const CLIENT: &str = "203.0.113.77";

/// The services: one for each way in which a proxy tells the client's address.
static SERVICES: LazyLock<Vec<ListeningConfig>> = LazyLock::new(|| {
    let headers = ["x-forwarded-for", "forwarded", "cf-connecting-ip", "cloudfront"];
    headers.into_iter().map(service).collect()
});

fn service(header: &str) -> ListeningConfig {
    let listen = "127.0.0.1:0".parse().expect("an address");
    let mut listening = ListeningConfig::new(listen).expect("a URL");
    listening.trusted_proxies.push("10.0.0.0/8".parse().expect("a network"));
    listening.client_headers.address = Some(AddressHeader::parse(header).expect("a header"));
    listening
}

/// Reads lines of a header that the client sends, each as every header that tells an address.
pub fn run(data: &[u8]) {
    for listening in SERVICES.iter() {
        let mut headers = of_the_client(data);
        // Read alone, no line does harm.
        let _ = client_address(PROXY, &headers, listening);
        let said = ClientAddress::Known(CLIENT.parse().expect("an address"));
        add_as_the_proxy(&mut headers, listening);
        assert_eq!(client_address(PROXY, &headers, listening), said);
        // A peer that is no proxy is the client, whatever it sends.
        let other: IpAddr = [198, 51, 100, 7].into();
        assert_eq!(client_address(other, &headers, listening), ClientAddress::Known(other));
    }
}

/// Returns whether the lines alone name a client that would be believed of a proxy.
#[must_use]
pub fn accepts(data: &[u8]) -> bool {
    let headers = of_the_client(data);
    SERVICES.iter().any(|listening| client_address(PROXY, &headers, listening).ip().is_some())
}

/// Returns the headers of a client that sends these lines.
fn of_the_client(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let names = ["x-forwarded-for", "forwarded", "cf-connecting-ip", "cloudfront-viewer-address"];
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        for name in names {
            headers.append(HeaderName::from_static(name), value.clone());
        }
    }
    headers
}

/// Does what a proxy does: it adds to the last line of a list as it is, and replaces any other header.
fn add_as_the_proxy(headers: &mut HeaderMap, listening: &ListeningConfig) {
    let (name, word) = match &listening.client_headers.address {
        Some(AddressHeader::Forwarded) => {
            (HeaderName::from_static("forwarded"), format!("for={CLIENT}"))
        }
        Some(AddressHeader::List(name)) => (name.clone(), CLIENT.to_owned()),
        Some(AddressHeader::Single(name)) => return replace(headers, name, CLIENT),
        Some(AddressHeader::WithPort(name)) => {
            return replace(headers, name, &format!("{CLIENT}:443"));
        }
        None => return,
    };
    let mut lines: Vec<Vec<u8>> =
        headers.get_all(&name).into_iter().map(|line| line.as_bytes().to_vec()).collect();
    let mut last = lines.pop().unwrap_or_default();
    if !last.is_empty() {
        last.extend_from_slice(b", ");
    }
    last.extend_from_slice(word.as_bytes());
    lines.push(last);
    headers.remove(&name);
    for line in lines {
        headers.append(&name, HeaderValue::from_bytes(&line).expect("it was a header"));
    }
}

fn replace(headers: &mut HeaderMap, name: &HeaderName, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).expect("a header"));
}
