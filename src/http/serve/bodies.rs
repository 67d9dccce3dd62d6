//! The bodies of a request and of its answer, which note how far they are.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::activity::Waiting;
use super::places::ConnectionPlace;

/// The body of a request, which notes at the place of its connection that it waits for the client.
pub(super) struct RequestBody {
    body: Incoming,
    place: Arc<ConnectionPlace>,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, place: Arc<ConnectionPlace>) -> Self {
        Self { body, place }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let waits = frame.is_pending().then_some(Waiting::Rest);
        self.place.activity.request_waits(waits);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.place.activity.request_waits(None);
    }
}

/// The body of an answer, which notes at the place of its connection when hyper has all of it.
pub(super) struct AnswerBody {
    body: Body,
    place: Arc<ConnectionPlace>,
}

impl AnswerBody {
    pub(super) fn new(body: Body, place: Arc<ConnectionPlace>) -> Self {
        Self { body, place }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.place.activity.answered();
    }
}
