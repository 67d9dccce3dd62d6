//! A server for the tests of the prober, which answers its three questions and no others.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::body::Body;
use tonic::codec::ProstCodec;
use tonic::server::Grpc;
use tonic::{Code, Request, Response, Status};

use crate::store::kurrent::diagnosis::question::{
    Cluster, ClusterMember, FEATURES, GOSSIP, LEADER, MemberEndpoint, ServerFeatures,
};

/// A server that goes when the test does.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

/// How a server answers.
#[derive(Clone)]
pub(super) struct Answers {
    /// Its version; `None` for one from before there was the question.
    pub(super) version: Option<&'static str>,
    /// The address that it gives for the leader; `None` where there is none.
    pub(super) leader: Option<Leader>,
    /// The user who may read, and what everybody else hears.
    pub(super) reader: Option<(&'static str, Code)>,
}

#[derive(Clone)]
pub(super) enum Leader {
    Itself,
    /// The node itself, which gives another address to its clients.
    ItselfAs(SocketAddr),
    Another(SocketAddr),
}

impl Default for Answers {
    fn default() -> Self {
        Self { version: Some("23.10.8"), leader: Some(Leader::Itself), reader: None }
    }
}

impl Answers {
    pub(super) async fn plain(self) -> Server {
        self.listen("127.0.0.1:0", None).await
    }

    pub(super) async fn with_tls(self, config: ServerConfig) -> Server {
        self.listen("127.0.0.1:0", Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    pub(super) async fn plain_at(self, address: &str) -> Server {
        self.listen(address, None).await
    }

    async fn listen(self, address: &str, tls: Option<TlsAcceptor>) -> Server {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, tls) = (self.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => answers.serve(stream, address).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answers.serve(stream, address).await;
                            }
                        }
                    }
                });
            }
        });
        Server { address, task }
    }

    async fn serve<Io>(self, io: Io, address: SocketAddr)
    where
        Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let answer = service_fn(move |request| {
            let answers = self.clone();
            async move { Ok::<_, std::convert::Infallible>(answers.answer(request, address).await) }
        });
        let connection = http2::Builder::new(TokioExecutor::new());
        let _ = connection.serve_connection(TokioIo::new(io), answer).await;
    }

    async fn answer(
        self,
        request: http::Request<Incoming>,
        own: SocketAddr,
    ) -> http::Response<Body> {
        let user = request.headers().get("authorization").cloned();
        match request.uri().path() {
            FEATURES => {
                let answer = self.version.map(|version| ServerFeatures { version: version.into() });
                let answer = answer.ok_or(Status::unimplemented("no such service"));
                let answer = tower::service_fn(move |_: Request<()>| {
                    std::future::ready(answer.clone().map(Response::new))
                });
                Grpc::new(ProstCodec::default()).unary(answer, request).await
            }
            GOSSIP => {
                let cluster = self.cluster(own);
                let answer = tower::service_fn(move |_: Request<()>| {
                    std::future::ready(Ok(Response::new(cluster.clone())))
                });
                Grpc::new(ProstCodec::default()).unary(answer, request).await
            }
            _ => {
                let is_reader = |(reader, _): &(&str, Code)| {
                    user.as_ref().is_some_and(|user| user.as_bytes() == reader.as_bytes())
                };
                let refused = self.reader.filter(|reader| !is_reader(reader));
                if matches!(self.leader, Some(Leader::Another(_))) {
                    let mut status = Status::not_found("Leader info available");
                    let why = "not-leader".parse().unwrap();
                    status.metadata_mut().insert("exception", why);
                    return status.into_http();
                }
                match refused {
                    Some((_, code)) => Status::new(code, "Access Denied").into_http(),
                    None => Status::ok("").into_http(),
                }
            }
        }
    }

    /// Of three nodes one is down.
    fn cluster(&self, own: SocketAddr) -> Cluster {
        let leads = self.leader.clone().map(|leader| match leader {
            Leader::Itself => own,
            Leader::ItselfAs(address) | Leader::Another(address) => address,
        });
        let member = |state, is_alive, address: SocketAddr| ClusterMember {
            state,
            is_alive,
            endpoint: Some(MemberEndpoint {
                host: address.ip().to_string(),
                port: address.port().into(),
            }),
        };
        let state = if leads.is_some() { LEADER } else { 2 };
        let down = SocketAddr::from(([127, 0, 0, 1], 1));
        let members = vec![
            member(LEADER, false, down),
            member(state, true, leads.unwrap_or(own)),
            member(6, true, down),
        ];
        Cluster { members }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Authorities and certificates of servers, in files.
pub(super) struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut root = CertificateParams::new(vec![]).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        Self { folder: TempDir::new().unwrap(), issuer }
    }

    /// Returns a file.
    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Returns the file of its own certificate.
    pub(super) fn root(&self) -> PathBuf {
        self.file("root.pem", &self.issuer.pem())
    }

    /// Returns the files of a certificate that it has signed, and of its key.
    pub(super) fn signed(&self, params: &CertificateParams) -> [PathBuf; 2] {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        [self.file("crt.pem", &certificate.pem()), self.file("key.pem", &key.serialize_pem())]
    }

    /// Returns what a server with such a certificate does; it asks for certificates of `clients`.
    pub(super) fn config(
        &self,
        params: &CertificateParams,
        clients: Option<&Self>,
    ) -> ServerConfig {
        let [certificate, key] = self.signed(params);
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_file_iter(certificate).unwrap().collect();
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.issuer.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let mut config = builder.with_single_cert(chain.unwrap(), key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}
