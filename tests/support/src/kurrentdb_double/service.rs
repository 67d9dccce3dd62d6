//! The calls that a node of the double answers.
#![expect(clippy::result_large_err, reason = "the error of gRPC is what it is")]

use std::sync::Arc;

use hyper::body::Incoming;
use tokio::sync::Notify;
use tonic::codec::ProstCodec;
use tonic::metadata::MetadataMap;
use tonic::server::Grpc;
use tonic::{Request, Response, Status};

use super::counts::Call;
use super::shared::Shared;
use super::users::{self, Caller};
use super::wire::{
    self, DeleteRequest, Endpoint, Member, Members, ReadRequest, SupportedMethod, SupportedMethods,
};
use super::{read, status};

/// States of a node, as gossip numbers them.
const FOLLOWER: i32 = 6;
const LEADER: i32 = 8;

/// The service that appends and reads, as the server names it among its features.
const STREAMS: &str = "event_store.client.streams.streams";

/// A node, as seen from one connection.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) number: usize,
    pub(crate) shared: Arc<Shared>,
    /// Notified to break the connection.
    pub(crate) broken: Arc<Notify>,
}

/// Answers one call by an async closure over the node.
macro_rules! answered {
    ($node:expr, $way:ident, $request:expr, $answer:expr) => {{
        let node = $node.clone();
        let answer = tower::service_fn(move |request| {
            let node = node.clone();
            async move { $answer(node, request).await }
        });
        let grpc = Grpc::new(ProstCodec::default());
        grpc.max_decoding_message_size(status::MAX_MESSAGE).$way(answer, $request).await
    }};
}

impl Service {
    pub(crate) async fn answer(
        &self,
        request: http::Request<Incoming>,
    ) -> http::Response<tonic::body::Body> {
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/event_store.client.server_features.ServerFeatures/GetSupportedMethods" => {
                answered!(self, unary, request, async |node: Self, request: Request<()>| {
                    node.admit(Call::Features, request.metadata())?;
                    Ok::<_, Status>(Response::new(node.methods()))
                })
            }
            "/event_store.client.gossip.Gossip/Read" => {
                answered!(self, unary, request, async |node: Self, request: Request<()>| {
                    node.admit(Call::Gossip, request.metadata())?;
                    Ok::<_, Status>(Response::new(node.members()))
                })
            }
            "/event_store.client.streams.Streams/Read" => {
                answered!(self, server_streaming, request, async |node: Self, request| {
                    node.read(request)
                })
            }
            "/event_store.client.streams.Streams/Append" => {
                answered!(self, client_streaming, request, async |node: Self, request| {
                    node.append(request).await
                })
            }
            "/event_store.client.streams.Streams/BatchAppend" => {
                answered!(self, streaming, request, async |node: Self, request| {
                    node.batch_append(request)
                })
            }
            "/event_store.client.streams.Streams/Delete" => {
                answered!(self, unary, request, async |node: Self, request| {
                    node.delete(&request, false)
                })
            }
            "/event_store.client.streams.Streams/Tombstone" => {
                answered!(
                    self,
                    unary,
                    request,
                    async |node: Self, request: Request<DeleteRequest>| {
                        node.delete(&request, true)
                    }
                )
            }
            _ => Status::unimplemented("the double does not do this").into_http(),
        }
    }

    /// Counts a call, and refuses it when it is to fail or its caller is not known.
    pub(crate) fn admit(&self, call: Call, metadata: &MetadataMap) -> Result<Caller, Status> {
        self.shared.counts.call(call);
        if let Some(failure) = self.shared.failure(call) {
            return Err(failure);
        }
        users::caller(&self.shared.users(), metadata)
    }

    fn read(&self, request: Request<ReadRequest>) -> Result<Response<read::Answers>, Status> {
        let call = read::call(request.get_ref());
        let caller = self.admit(call, request.metadata())?;
        self.check_leader(request.metadata())?;
        read::read(&self.shared, &caller, request.into_inner()).map(Response::new)
    }

    /// What the server can, as it says it itself.
    fn methods(&self) -> SupportedMethods {
        let mut methods = vec![
            ("read", vec!["position", "events"]),
            ("append", vec![]),
            ("delete", vec![]),
            ("tombstone", vec![]),
        ];
        if self.shared.is_at_least(21, 10) {
            methods.push(("batchappend", vec!["deadline_duration"]));
        }
        let methods = methods.into_iter().map(|(method, features)| SupportedMethod {
            method: method.to_owned(),
            service: STREAMS.to_owned(),
            features: features.into_iter().map(str::to_owned).collect(),
        });
        let server_version = self.shared.version().clone();
        SupportedMethods { methods: methods.collect(), server_version }
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
    pub(crate) fn check_leader(&self, metadata: &MetadataMap) -> Result<(), Status> {
        let insists = metadata.get("requires-leader").is_some_and(|value| value == "true");
        let members = self.shared.members();
        if !members.alive[self.number] {
            return Err(Status::unavailable("this node is gone"));
        }
        if !insists || members.leader == Some(self.number) {
            return Ok(());
        }
        let leader = members.leader.map(|number| members.addresses[number]);
        Err(leader.map_or_else(status::no_leader, |leader| {
            status::not_leader(&leader.ip().to_string(), leader.port())
        }))
    }
}
