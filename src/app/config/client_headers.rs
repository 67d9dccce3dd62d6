//! The headers in which a trusted proxy tells the address and the country of the client.

use std::str::FromStr as _;

use anyhow::{Context as _, bail};
use http::HeaderName;

/// The headers that are read of a trusted proxy. No other header counts.
#[derive(Clone, Debug, Default)]
pub struct ClientHeaders {
    /// The header of the client's address. `None` reads `X-Forwarded-For`, but not of a request that
    /// has `Forwarded` too: one of the two is the client's own, and nothing tells which.
    pub address: Option<AddressHeader>,
    /// The header of the client's country. `None` reads none.
    pub country: Option<HeaderName>,
    /// The network in front of the service, whose headers about the device count.
    pub cdn: Option<Cdn>,
}

/// A content delivery network that says what device the client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cdn {
    /// Cloudflare, which sends `CF-Device-Type`.
    Cloudflare,
    /// Amazon CloudFront, which sends `CloudFront-Is-Mobile-Viewer` and its kin.
    CloudFront,
}

/// A header with the address of the client, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressHeader {
    /// A list to which each proxy adds the address of its own peer.
    List(HeaderName),
    /// `Forwarded` (RFC 7239): the same, as `for=` in each element.
    Forwarded,
    /// One address, with or without a port.
    Single(HeaderName),
    /// One address and always a port, which an IPv6 address has without brackets before it.
    WithPort(HeaderName),
}

impl AddressHeader {
    /// Returns the header of a name, or of one of the ready values `forwarded`, `cloudflare`, `vercel`
    /// and `cloudfront`.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let name = match text.to_ascii_lowercase().as_str() {
            "cloudflare" => HeaderName::from_static("cf-connecting-ip"),
            "vercel" => HeaderName::from_static("x-vercel-forwarded-for"),
            "cloudfront" => HeaderName::from_static("cloudfront-viewer-address"),
            name => header_name(name)
                .with_context(|| format!("--client-address-header {text}: not a header name"))?,
        };
        Ok(match name.as_str() {
            "forwarded" => Self::Forwarded,
            "cloudfront-viewer-address" => Self::WithPort(name),
            list if list.ends_with("forwarded-for") => Self::List(name),
            _ => Self::Single(name),
        })
    }

    /// Returns the network that sends this header.
    fn cdn(&self) -> Option<Cdn> {
        match self {
            Self::Single(name) | Self::WithPort(name) => match name.as_str() {
                "cf-connecting-ip" => Some(Cdn::Cloudflare),
                "cloudfront-viewer-address" => Some(Cdn::CloudFront),
                _ => None,
            },
            Self::List(_) | Self::Forwarded => None,
        }
    }
}

impl ClientHeaders {
    /// Returns the headers that two settings name.
    pub fn parse(address: Option<&str>, country: Option<&str>) -> anyhow::Result<Self> {
        let address = address.map(AddressHeader::parse).transpose()?;
        let country = country.map(country_header).transpose()?;
        let of_country = country.as_ref().and_then(|name| match name.as_str() {
            "cf-ipcountry" => Some(Cdn::Cloudflare),
            "cloudfront-viewer-country" => Some(Cdn::CloudFront),
            _ => None,
        });
        let cdn = address.as_ref().and_then(AddressHeader::cdn).or(of_country);
        Ok(Self { address, country, cdn })
    }
}

/// Returns the header of a name, or of one of the ready values `cloudflare`, `vercel` and
/// `cloudfront`.
fn country_header(text: &str) -> anyhow::Result<HeaderName> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "cloudflare" => HeaderName::from_static("cf-ipcountry"),
        "vercel" => HeaderName::from_static("x-vercel-ip-country"),
        "cloudfront" => HeaderName::from_static("cloudfront-viewer-country"),
        "forwarded" => bail!("--country-header forwarded: that header has no country"),
        name => header_name(name)
            .with_context(|| format!("--country-header {text}: not a header name"))?,
    })
}

fn header_name(text: &str) -> Option<HeaderName> {
    HeaderName::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_values_and_names_are_headers() {
        let parse = |text| AddressHeader::parse(text).unwrap();
        let name = HeaderName::from_static;
        assert_eq!(parse("forwarded"), AddressHeader::Forwarded);
        assert_eq!(parse("X-Forwarded-For"), AddressHeader::List(name("x-forwarded-for")));
        assert_eq!(parse("vercel"), AddressHeader::List(name("x-vercel-forwarded-for")));
        assert_eq!(parse("Cloudflare"), AddressHeader::Single(name("cf-connecting-ip")));
        assert_eq!(parse("X-Real-IP"), AddressHeader::Single(name("x-real-ip")));
        let cloudfront = AddressHeader::WithPort(name("cloudfront-viewer-address"));
        assert_eq!(parse("cloudfront"), cloudfront);
        assert!(AddressHeader::parse("no header").is_err());
        assert!(ClientHeaders::parse(None, Some("")).is_err());
        assert!(ClientHeaders::parse(None, Some("forwarded")).is_err());
    }

    #[test]
    fn a_network_is_known_by_either_header() {
        let cdn = |address, country| ClientHeaders::parse(address, country).unwrap().cdn;
        assert_eq!(cdn(None, None), None);
        assert_eq!(cdn(Some("x-forwarded-for"), Some("cloudflare")), Some(Cdn::Cloudflare));
        assert_eq!(cdn(Some("cloudfront"), None), Some(Cdn::CloudFront));
        assert_eq!(cdn(Some("vercel"), Some("vercel")), None);
    }
}
