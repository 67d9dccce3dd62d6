//! A layer that picks landings up.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{COOKIE, HOST, REFERER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tower::{Layer, Service};

use crate::client::Whence;
use crate::question::{about, pass_cookies_on};

/// A layer that asks whence for the cookies of landings on the pages of the service inside it.
#[derive(Clone, Debug)]
pub struct TouchLayer(Whence);

impl TouchLayer {
    /// Returns a layer for the pages of a service.
    #[must_use]
    pub fn new(whence: Whence) -> Self {
        Self(whence)
    }
}

impl<S> Layer<S> for TouchLayer {
    type Service = TouchService<S>;

    fn layer(&self, inner: S) -> TouchService<S> {
        TouchService { inner, whence: self.0.clone() }
    }
}

/// The service that [`TouchLayer`] makes: it returns the responses of the inner service, and adds
/// `Set-Cookie` lines to those of landings.
#[derive(Clone, Debug)]
pub struct TouchService<S> {
    inner: S,
    whence: Whence,
}

impl<S, B, R> Service<Request<B>> for TouchService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send,
    R: Send,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let question = may_be_a_landing(&request).then(|| about(&request));
        let page = self.inner.call(request);
        let Some(question) = question else { return Box::pin(page) };
        let whence = self.whence.clone();
        Box::pin(async move {
            let (page, answer) = tokio::join!(page, whence.ask_touch(question));
            let mut page = page?;
            // Whatever went wrong with the landing, the page is shown.
            if let Ok(answer) = answer
                && answer.status() == StatusCode::NO_CONTENT
            {
                pass_cookies_on(answer.headers(), page.headers_mut());
            }
            Ok(page)
        })
    }
}

/// Returns whether whence has to be asked. It alone knows what a landing is; what certainly is none is not
/// worth a question: a call, a part of a page, and the next page of a visitor whom it knows.
fn may_be_a_landing<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_page = request.method() == Method::GET
        && text("sec-fetch-dest").is_none_or(|dest| dest == "document")
        && text("sec-fetch-mode").is_none_or(|mode| mode == "navigate");
    let uri = request.uri();
    let says_something =
        uri.query().is_some() || uri.path().starts_with("/creators/") || is_from_elsewhere(headers);
    is_page && (says_something || !is_known(headers))
}

/// Returns whether the visitor came from another host, or from one that cannot be read.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let Some(referrer) = headers.get(REFERER) else { return false };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let from = referrer.to_str().ok().and_then(|text| text.split("://").nth(1));
    let from = from.and_then(|rest| rest.split(['/', '?', '#']).next());
    from.is_none() || from != host
}

/// Returns whether the visitor has the cookie of a first touch.
fn is_known(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).any(|pair| pair.trim().starts_with("whence_touch="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn asked(path: &str, headers: &[(&str, &str)], expected: bool) {
        let mut request = Request::get(path).header("host", "www.example.com");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        assert_eq!(may_be_a_landing(&request.body(()).unwrap()), expected, "{path} {headers:?}");
    }

    #[test]
    fn whence_is_asked_for_what_may_be_a_landing() {
        let known = ("cookie", "a=1; whence_touch=v1.x.y");
        asked("/", &[], true);
        asked("/", &[known], false);
        asked("/?ref=abc", &[known], true);
        asked("/creators/ada", &[known], true);
        asked("/", &[known, ("referer", "https://blog.example.org/x")], true);
        asked("/", &[known, ("referer", "https://www.example.com/x")], false);
        asked("/", &[known, ("referer", "https://www.example.com.evil.test/")], true);
        asked("/", &[known, ("referer", "?")], true);
        asked("/?ref=abc", &[("sec-fetch-dest", "image"), ("sec-fetch-mode", "no-cors")], false);
        asked("/?ref=abc", &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], true);
        let post = Request::post("/?ref=abc").body(()).unwrap();
        assert!(!may_be_a_landing(&post));
    }
}
