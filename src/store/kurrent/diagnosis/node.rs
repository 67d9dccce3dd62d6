//! Asks one node after another, step by step: its name, its port, TLS, the protocol, its version, its
//! leader, and the rights of the user.

use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use eventstore::ClientSettings;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncBufReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::Code;

use super::certificate;
use super::question::{Conversation, Login, NoAnswer};
use super::sentence::Diagnosis;
use super::version;

/// How long a step may take.
const STEP_TIMEOUT: Duration = Duration::from_millis(1500);

/// What the prober asks with.
pub(super) struct Prober<'a> {
    pub(super) settings: &'a ClientSettings,
    /// What TLS trusts; `None` where the connection string wants none.
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) login: Option<Login>,
}

/// An address of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeAddress {
    /// A name, or an address without brackets.
    host: String,
    port: u16,
}

/// What became of a question that a user needs a right for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// The server answers it.
    Allowed,
    /// The server sends those who ask to the leader.
    AnotherLeads,
}

impl NodeAddress {
    pub(super) fn new(host: &str, port: u32) -> Self {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Self { host: host.to_owned(), port: u16::try_from(port).unwrap_or(0) }
    }

    /// Returns the address for people, and for a server.
    fn shown(&self) -> String {
        let Self { host, port } = self;
        if host.contains(':') {
            format!("[{}]:{port}", host.escape_debug())
        } else {
            format!("{}:{port}", host.escape_debug())
        }
    }
}

impl Prober<'_> {
    /// Returns the first thing that is wrong with a node, or `None` when all is well by now.
    pub(super) async fn node(&self, node: &NodeAddress) -> Option<Diagnosis> {
        self.steps(node).await.err()
    }

    async fn steps(&self, node: &NodeAddress) -> Result<(), Diagnosis> {
        let mut conversation = self.greeted(node).await?;
        // One that does not tell of its cluster is asked all the same.
        let told = timeout(STEP_TIMEOUT, conversation.cluster(self.login.as_ref())).await;
        let Ok(Ok(cluster)) = told else {
            return self.rights(node, conversation).await.map(drop);
        };
        let alive = cluster.members.iter().filter(|member| member.is_alive).count();
        let no_leader = Diagnosis::NoLeader { alive, nodes: cluster.members.len() };
        let endpoint = cluster.leader().ok_or(no_leader)?.endpoint.as_ref();
        let leader = endpoint.map(|end| NodeAddress::new(&end.host, end.port));
        let Some(leader) = leader.filter(|leader| leader != node) else {
            return self.rights(node, conversation).await.map(drop);
        };
        // The client goes to one host that it was given, whatever address that gives to others, and to
        // another one only when it is sent there.
        let is_alone = self.settings.hosts().len() == 1;
        let is_alone = is_alone && !self.settings.is_dns_discovery_enabled();
        if is_alone && self.rights(node, conversation).await? == Reading::Allowed {
            return Ok(());
        }
        let there = self.greeted(&leader).await;
        let there = there.map_err(|found| Diagnosis::Advertised { diagnosis: Box::new(found) })?;
        self.rights(&leader, there).await.map(drop)
    }

    /// Reads what whence reads.
    async fn rights(
        &self,
        node: &NodeAddress,
        mut conversation: Conversation,
    ) -> Result<Reading, Diagnosis> {
        let at = node.shown();
        let login = self.login.as_ref();
        let status = match timeout(STEP_TIMEOUT, conversation.read_all(login)).await {
            Ok(Ok(())) => return Ok(Reading::Allowed),
            Ok(Err(NoAnswer::Refused(status))) => status,
            Ok(Err(NoAnswer::Broken(why))) => {
                return Err(Diagnosis::NotReady { at, why: words(&why.to_string()) });
            }
            Err(_) => return Err(Diagnosis::Silent { at }),
        };
        if status.metadata().get("exception").is_some_and(|name| name == "not-leader") {
            return Ok(Reading::AnotherLeads);
        }
        Err(match (status.code(), login) {
            (Code::Unauthenticated, Some(login)) => Diagnosis::WrongPassword { user: login.name() },
            (Code::PermissionDenied, Some(login)) => Diagnosis::MissingRight { user: login.name() },
            (Code::Unauthenticated | Code::PermissionDenied, None) => Diagnosis::NoCredentials,
            _ => Diagnosis::NotReady { at, why: words(status.message()) },
        })
    }

    /// Connects, and returns a conversation with a server whose version is recent enough.
    async fn greeted(&self, node: &NodeAddress) -> Result<Conversation, Diagnosis> {
        let at = node.shown();
        let mut conversation = self.connected(node).await?;
        match timeout(STEP_TIMEOUT, conversation.version()).await {
            Ok(Ok(found)) if version::is_recent(&found) => Ok(conversation),
            Ok(Ok(found)) => Err(Diagnosis::TooOld { at, version: Some(words(&found)) }),
            Ok(Err(NoAnswer::Refused(status))) => {
                let is_unknown = matches!(status.code(), Code::Unimplemented | Code::NotFound);
                Err(if is_unknown {
                    Diagnosis::TooOld { at, version: None }
                } else {
                    Diagnosis::NotReady { at, why: words(status.message()) }
                })
            }
            broken @ (Ok(Err(NoAnswer::Broken(_))) | Err(_)) => {
                let is_silent = broken.is_err();
                Err(match &self.tls {
                    Some(config) => self.refused_later(node, config).await,
                    None => speaks_tls(node).await.then(|| Diagnosis::TlsServer { at: at.clone() }),
                }
                .unwrap_or(if is_silent {
                    Diagnosis::Silent { at }
                } else {
                    Diagnosis::Foreign { at }
                }))
            }
        }
    }

    /// Returns what TLS says after a handshake that the server has accepted: there it may say that it
    /// wants to see a certificate.
    async fn refused_later(
        &self,
        node: &NodeAddress,
        config: &Arc<ClientConfig>,
    ) -> Option<Diagnosis> {
        let mut stream = self.encrypted(node, config, tcp(node).await.ok()?).await.ok()?;
        let error = timeout(STEP_TIMEOUT, stream.fill_buf()).await.ok()?.err()?;
        certificate::refusal(&node.shown(), self.settings, &error)
    }

    /// Opens a connection, with TLS where the connection string wants it.
    async fn connected(&self, node: &NodeAddress) -> Result<Conversation, Diagnosis> {
        let at = node.shown();
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let origin = format!("{scheme}://{at}").parse();
        let origin = origin.map_err(|_| Diagnosis::NotResolved { host: words(&node.host) })?;
        let tcp = tcp(node).await?;
        let begun = match &self.tls {
            None => Conversation::begin(tcp, origin).await,
            Some(config) => {
                Conversation::begin(self.encrypted(node, config, tcp).await?, origin).await
            }
        };
        begun.map_err(|_| Diagnosis::Foreign { at })
    }

    async fn encrypted(
        &self,
        node: &NodeAddress,
        config: &Arc<ClientConfig>,
        tcp: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Diagnosis> {
        let at = node.shown();
        let error = match timeout(STEP_TIMEOUT, handshake(node, config.clone(), tcp)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error,
            Err(_) => Error::from(ErrorKind::TimedOut),
        };
        if let Some(found) = certificate::refusal(&at, self.settings, &error) {
            return Err(found);
        }
        if speaks_without_tls(node).await {
            return Err(Diagnosis::PlainServer { at });
        }
        Err(Diagnosis::Handshake { at, why: words(&error.to_string()) })
    }
}

/// Returns words of a server or a library, for people: short, and without what steers a terminal.
pub(super) fn words(text: &str) -> String {
    let shown: String = text.chars().take(200).collect();
    shown.escape_debug().to_string()
}

async fn tcp(node: &NodeAddress) -> Result<TcpStream, Diagnosis> {
    let at = node.shown();
    let host = node.host.as_str();
    let not_resolved = || Diagnosis::NotResolved { host: words(host) };
    let found = timeout(STEP_TIMEOUT, tokio::net::lookup_host((host, node.port))).await;
    let addresses: Vec<_> =
        found.map_err(|_| not_resolved())?.map_err(|_| not_resolved())?.collect();
    match timeout(STEP_TIMEOUT, TcpStream::connect(&addresses[..])).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            Err(Diagnosis::Refused { at })
        }
        Ok(Err(error)) => Err(Diagnosis::Unreachable { at, why: words(&error.to_string()) }),
        Err(_) => Err(Diagnosis::Silent { at }),
    }
}

async fn handshake(
    node: &NodeAddress,
    config: Arc<ClientConfig>,
    tcp: TcpStream,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let name = ServerName::try_from(node.host.clone());
    let name = name.map_err(|error| Error::new(ErrorKind::InvalidInput, error))?;
    TlsConnector::from(config).connect(name, tcp).await
}

/// Returns whether a server answers a handshake of TLS, if only to refuse it.
async fn speaks_tls(node: &NodeAddress) -> bool {
    let Ok(config) = certificate::any() else { return false };
    let Ok(tcp) = tcp(node).await else { return false };
    match timeout(STEP_TIMEOUT, handshake(node, Arc::new(config), tcp)).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            let inside = error.get_ref().and_then(|inside| inside.downcast_ref());
            matches!(inside, Some(rustls::Error::AlertReceived(_)))
        }
        Err(_) => false,
    }
}

/// Returns whether a server answers a question that is asked without TLS.
async fn speaks_without_tls(node: &NodeAddress) -> bool {
    let Ok(origin) = format!("http://{}", node.shown()).parse() else { return false };
    let Ok(tcp) = tcp(node).await else { return false };
    let Ok(mut conversation) = Conversation::begin(tcp, origin).await else { return false };
    let answer = timeout(STEP_TIMEOUT, conversation.version()).await;
    matches!(answer, Ok(Ok(_) | Err(NoAnswer::Refused(_))))
}
