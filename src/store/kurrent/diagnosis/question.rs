//! Questions of the prober in the server's protocol, over a connection of its own. The official client
//! tells a wrong password and a missing right by one and the same error.

use std::error::Error;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eventstore::ClientSettings;
use http::Uri;
use http::uri::PathAndQuery;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::ProstCodec;
use tonic::{Request, Status};

pub(super) const FEATURES: &str =
    "/event_store.client.server_features.ServerFeatures/GetSupportedMethods";
pub(super) const GOSSIP: &str = "/event_store.client.gossip.Gossip/Read";
const READ: &str = "/event_store.client.streams.Streams/Read";

/// The number of a node that leads, among the states of nodes.
pub(super) const LEADER: i32 = 8;

/// The number of reading backwards, among the directions.
const BACKWARDS: i32 = 1;

/// A connection to a node that may or may not speak the protocol.
pub(super) struct Conversation {
    sender: http2::SendRequest<Body>,
    driver: JoinHandle<hyper::Result<()>>,
    origin: Uri,
}

/// Why a question has no answer.
pub(super) enum NoAnswer {
    /// The server answers with an error.
    Refused(Status),
    /// The connection broke.
    Broken(Box<dyn Error + Send + Sync>),
}

/// The user that a connection string names.
#[derive(Deserialize)]
pub(super) struct Login {
    login: Vec<u8>,
    password: Vec<u8>,
}

/// What a node says of the nodes of its cluster.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Cluster {
    #[prost(message, repeated, tag = "1")]
    pub(super) members: Vec<ClusterMember>,
}

/// A node of a cluster.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ClusterMember {
    #[prost(int32, tag = "3")]
    pub(super) state: i32,
    #[prost(bool, tag = "4")]
    pub(super) is_alive: bool,
    #[prost(message, optional, tag = "5")]
    pub(super) endpoint: Option<MemberEndpoint>,
}

/// The address that a node gives to clients.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MemberEndpoint {
    #[prost(string, tag = "1")]
    pub(super) host: String,
    #[prost(uint32, tag = "2")]
    pub(super) port: u32,
}

/// What a server says of itself.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ServerFeatures {
    #[prost(string, tag = "2")]
    pub(super) version: String,
}

#[derive(Clone, PartialEq, Message)]
struct ReadQuestion {
    #[prost(message, optional, tag = "1")]
    options: Option<ReadQuestionOptions>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadQuestionOptions {
    #[prost(message, optional, tag = "2")]
    all: Option<FromEnd>,
    #[prost(int32, tag = "3")]
    direction: i32,
    #[prost(uint64, optional, tag = "5")]
    count: Option<u64>,
    #[prost(message, optional, tag = "8")]
    no_filter: Option<()>,
    #[prost(message, optional, tag = "9")]
    ids: Option<IdsAsText>,
}

#[derive(Clone, PartialEq, Message)]
struct FromEnd {
    #[prost(message, optional, tag = "3")]
    end: Option<()>,
}

#[derive(Clone, PartialEq, Message)]
struct IdsAsText {
    #[prost(message, optional, tag = "2")]
    text: Option<()>,
}

impl Conversation {
    /// Begins on a connection. What the other side speaks shows at the first question.
    pub(super) async fn begin<Io>(io: Io, origin: Uri) -> Result<Self, NoAnswer>
    where
        Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let begun = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await;
        let (sender, connection) = begun.map_err(|error| NoAnswer::Broken(Box::new(error)))?;
        Ok(Self { sender, driver: tokio::spawn(connection), origin })
    }

    /// Returns the version of the server, as it writes it.
    pub(super) async fn version(&mut self) -> Result<String, NoAnswer> {
        let features: ServerFeatures = self.unary(FEATURES, Request::new(())).await?;
        Ok(features.version)
    }

    /// Returns what the node knows of its cluster.
    pub(super) async fn cluster(&mut self, login: Option<&Login>) -> Result<Cluster, NoAnswer> {
        let mut request = Request::new(());
        Login::enter(login, &mut request);
        self.unary(GOSSIP, request).await
    }

    /// Reads the last event of all, which takes the right that whence needs.
    pub(super) async fn read_all(&mut self, login: Option<&Login>) -> Result<(), NoAnswer> {
        let options = ReadQuestionOptions {
            all: Some(FromEnd { end: Some(()) }),
            direction: BACKWARDS,
            count: Some(1),
            no_filter: Some(()),
            ids: Some(IdsAsText { text: Some(()) }),
        };
        let mut request = Request::new(ReadQuestion { options: Some(options) });
        Login::enter(login, &mut request);
        let codec = ProstCodec::<ReadQuestion, ()>::default();
        let path = PathAndQuery::from_static(READ);
        let asked = self.client().server_streaming(request, path, codec).await;
        let answered = match asked {
            Ok(answer) => answer.into_inner().message().await,
            Err(status) => Err(status),
        };
        match answered {
            Ok(_) => Ok(()),
            Err(status) => Err(self.no_answer(status).await),
        }
    }

    async fn unary<Q, A>(&mut self, path: &'static str, request: Request<Q>) -> Result<A, NoAnswer>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let codec = ProstCodec::<Q, A>::default();
        let asked = self.client().unary(request, PathAndQuery::from_static(path), codec).await;
        match asked {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(self.no_answer(status).await),
        }
    }

    fn client(
        &self,
    ) -> Grpc<
        impl tower::Service<
            http::Request<Body>,
            Response = http::Response<hyper::body::Incoming>,
            Error = hyper::Error,
            Future: Send,
        >,
    > {
        let sender = self.sender.clone();
        let send = tower::service_fn(move |request| sender.clone().send_request(request));
        Grpc::with_origin(send, self.origin.clone())
    }

    /// Tells an answer of the server from a connection that broke, whose own error says more than
    /// that of the call.
    async fn no_answer(&mut self, status: Status) -> NoAnswer {
        if status.source().is_none() {
            return NoAnswer::Refused(status);
        }
        match (&mut self.driver).await {
            Ok(Err(error)) => NoAnswer::Broken(Box::new(error)),
            Ok(Ok(())) | Err(_) => NoAnswer::Broken(Box::new(status)),
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Cluster {
    /// Returns the node that leads, if one does.
    pub(super) fn leader(&self) -> Option<&ClusterMember> {
        self.members.iter().find(|member| member.is_alive && member.state == LEADER)
    }
}

impl Login {
    /// Returns the user that a connection string names, as the client sends them. The client keeps
    /// both to itself, but for whoever serialises its settings.
    pub(super) fn of(settings: &ClientSettings) -> Option<Self> {
        let credentials = settings.default_authenticated_user().as_ref()?;
        serde_json::from_value(serde_json::to_value(credentials).ok()?).ok()
    }

    /// Returns the name of the user, for people.
    pub(super) fn name(&self) -> String {
        String::from_utf8_lossy(&self.login).escape_debug().to_string()
    }

    fn enter<T>(login: Option<&Self>, request: &mut Request<T>) {
        let leads = tonic::metadata::MetadataValue::from_static("true");
        request.metadata_mut().insert("requires-leader", leads);
        let Some(Self { login, password }) = login else { return };
        let basic = format!("Basic {}", STANDARD.encode([login, &b":"[..], password].concat()));
        if let Ok(value) = basic.parse() {
            request.metadata_mut().insert("authorization", value);
        }
    }
}
