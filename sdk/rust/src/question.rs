//! What whence learns about a request: its own headers, and those by which a proxy describes it.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
    EXPECT, FORWARDED, HOST, HeaderName, RANGE, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Uri};

/// Headers that are of the connection or of the body, and not passed on.
const KEPT_BACK: [HeaderName; 12] = [
    ACCEPT_ENCODING,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    RANGE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    FORWARDED,
];

/// Headers that the client may have sent, and that only a proxy can know: they are written anew.
const OF_PROXIES: [&str; 7] = [
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-proto",
    "x-forwarded-uri",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
];

/// Returns the headers by which whence is asked about a request.
pub(crate) fn about<B>(request: &Request<B>) -> HeaderMap {
    let mut headers = request.headers().clone();
    for name in &KEPT_BACK {
        headers.remove(name);
    }
    for name in OF_PROXIES.iter().chain(&["keep-alive", "proxy-connection"]) {
        headers.remove(*name);
    }
    let mut set = |name, value: Option<HeaderValue>| {
        if let Some(value) = value {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-forwarded-method", method(request.method()));
    set("x-forwarded-uri", target(request.uri()));
    let host = request.headers().get(HOST).cloned();
    let host = host.or_else(|| HeaderValue::from_str(request.uri().authority()?.as_str()).ok());
    set("x-forwarded-host", host.clone());
    set("host", host);
    set("x-forwarded-for", Some(chain(request.headers(), request.extensions())));
    headers
}

fn method(method: &Method) -> Option<HeaderValue> {
    HeaderValue::from_str(method.as_str()).ok()
}

/// Returns path and query of the page, which begin with a slash.
fn target(uri: &Uri) -> Option<HeaderValue> {
    HeaderValue::from_str(uri.path_and_query()?.as_str()).ok()
}

/// Returns the proxies before this service, and behind them the peer of its connection, as it is: what a
/// client writes itself stands before it.
fn chain(headers: &HeaderMap, extensions: &Extensions) -> HeaderValue {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or("unknown".to_owned(), |peer| peer.0.ip().to_canonical().to_string());
    let lines = headers.get_all("x-forwarded-for").iter();
    let mut chain = Vec::new();
    for line in lines.map(HeaderValue::as_bytes).chain([peer.as_bytes()]) {
        if !chain.is_empty() {
            chain.extend(b", ");
        }
        chain.extend(line);
    }
    HeaderValue::from_bytes(&chain).unwrap_or(HeaderValue::from_static("unknown"))
}

/// Adds the cookies of an answer of whence to the headers of a page, which no shared cache may then keep:
/// it would hand the cookies of one visitor to all others.
pub(crate) fn pass_cookies_on(answer: &HeaderMap, page: &mut HeaderMap) {
    let mut any = false;
    for line in answer.get_all(SET_COOKIE) {
        page.append(SET_COOKIE, line.clone());
        any = true;
    }
    if !any {
        return;
    }
    let lines = page.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let directives: Vec<_> =
        lines.flat_map(|line| line.split(',')).map(|it| it.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|directive| directive == "no-store") {
        return;
    }
    let shared = |directive: &&String| {
        let name = directive.split('=').next().unwrap_or("");
        !matches!(name, "" | "public" | "private" | "s-maxage")
    };
    let kept = directives.iter().filter(shared).map(String::as_str);
    let line = ["private"].into_iter().chain(kept).collect::<Vec<_>>().join(", ");
    if let Ok(line) = HeaderValue::from_str(&line) {
        page.insert(CACHE_CONTROL, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_proxy_knows_is_written_anew() {
        let request = Request::builder()
            .method("POST")
            .uri("/a?b=c")
            .header("host", "app.example.com")
            .header("cookie", "a=1")
            .header("content-length", "5")
            .header("x-original-url", "https://evil.test/")
            .header("x-forwarded-uri", "/evil")
            .header("x-forwarded-proto", "gopher")
            .header("forwarded", "for=9.9.9.9")
            .header("x-forwarded-for", "9.9.9.9")
            .extension(ConnectInfo(SocketAddr::from(([203, 0, 113, 7], 1))))
            .body(())
            .unwrap();
        let headers = about(&request);
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        lines.sort_unstable();
        let expected = [
            ("cookie", "a=1"),
            ("host", "app.example.com"),
            ("x-forwarded-for", "9.9.9.9, 203.0.113.7"),
            ("x-forwarded-host", "app.example.com"),
            ("x-forwarded-method", "POST"),
            ("x-forwarded-uri", "/a?b=c"),
        ];
        assert_eq!(lines, expected);
        let nobody = about(&Request::new(()));
        assert_eq!(nobody["x-forwarded-for"], "unknown");
    }

    #[test]
    fn no_shared_cache_keeps_a_page_with_cookies() {
        let mut answer = HeaderMap::new();
        let mut page = HeaderMap::new();
        page.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60, s-maxage=600"));
        pass_cookies_on(&answer, &mut page);
        assert_eq!(page[CACHE_CONTROL], "public, max-age=60, s-maxage=600");
        answer.append(SET_COOKIE, HeaderValue::from_static("a=1"));
        answer.append(SET_COOKIE, HeaderValue::from_static("b=2"));
        pass_cookies_on(&answer, &mut page);
        assert_eq!(page[CACHE_CONTROL], "private, max-age=60");
        assert_eq!(page.get_all(SET_COOKIE).iter().count(), 2);
    }
}
