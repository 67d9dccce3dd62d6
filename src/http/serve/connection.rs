//! One connection, from its acceptance to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::activity::Closing;
use super::bodies::{AnswerBody, RequestBody};
use super::places::ConnectionPlace;
use super::stream::NotedStream;
use crate::http::client::Peer;
use crate::http::envelope::Envelope;

/// A connection that was accepted and has a place.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) place: Arc<ConnectionPlace>,
}

impl Connection {
    /// Returns the future that answers the requests of the connection until either end closes it
    /// or it breaks a bound.
    pub(super) fn serve(
        self,
        builder: &http1::Builder,
        graceful: &GracefulShutdown,
        envelope: Envelope,
    ) -> impl Future<Output = ()> + use<> {
        let Self { stream, peer, place } = self;
        let noted = place.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let (parts, body) = request.into_parts();
            noted.head_parsed(&parts);
            let mut request = Request::from_parts(
                parts,
                axum::body::Body::new(RequestBody::new(body, noted.clone())),
            );
            request.extensions_mut().insert(Peer(peer));
            let (answer, place) = (envelope.clone().answer(request), noted.clone());
            async move {
                place.turn().await;
                let answer = answer.await;
                Ok::<_, Infallible>(answer.map(|body| AnswerBody::new(body, place)))
            }
        });
        let stream = NotedStream::new(stream, place.clone());
        let served = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        async move {
            if let Some(why) = within_bounds(&place, served).await {
                place.count(why);
            }
        }
    }
}

/// Waits for the end of a connection; when it breaks a bound before that, says which.
async fn within_bounds(place: &ConnectionPlace, served: impl Future) -> Option<Closing> {
    let activity = &place.activity;
    let limits = place.limits();
    let mut served = pin!(served);
    let mut timer = pin!(tokio::time::sleep(limits.head));
    std::future::poll_fn(|cx| {
        // A connection that breaks needs no handling: it is the client that loses the response.
        if served.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        loop {
            if let Some(why) = activity.poll_closing(cx) {
                return Poll::Ready(Some(why));
            }
            let Some((deadline, why)) = activity.deadline(limits) else { return Poll::Pending };
            if deadline <= Instant::now() {
                place.close(why);
                continue;
            }
            // A timer that rings too early is set again then, which is rarer than requests are.
            if timer.deadline() > deadline || timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}
