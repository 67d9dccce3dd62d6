//! The answers of a node of the double.
#![expect(clippy::result_large_err, reason = "the error of gRPC is what it is")]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::body::Incoming;
use tokio::sync::Notify;
use tonic::codec::{ProstCodec, Streaming};
use tonic::metadata::MetadataMap;
use tonic::server::Grpc;
use tonic::{Request, Response, Status};

use super::log::Outcome;
use super::wire::{
    self, AppendAnswer, AppendContent, AppendOptions, AppendPosition, AppendRequest, AppendResult,
    AppendSuccess, CurrentRevision, Endpoint, Expected, ExpectedRevision, Member, Members,
    Proposed, SupportedMethods, WrongExpectedVersion,
};
use super::{Shared, read};

/// The version that the double reports.
const VERSION: &str = "25.0.0";

/// States of a node, as gossip numbers them.
const FOLLOWER: i32 = 6;
const LEADER: i32 = 8;

/// A node, as seen from one connection.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) number: usize,
    pub(crate) shared: Arc<Shared>,
    /// Notified to break the connection.
    pub(crate) broken: Arc<Notify>,
}

impl Service {
    pub(crate) async fn answer(
        &self,
        request: http::Request<Incoming>,
    ) -> http::Response<tonic::body::Body> {
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/event_store.client.server_features.ServerFeatures/GetSupportedMethods" => {
                let answer = tower::service_fn(async |_: Request<()>| {
                    Ok(Response::new(SupportedMethods { server_version: VERSION.into() }))
                });
                Grpc::new(ProstCodec::default()).unary(answer, request).await
            }
            "/event_store.client.gossip.Gossip/Read" => {
                let members = self.members();
                let answer = tower::service_fn(move |_: Request<()>| {
                    std::future::ready(Ok(Response::new(members.clone())))
                });
                Grpc::new(ProstCodec::default()).unary(answer, request).await
            }
            "/event_store.client.streams.Streams/Read" => {
                let node = self.clone();
                let answer = tower::service_fn(move |request: Request<wire::ReadRequest>| {
                    let node = node.clone();
                    async move {
                        node.check_leader(request.metadata())?;
                        read::read(&node.shared, request.into_inner()).map(Response::new)
                    }
                });
                Grpc::new(ProstCodec::default()).server_streaming(answer, request).await
            }
            "/event_store.client.streams.Streams/Append" => {
                let node = self.clone();
                let answer = tower::service_fn(move |request| {
                    let node = node.clone();
                    async move { node.append(request).await }
                });
                Grpc::new(ProstCodec::default()).client_streaming(answer, request).await
            }
            _ => Status::unimplemented("the double does not do this").into_http(),
        }
    }

    fn members(&self) -> Members {
        let members = self.shared.members();
        let numbered = members.addresses.iter().zip(&members.alive).enumerate();
        let members = numbered.map(|(number, (address, alive))| Member {
            instance: Some(wire::id(number as u128 + 1)),
            state: if members.leader == Some(number) { LEADER } else { FOLLOWER },
            is_alive: *alive,
            endpoint: Some(Endpoint {
                address: address.ip().to_string(),
                port: address.port().into(),
            }),
        });
        Members { members: members.collect() }
    }

    /// Refuses a call that requires the leader on another node, and names the leader.
    fn check_leader(&self, metadata: &MetadataMap) -> Result<(), Status> {
        let insists = metadata.get("requires-leader").is_some_and(|value| value == "true");
        let members = self.shared.members();
        if !members.alive[self.number] {
            return Err(Status::unavailable("this node is gone"));
        }
        if !insists || members.leader == Some(self.number) {
            return Ok(());
        }
        let Some(leader) = members.leader.map(|number| members.addresses[number]) else {
            return Err(Status::unknown("no leader is known"));
        };
        let mut trailers = MetadataMap::new();
        let told = [
            ("exception", "not-leader".to_owned()),
            ("leader-endpoint-host", leader.ip().to_string()),
            ("leader-endpoint-port", leader.port().to_string()),
        ];
        for (name, value) in told {
            if let Ok(value) = value.parse() {
                trailers.insert(name, value);
            }
        }
        Err(Status::with_metadata(tonic::Code::NotFound, "another node leads", trailers))
    }

    async fn append(
        &self,
        request: Request<Streaming<AppendRequest>>,
    ) -> Result<Response<AppendAnswer>, Status> {
        let (metadata, _, mut messages) = request.into_parts();
        self.check_leader(&metadata)?;
        let mut options = None;
        let mut events = Vec::new();
        while let Some(message) = messages.message().await? {
            match message.content {
                Some(AppendContent::Options(first)) => options = Some(first),
                Some(AppendContent::Proposed(event)) => events.push(event),
                None => return Err(Status::invalid_argument("a message that says nothing")),
            }
        }
        let options = options.ok_or_else(|| Status::invalid_argument("append to what?"))?;
        // Again: it may have changed while the events came.
        self.check_leader(&metadata)?;
        let answer = self.write(&options, events)?;
        let lost = self
            .shared
            .unanswered
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if lost.is_ok() {
            self.broken.notify_one();
            return std::future::pending().await;
        }
        Ok(Response::new(answer))
    }

    fn write(
        &self,
        options: &AppendOptions,
        events: Vec<Proposed>,
    ) -> Result<AppendAnswer, Status> {
        let name = options.name.as_ref().map(|name| String::from_utf8_lossy(&name.name));
        let (Some(name), Some(expected)) = (name, options.expected) else {
            return Err(Status::invalid_argument("append to what?"));
        };
        let mut log = self.shared.log();
        let outcome = log.append(&name, expected, events);
        self.shared.grown.send_replace(log.records().len());
        drop(log);
        let result = match outcome {
            Outcome::Written { revision, position, again } => {
                if !again {
                    self.shared.written.fetch_add(1, Ordering::SeqCst);
                }
                let known = wire::Position { commit: position, prepare: position };
                let forgotten = again && self.shared.forgetful.load(Ordering::SeqCst);
                let position = if forgotten {
                    AppendPosition::Unknown(())
                } else {
                    AppendPosition::Known(known)
                };
                AppendResult::Success(AppendSuccess {
                    revision: Some(revision),
                    position: Some(position),
                })
            }
            Outcome::WrongExpectedVersion { current } => {
                AppendResult::WrongExpectedVersion(WrongExpectedVersion {
                    current: Some(
                        current.map_or(CurrentRevision::NoStream(()), CurrentRevision::Revision),
                    ),
                    expected: Some(match expected {
                        Expected::Revision(revision) => ExpectedRevision::Revision(revision),
                        Expected::NoStream(()) => ExpectedRevision::NoStream(()),
                        Expected::Any(()) => ExpectedRevision::Any(()),
                        Expected::Exists(()) => ExpectedRevision::Exists(()),
                    }),
                })
            }
        };
        Ok(AppendAnswer { result: Some(result) })
    }
}
