//! Takes away cookies that may be of another domain or path than those of this service.
//!
//! A server sees the names of cookies and never where they were set. It can name all places that its
//! request can have had them from.

use cookie::time::{Duration, OffsetDateTime};
use cookie::{Cookie, SameSite};

use crate::app::config::{Config, shared_domains};

/// The most parts of a path that are tried.
const MAX_DEPTH: usize = 4;

/// Returns cookies that take `name` away for every domain and every path that a request for `path` gets
/// cookies of; the first is that of this host and of all paths.
pub(super) fn places<'a>(config: &'a Config, name: &'a str, path: &'a str) -> Vec<Cookie<'a>> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let above = ends.filter(|end| *end > 0).take(MAX_DEPTH).map(|end| &path[..end]);
    std::iter::once("/").chain(above).flat_map(|path| places_at(config, name, path)).collect()
}

/// Returns cookies that take `name` of one path away, for this host and the domains above it.
pub(super) fn places_at<'a>(config: &'a Config, name: &'a str, path: &'a str) -> Vec<Cookie<'a>> {
    let listening = &config.listening;
    let domains = shared_domains(&listening.public_url).into_iter().map(Some);
    std::iter::once(None)
        .chain(domains)
        .map(|domain| {
            let mut cookie = Cookie::build((name, ""))
                .secure(listening.https())
                .same_site(SameSite::Lax)
                .path(path)
                .max_age(Duration::ZERO)
                .expires(OffsetDateTime::UNIX_EPOCH)
                .build();
            if let Some(domain) = domain {
                cookie.set_domain(domain);
            }
            cookie
        })
        .collect()
}
