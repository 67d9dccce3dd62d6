//! A layer that lets in who is signed in, and an argument of handlers that says who it is.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use percent_encoding::percent_decode;
use tower::{Layer, Service};

use crate::client::Whence;
use crate::question::{about, pass_cookies_on};

/// The user of a request, as whence knows them. Handlers below a [`SessionLayer`] take it as an argument;
/// elsewhere there is none, and the answer is 401.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The id of the user.
    pub user_id: String,
    /// The e-mail address of the user.
    pub email: String,
    /// The id of the session, which is no secret.
    pub session_id: String,
}

impl SignedIn {
    /// Reads the user from an answer of whence.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| {
            let value = headers.get(name)?.as_bytes();
            Some(percent_decode(value).decode_utf8().ok()?.into_owned())
        };
        let (user_id, email) = (text("remote-user")?, text("remote-email")?);
        Some(Self { user_id, email, session_id: text("remote-session")? })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        parts.extensions.get().cloned().ok_or(StatusCode::UNAUTHORIZED)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for SignedIn {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}

/// A layer that asks whence who each request is of.
#[derive(Clone, Debug)]
pub struct SessionLayer {
    whence: Whence,
    required: bool,
}

impl SessionLayer {
    /// Returns a layer that lets in who is signed in, and nobody else.
    #[must_use]
    pub fn required(whence: Whence) -> Self {
        Self { whence, required: true }
    }

    /// Returns a layer that lets every request in, with the user of those that are of one.
    #[must_use]
    pub fn optional(whence: Whence) -> Self {
        Self { whence, required: false }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService { inner, layer: self.clone() }
    }
}

/// The service that [`SessionLayer`] makes.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    layer: SessionLayer,
}

impl<S, B> Service<Request<B>> for SessionService<S>
where
    S: Service<Request<B>, Response = Response> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that is ready is used, and a clone of it takes its place.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let SessionLayer { whence, required } = self.layer.clone();
        request.extensions_mut().remove::<SignedIn>();
        let question = about(&request);
        Box::pin(async move {
            let answer = whence.ask_session(question).await;
            let answer = answer.unwrap_or_else(|_| StatusCode::SERVICE_UNAVAILABLE.into_response());
            let (answer, body) = answer.into_parts();
            let signed_in = SignedIn::of(&answer.headers);
            match signed_in.filter(|_| answer.status == StatusCode::NO_CONTENT) {
                Some(signed_in) => {
                    request.extensions_mut().insert(signed_in);
                }
                None if required => return Ok(refusal(answer.status, &answer.headers, body)),
                None => {}
            }
            let mut page = inner.call(request).await?;
            pass_cookies_on(&answer.headers, page.headers_mut());
            Ok(page)
        })
    }
}

/// Returns the answer to a request that is not let in: that of whence where it refuses, and 503 otherwise.
fn refusal(status: StatusCode, headers: &HeaderMap, body: Body) -> Response {
    let refuses = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::FOUND];
    if !refuses.contains(&status) {
        let again = (RETRY_AFTER, HeaderValue::from_static("2"));
        return (StatusCode::SERVICE_UNAVAILABLE, [again]).into_response();
    }
    let mut response = (status, body).into_response();
    for name in [CACHE_CONTROL, CONTENT_TYPE, LOCATION, SET_COOKIE, WWW_AUTHENTICATE] {
        for value in headers.get_all(&name) {
            response.headers_mut().append(name.clone(), value.clone());
        }
    }
    response
}
