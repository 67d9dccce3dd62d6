//! The service behind a real nginx, a real Caddy and a real `HAProxy`, and clients who lie to them.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use whence_test_support::mails::Mails;
use whence_test_support::tool;

use crate::operations::proxy_programs;
use crate::support::{Service, settings_of, until_listening};
use whence_test_support::ports::free_port;

const TOKEN: &str = "root=0123456789abcdef0123456789";

/// A service, and a running proxy in front of it.
struct Front {
    service: Service,
    proxy: Child,
    port: u16,
    directory: TempDir,
}

/// How a proxy is started by settings that send requests to an address and listen on a port.
type Start = fn(&Path, SocketAddr, u16) -> Command;

fn nginx(directory: &Path, service: SocketAddr, port: u16) -> Command {
    let location = settings_of("location / {").replace("127.0.0.1:8080", &service.to_string());
    proxy_programs::nginx(directory, port, &location)
}

fn caddy(directory: &Path, service: SocketAddr, port: u16) -> Command {
    let site = settings_of("login.example.com {").replace("127.0.0.1:8080", &service.to_string());
    let site = site.replace("login.example.com", &format!("http://:{port}"));
    proxy_programs::caddy(directory, &site)
}

fn haproxy_with(backend: &str, directory: &Path, service: SocketAddr, port: u16) -> Command {
    let backend = backend.replace("127.0.0.1:8080", &service.to_string());
    let times = "timeout client 20s\n timeout server 20s\n timeout connect 5s";
    let text = format!(
        "defaults\n {times}\nfrontend all\n mode http\n bind 127.0.0.1:{port}\n \
         default_backend whence\n{backend}"
    );
    std::fs::write(directory.join("haproxy.cfg"), text).unwrap();
    let mut command = tool::program("haproxy");
    command.arg("-db").arg("-f").arg(directory.join("haproxy.cfg"));
    command
}

fn haproxy(directory: &Path, service: SocketAddr, port: u16) -> Command {
    let backend = settings_of("backend whence\n    mode http\n    option forwardfor");
    haproxy_with(&backend, directory, service, port)
}

fn haproxy_forwarded(directory: &Path, service: SocketAddr, port: u16) -> Command {
    let backend = settings_of("backend whence\n    mode http\n    http-request add-header");
    haproxy_with(&backend, directory, service, port)
}

impl Front {
    async fn start(start: Start, header: Option<&str>) -> Self {
        let directory = TempDir::new().unwrap();
        let flags = ["--trusted-proxy", "127.0.0.1/32", "--starts-per-client", "3"];
        let others = ["--admin-token", TOKEN, "--mail", "directory:mail", "--log", "whence=info"];
        let named = header.map(|header| ["--client-address-header", header]);
        let flags = [&flags[..], &others, named.as_ref().map_or(&[][..], |named| &named[..])];
        let service = Service::start(directory.path(), &flags.concat());
        let port = free_port();
        let mut command = start(directory.path(), service.address, port);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let proxy = command.spawn().unwrap();
        until_listening(port).await;
        Self { service, proxy, port, directory }
    }

    /// Posts from an address of this machine through the proxy: the status and the body.
    async fn post(&self, from: &str, path: &str, headers: &[u8], body: &Value) -> (u16, Value) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        let proxy = SocketAddr::from(([127, 0, 0, 1], self.port));
        let mut stream = socket.connect(proxy).await.unwrap();
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        let request = [head.as_bytes(), headers, b"\r\n", body.as_bytes()].concat();
        stream.write_all(&request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok()).expect(&answer);
        let (begin, end) = (answer.find('{'), answer.rfind('}'));
        let body = begin.zip(end).and_then(|(a, b)| serde_json::from_str(&answer[a..=b]).ok());
        (status, body.unwrap_or_default())
    }

    async fn start_login(&self, from: &str, headers: &[u8], email: &str) -> (u16, Value) {
        self.post(from, "/v1/auth/email/start", headers, &json!({ "email": email })).await
    }

    /// The addresses on record of those who asked for codes as this user.
    async fn on_record(&self, from: &str, request: &Value, email: &str) -> Vec<String> {
        let code = Mails::in_directory(&self.directory.path().join("mail")).code(email);
        let body = json!({ "request_id": request["request_id"], "code": code });
        let (status, user) = self.post(from, "/v1/auth/email/verify", b"", &body).await;
        assert_eq!(status, 200, "{user}");
        let id = user["user"]["id"].as_str().unwrap();
        let address = self.service.address;
        let url = format!("http://{address}/v1/admin/users/{id}/timeline?open_personal_data=true");
        let token = TOKEN.trim_start_matches("root=");
        let answer = reqwest::Client::new().get(url).header("x-admin-token", token).send();
        let answer = answer.await.unwrap().text().await.unwrap();
        let lines: Vec<Value> = serde_json::from_str(&answer).expect(&answer);
        let started = lines.iter().filter(|line| line["type"] == "LoginStarted.v1");
        started.map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

/// What clients send to be somebody else, or nobody.
const LIES: [&[u8]; 8] = [
    b"X-Forwarded-For: 203.0.113.99\r\n",
    b"X-Forwarded-For: \xff\xfe\r\nX-Forwarded-For: 127.0.0.1\r\n",
    b"X-Forwarded-For: 1.2.3.4, \xc3\xa9,,\r\n",
    b"X-Forwarded-For: unknown\r\nForwarded: for=203.0.113.98\r\n",
    b"Forwarded: for=203.0.113.97;host=\"\r\nForwarded: for=_hidden, for=\"\r\n",
    b"X-Real-IP: 203.0.113.96\r\nTrue-Client-IP: 203.0.113.96\r\nVia: 1.1 x\r\n",
    b"CF-Connecting-IP: 203.0.113.95\r\nCF-IPCountry: DE\r\n",
    b"X-Forwarded-For:\r\nCloudFront-Viewer-Address: 203.0.113.94:1\r\n",
];

/// Insists on a client staying who it is, whatever it sends, and on another one being another.
async fn nobody_is_somebody_else(start: Start, header: &str) {
    let front = Front::start(start, Some(header)).await;
    let (liar, honest) = ("127.0.0.11", "127.0.0.12");
    let mut asked = Vec::new();
    for (n, lie) in LIES.iter().enumerate() {
        let email = format!("liar{n}@example.com");
        let (status, request) = front.start_login(liar, lie, &email).await;
        // A proxy may refuse such bytes itself.
        assert!([200, 400, 429].contains(&status), "{lie:?}: {status}");
        if status == 200 {
            asked.push((email, request));
        }
    }
    assert_eq!(asked.len(), 3, "more than one client may ask for");
    let (status, request) = front.start_login(honest, b"", "honest@example.com").await;
    assert_eq!(status, 200);
    let record = front.on_record(honest, &request, "honest@example.com").await;
    assert!(record.len() == 1 && record[0].contains(honest), "{record:?}");
    for (email, request) in &asked {
        let record = front.on_record(liar, request, email).await;
        assert!(record.len() == 1 && record[0].contains(liar), "{record:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_nginx() {
    nobody_is_somebody_else(nginx, "x-forwarded-for").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_caddy() {
    nobody_is_somebody_else(caddy, "x-forwarded-for").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_haproxy() {
    nobody_is_somebody_else(haproxy, "x-forwarded-for").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_haproxy_that_writes_forwarded() {
    nobody_is_somebody_else(haproxy_forwarded, "forwarded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_a_client_that_sends_forwarded_is_unknown() {
    let front = Front::start(nginx, None).await;
    for n in 0..5 {
        let (client, email) = (format!("127.0.0.{}", 20 + n), format!("u{n}@example.com"));
        let lie = format!("Forwarded: for=203.0.113.{n}\r\n");
        let (status, request) = front.start_login(&client, lie.as_bytes(), &email).await;
        assert_eq!(status, if n < 3 { 200 } else { 429 }, "all of them are one");
        if n == 0 {
            let record = front.on_record(&client, &request, &email).await;
            assert!(record[0].contains("unknown address"), "{record:?}");
        }
    }
    let (status, _) = front.start_login("127.0.0.20", b"", "honest@example.com").await;
    assert_eq!(status, 200);
}
