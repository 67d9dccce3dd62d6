mod server;

use std::net::SocketAddr;
use std::path::Path;

use rcgen::{CertificateParams, date_time_ymd};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tonic::Code;

use super::*;
use server::{Answers, Authority, Leader};

/// Says what is wrong with a connection string, and checks what holds for every sentence.
async fn said(url: &str) -> String {
    let settings = url.parse().unwrap();
    let sentence = diagnose(&settings, &"KurrentDB has not answered in time").await.sentence();
    assert!(!sentence.contains("hunter2"), "{sentence}");
    assert!(!sentence.chars().any(char::is_control), "{sentence}");
    sentence
}

/// A certificate of these names that is good today.
fn of(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn with_ca(address: SocketAddr, file: &Path) -> String {
    format!("kurrentdb://{address}?tlsCaFile={}", file.display())
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let said_of = said("kurrentdb://nowhere.invalid:2113?tls=false").await;
    let expected = "the name nowhere.invalid cannot be resolved: correct the name in the \
                    connection string, or in DNS";
    assert_eq!(said_of, expected);
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for rest in ["?tls=false", ""] {
        let said = said(&format!("kurrentdb://{free}{rest}")).await;
        let expected =
            format!("no server listens at {free}: start KurrentDB there, or correct host and port");
        assert_eq!(said, expected);
    }
}

#[tokio::test]
async fn something_else_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    // The system accepts for it, and nobody ever answers.
    let silent = said(&format!("kurrentdb://{at}?tls=false")).await;
    assert!(silent.starts_with(&format!("nothing at {at} has answered in time: ")), "{silent}");
    let answering = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let foreign = said(&format!("kurrentdb://{at}?tls=false")).await;
    answering.abort();
    assert_eq!(foreign, format!("what listens at {at} is not KurrentDB: correct host and port"));
}

#[tokio::test]
async fn tls_on_one_side_only() {
    let plain = Answers::default().plain().await;
    let at = plain.address;
    let said_of = said(&format!("kurrentdb://ann:hunter2@{at}")).await;
    let expected = format!(
        "the server at {at} speaks without TLS, and the connection string wants it: give the \
         server a certificate, or write tls=false into the connection string of a network that is \
         trusted"
    );
    assert_eq!(said_of, expected);
    let authority = Authority::new();
    let server = Answers::default().with_tls(authority.config(&of(&["127.0.0.1"]), None)).await;
    let at = server.address;
    let said = said(&format!("kurrentdb://{at}?tls=false")).await;
    let expected = format!(
        "the server at {at} speaks TLS, and the connection string says tls=false: leave tls=false \
         out"
    );
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted() {
    let (authority, another) = (Authority::new(), Authority::new());
    let server = Answers::default().with_tls(authority.config(&of(&["127.0.0.1"]), None)).await;
    let at = server.address;
    let advice = "name the certificate of the authority that signed it with tlsCaFile=";
    let file = another.root();
    let expected = format!(
        "the certificate of {at} is not trusted: no authority in tlsCaFile={} has signed it: \
         {advice}",
        file.display()
    );
    assert_eq!(said(&with_ca(at, &file)).await, expected);
    let expected = format!(
        "the certificate of {at} is not trusted: no authority that this system trusts has signed \
         it: {advice}"
    );
    assert_eq!(said(&format!("kurrentdb://{at}")).await, expected);
    // And with the right one, or with none wanted, all is well.
    let well = "KurrentDB has not answered in time: it answers by now: try again";
    assert_eq!(said(&with_ca(at, &authority.root())).await, well);
    assert_eq!(said(&format!("kurrentdb://{at}?tlsVerifyCert=false")).await, well);
}

#[tokio::test]
async fn a_certificate_out_of_its_time_or_of_another_name() {
    let authority = Authority::new();
    let root = authority.root();
    let (mut expired, mut early) = (of(&["127.0.0.1"]), of(&["127.0.0.1"]));
    expired.not_after = date_time_ymd(2001, 2, 3);
    early.not_before = date_time_ymd(2961, 2, 3);
    early.not_after = date_time_ymd(2962, 2, 3);
    let server = Answers::default().with_tls(authority.config(&expired, None)).await;
    let said_of = said(&with_ca(server.address, &root)).await;
    let expected = format!(
        "the certificate of {} expired at 2001-02-03T00:00:00Z, and it is 2",
        server.address
    );
    assert!(said_of.starts_with(&expected), "{said_of}");
    assert!(said_of.ends_with(" here: renew it, or set the clock here"), "{said_of}");

    let server = Answers::default().with_tls(authority.config(&early, None)).await;
    let said_of = said(&with_ca(server.address, &root)).await;
    let expected =
        format!("the certificate of {} is valid from 2961-02-03T00:00:00Z on", server.address);
    assert!(said_of.starts_with(&expected), "{said_of}");

    let names = of(&["db.example.com", "10.0.0.7"]);
    let server = Answers::default().with_tls(authority.config(&names, None)).await;
    let expected = format!(
        "the certificate of {} is of another name: it has db.example.com, 10.0.0.7: write a name \
         of it into the connection string, or give the server a certificate of this one",
        server.address
    );
    assert_eq!(said(&with_ca(server.address, &root)).await, expected);
}

#[tokio::test]
async fn a_server_that_wants_to_see_a_certificate() {
    let (authority, clients, another) = (Authority::new(), Authority::new(), Authority::new());
    let config = authority.config(&of(&["127.0.0.1"]), Some(&clients));
    let server = Answers::default().with_tls(config).await;
    let (at, url) = (server.address, with_ca(server.address, &authority.root()));
    let advice = "name one whose authority the server trusts with userCertFile=, and its key with \
                  userKeyFile=";
    assert_eq!(said(&url).await, format!("{at} asks for a client certificate: {advice}"));
    let given = |by: &Authority| {
        let [certificate, key] = by.signed(&of(&["ann"]));
        format!("{url}&userCertFile={}&userKeyFile={}", certificate.display(), key.display())
    };
    let expected = format!("{at} does not accept userCertFile= as a client certificate: {advice}");
    assert_eq!(said(&given(&another)).await, expected);
    let well = "KurrentDB has not answered in time: it answers by now: try again";
    assert_eq!(said(&given(&clients)).await, well);
}

#[tokio::test]
async fn files_that_cannot_be_read() {
    let authority = Authority::new();
    let missing = authority.root().with_file_name("missing.pem");
    let empty = authority.file("empty.pem", "# nothing\n");
    let garbage = authority.file("garbage.pem", "-----BEGIN CERTIFICATE-----\n!\n");
    let [certificate, _] = authority.signed(&of(&["ann"]));
    let at = SocketAddr::from(([127, 0, 0, 1], 1));
    let advice = "name a file in PEM format that whence may read";
    for (file, why) in [
        (&missing, "No such file or directory (os error 2)"),
        (&empty, "there is nothing of that kind in it"),
        (&garbage, "it is not written as PEM"),
    ] {
        let file_name = file.display();
        let expected = format!("tlsCaFile={file_name} cannot be read: {why}: {advice}");
        assert_eq!(said(&with_ca(at, file)).await, expected);
        let certificate = certificate.display();
        let url = format!("kurrentdb://{at}?userCertFile={certificate}&userKeyFile={file_name}");
        let expected = format!("userKeyFile={file_name} cannot be read: {why}: {advice}");
        assert_eq!(said(&url).await, expected);
    }
}

#[tokio::test]
async fn a_server_from_before_what_whence_reads() {
    let old = Answers { version: Some("21.10.9"), ..Answers::default() }.plain().await;
    let said_of = said(&format!("kurrentdb://{}?tls=false", old.address)).await;
    let expected =
        format!("KurrentDB 21.10.9 at {} is too old: upgrade to 23.10 or later", old.address);
    assert_eq!(said_of, expected);
    let older = Answers { version: None, ..Answers::default() }.plain().await;
    let said_of = said(&format!("kurrentdb://{}?tls=false", older.address)).await;
    let expected = format!(
        "what answers at {} is KurrentDB before 21.10, or something else: upgrade to 23.10 or later",
        older.address
    );
    assert_eq!(said_of, expected);
}

#[tokio::test]
async fn a_cluster_without_a_leader_or_with_one_out_of_reach() {
    let node = Answers { leader: None, ..Answers::default() }.plain().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    // Of two nodes, the one that answers knows more.
    let said_of = said(&format!("kurrentdb://{free},{}?tls=false", node.address)).await;
    let expected = "no node of the cluster leads: 2 of 3 are alive: start the other nodes: a \
                    majority of them elects the leader";
    assert_eq!(said_of, expected);
    let node = Answers { leader: Some(Leader::Another(free)), ..Answers::default() }.plain().await;
    let said_of = said(&format!("kurrentdb://{}?tls=false", node.address)).await;
    let expected = format!(
        "no server listens at {free}, which is where the nodes say that their leader is: start \
         KurrentDB there, or correct host and port, or set AdvertiseHostToClientAs of that node"
    );
    assert_eq!(said_of, expected);
    let leader = Answers::default().plain().await;
    let at = Some(Leader::Another(leader.address));
    let node = Answers { leader: at, ..Answers::default() }.plain().await;
    let said_of = said(&format!("kurrentdb://{}?tls=false", node.address)).await;
    assert!(said_of.ends_with("it answers by now: try again"), "{said_of}");
}

/// The client asks a single host and no other, unless it is sent there.
#[tokio::test]
async fn a_leader_that_gives_others_an_address_out_of_reach() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let leader = Some(Leader::ItselfAs(free));
    let node = Answers { leader, ..Answers::default() }.plain().await;
    let said_of = said(&format!("kurrentdb://{}?tls=false", node.address)).await;
    assert!(said_of.ends_with("it answers by now: try again"), "{said_of}");
    let said_of = said(&format!("kurrentdb+discover://{}?tls=false", node.address)).await;
    assert!(said_of.contains("which is where the nodes say that their leader is"), "{said_of}");
}

#[tokio::test]
async fn an_address_of_ipv6() {
    let node = Answers { version: Some("5.0.11"), ..Answers::default() }.plain_at("[::1]:0").await;
    let at = node.address;
    assert!(at.is_ipv6());
    let expected = format!("KurrentDB 5.0.11 at {at} is too old: upgrade to 23.10 or later");
    assert_eq!(said(&format!("kurrentdb://{at}?tls=false")).await, expected);
    let node = Answers::default().plain_at("[::1]:0").await;
    let said_of = said(&format!("kurrentdb://{}?tls=false", node.address)).await;
    assert!(said_of.ends_with("it answers by now: try again"), "{said_of}");
}

#[tokio::test]
async fn users_and_their_rights() {
    // The server hears "ann:hunter2".
    let ann = "Basic YW5uOmh1bnRlcjI=";
    let answers = |code| Answers { reader: Some((ann, code)), ..Answers::default() };
    let strict = answers(Code::Unauthenticated).plain().await;
    let url = |user: &str, server: &server::Server| {
        format!("kurrentdb://{user}{}?tls=false", server.address)
    };
    let said_of = said(&url("ann:hunter22@", &strict)).await;
    let expected = "KurrentDB does not know the user ann with this password: correct them in the \
                    connection string, where both are taken as they are written, without \
                    percent-encoding";
    assert_eq!(said_of, expected);
    let strict_without = said(&url("", &strict)).await;
    let server = answers(Code::PermissionDenied).plain().await;
    let expected = "KurrentDB lets nobody read $all without a user, and the connection string \
                    names none: write kurrentdb://USER:PASSWORD@HOST:PORT";
    assert_eq!(said(&url("", &server)).await, expected);
    assert_eq!(strict_without, expected);
    let expected = "the user bob may not read $all: as an administrator append to the stream \
                    $$$all an event of type $metadata with the data \
                    {\"$acl\":{\"$r\":[\"$admins\",\"bob\"]}}";
    assert_eq!(said(&url("bob:hunter2@", &server)).await, expected);
    let said_of = said(&url("ann:hunter2@", &server)).await;
    assert!(said_of.ends_with("it answers by now: try again"), "{said_of}");
    let busy = answers(Code::Unavailable).plain().await;
    let expected = format!(
        "KurrentDB at {} does not answer questions yet: Access Denied: wait, and see the log of \
         the server",
        busy.address
    );
    assert_eq!(said(&url("bob:hunter2@", &busy)).await, expected);
}
