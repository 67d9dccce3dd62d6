//! Landings as a tower layer around the pages of a Rust service.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::Either;
use http::{Request, Response};
use tower::{Layer, Service};

use super::Landing;

/// Marks, in the extensions of a response, that its landing was handled already.
#[derive(Clone, Copy)]
pub(super) struct Handled;

/// A layer that records the landings on the pages of the service inside it, and sets their cookies.
#[derive(Clone)]
pub struct TouchLayer(Arc<Landing>);

impl TouchLayer {
    /// Returns a layer for all pages of one platform.
    #[must_use]
    pub fn new(landing: Arc<Landing>) -> Self {
        Self(landing)
    }
}

impl<S> Layer<S> for TouchLayer {
    type Service = TouchService<S>;

    fn layer(&self, inner: S) -> TouchService<S> {
        let landing = Arc::clone(&self.0);
        TouchService { inner, landing }
    }
}

/// The service that [`TouchLayer`] makes: it returns the responses of the inner service, and adds
/// `Set-Cookie` lines to those of landings.
#[derive(Clone)]
pub struct TouchService<S> {
    inner: S,
    landing: Arc<Landing>,
}

/// The future of a response to a landing, which adds the cookies.
type Planting<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

impl<S, B, R> Service<Request<B>> for TouchService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    /// A request that is no touch costs no allocation.
    type Future = Either<S::Future, Planting<R, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let arrival = self.landing.arrive(&parts);
        let found = arrival.map(|arrival| (arrival, self.landing.client(&parts)));
        let answer = self.inner.call(Request::from_parts(parts, body));
        let Some((arrival, client)) = found else {
            return Either::Left(answer);
        };
        let landing = Arc::clone(&self.landing);
        Either::Right(Box::pin(async move {
            let arrival = landing.look_up(arrival).await;
            let mut answer = answer.await?;
            if answer.extensions().get::<Handled>().is_none() {
                landing.touch(arrival, &client).add_to(answer.headers_mut());
            }
            Ok(answer)
        }))
    }
}
