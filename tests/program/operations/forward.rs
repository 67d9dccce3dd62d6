//! A site behind the real nginx, Caddy and Traefik, which ask whence who a request is of and which visit is
//! a landing, with the settings of docs/forward-auth.md.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::extract::Request;
use serde_json::{Value, json};
use tempfile::TempDir;
use whence_test_support::mails::Mails;
use whence_test_support::tool;

use crate::operations::proxy_programs;
use crate::support::{Service, settings_in, until_listening};
use whence_test_support::ports::free_port;

/// The settings of a proxy, which is to listen on a port: what starts it.
type Start = fn(&Path, u16, &str) -> Command;

/// A site, the service, and a proxy in front of both.
struct Site {
    service: Option<Service>,
    proxy: Child,
    url: String,
    directory: TempDir,
    client: reqwest::Client,
    cookies: BTreeMap<String, String>,
}

fn caddy(directory: &Path, port: u16, settings: &str) -> Command {
    let site = settings.replace("app.example.com", &format!("http://localhost:{port}"));
    proxy_programs::caddy(directory, &site)
}

fn traefik(directory: &Path, port: u16, settings: &str) -> Command {
    let routes = directory.join("routes.yaml");
    std::fs::write(&routes, settings.replace("app.example.com", "localhost")).unwrap();
    let text = format!(
        "global: {{checkNewVersion: false, sendAnonymousUsage: false}}\n\
         entryPoints: {{web: {{address: \"127.0.0.1:{port}\"}}}}\n\
         providers: {{file: {{filename: \"{}\"}}}}\n",
        routes.display()
    );
    std::fs::write(directory.join("traefik.yaml"), text).unwrap();
    let mut command = tool::running_script("traefik");
    command.arg(format!("--configFile={}", directory.join("traefik.yaml").display()));
    command
}

/// The pages of a site, which show what they were asked.
async fn pages(request: Request) -> axum::Json<Value> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1000).await.unwrap();
    let headers = parts.headers.iter();
    let headers: BTreeMap<_, _> =
        headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("?"))).collect();
    axum::Json(json!({
        "path": parts.uri.to_string(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    }))
}

/// An answer: its status, the address it leads to, and the body.
struct Answer {
    status: u16,
    location: String,
    body: Value,
    /// The names of the cookies that it sets.
    set: Vec<String>,
}

impl Answer {
    /// A header that the page got.
    fn got(&self, name: &str) -> &str {
        self.body["headers"][name].as_str().unwrap_or("")
    }
}

impl Site {
    async fn start(start: Start, settings: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let port = free_port();
        let url = format!("http://localhost:{port}");
        let login = format!("{url}/login");
        let flags = [
            ["--public-url", &url],
            ["--login-url", &login],
            ["--trusted-proxy", "127.0.0.1"],
            ["--client-address-header", "x-forwarded-for"],
            ["--mail", "directory:mail"],
            ["--log", "whence=info"],
            ["--admin-token", "root=0123456789abcdef0123456789"],
        ];
        let service = Service::start(directory.path(), &flags.concat());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let site: SocketAddr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(pages)).await.unwrap();
        });
        let settings = settings.replace("127.0.0.1:8080", &service.address.to_string());
        let settings = settings.replace("127.0.0.1:9000", &site.to_string());
        let mut command = start(directory.path(), port, &settings);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let proxy = command.spawn().unwrap();
        until_listening(port).await;
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let client = client.user_agent("Browser/1").build().unwrap();
        let mut site = Self {
            service: Some(service),
            proxy,
            url,
            directory,
            client,
            cookies: BTreeMap::new(),
        };
        // Traefik listens before it knows its routes.
        while site.view("/v1/auth/me", &[]).await.status == 404 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        site
    }

    /// A page view of a browser.
    async fn view(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.client.get(format!("{}{path}", self.url)).header("accept", "text/html");
        self.send(request, headers).await
    }

    async fn post(&mut self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let request = self.client.post(format!("{}{path}", self.url)).body(body.to_string());
        self.send(request, headers).await
    }

    async fn send(
        &mut self,
        mut request: reqwest::RequestBuilder,
        headers: &[(&str, &str)],
    ) -> Answer {
        let pairs: Vec<_> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        if !pairs.is_empty() {
            request = request.header("cookie", pairs.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let mut set = vec![];
        for line in answer.headers().get_all("set-cookie") {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            set.push(name.to_owned());
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let location = answer.headers().get("location").map_or("", |it| it.to_str().unwrap());
        Answer {
            status: answer.status().as_u16(),
            location: location.to_owned(),
            set,
            body: serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default(),
        }
    }

    async fn log_in(&mut self, email: &str) -> Value {
        let started = self.post("/v1/auth/email/start", &json!({ "email": email }), &[]).await;
        let code = Mails::in_directory(&self.directory.path().join("mail")).code(email);
        let body = json!({ "request_id": started.body["request_id"], "code": code });
        let verified = self.post("/v1/auth/email/verify", &body, &[]).await;
        assert_eq!(verified.status, 200, "{}", verified.body);
        verified.body["user"]["id"].clone()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

/// Names that a client claims.
const CLAIMS: &[(&str, &str)] =
    &[("remote-user", "admin"), ("Remote-Email", "admin@example.com"), ("remote-session", "x")];

/// Goes through a site: a landing, an account, and what others try. `outlives`: whether pages are shown when
/// whence is gone.
async fn visit(start: Start, line: &str, outlives: bool) {
    let settings = settings_in(include_str!("../../../docs/forward-auth.md"), line);
    let mut site = Site::start(start, &settings).await;

    // A landing, whose cookies come along with the page, once.
    let landed = site.view("/pricing?ref=abc&utm_source=mail", CLAIMS).await;
    assert_eq!(
        (landed.status, &landed.body["path"]),
        (200, &json!("/pricing?ref=abc&utm_source=mail"))
    );
    assert_eq!(landed.set, ["ref_code", "whence_touch"]);
    assert_eq!(landed.got("remote-user").to_owned() + landed.got("remote-email"), "");
    let later = site.view("/pricing", &[]).await;
    assert_eq!((later.status, later.set.len()), (200, 0));
    let posted = site.post("/form?ref=abc", &json!("text"), &[]).await;
    assert_eq!((posted.status, &posted.body["body"]), (200, &json!("\"text\"")));

    // Nobody yet: a browser is led to the login page, a program gets 401.
    let url = site.url.clone();
    let led = site.view("/account/a?b=c", CLAIMS).await;
    let back = url.replace(':', "%3A").replace('/', "%2F") + "%2Faccount%2Fa%3Fb%3Dc";
    assert_eq!((led.status, led.location), (302, format!("{url}/login?return_to={back}")));
    let told = site.post("/account/a", &json!({}), &[]).await;
    assert_eq!((told.status, told.location.as_str()), (401, ""));

    let id = site.log_in("jürgen@example.com").await;
    let passed = site.view("/account/a?b=c", CLAIMS).await;
    assert_eq!((passed.status, passed.got("remote-user")), (200, id.as_str().unwrap()));
    assert_eq!(passed.got("remote-email"), "j%C3%BCrgen@example.com");
    assert!(uuid::Uuid::try_parse(passed.got("remote-session")).is_ok());
    let posted = site.post("/account/a", &json!("text"), &[("origin", &url)]).await;
    assert_eq!((posted.status, &posted.body["body"]), (200, &json!("\"text\"")));
    let evil = [("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")];
    assert_eq!(site.post("/account/a", &json!({}), &evil).await.status, 403);

    // The click is on record, for whom the proxy says, and the account knows where it came from.
    let token = [("x-admin-token", "0123456789abcdef0123456789")];
    let path = format!("/v1/admin/users/{}/attribution", id.as_str().unwrap());
    let story = site.view(&path, &token).await;
    assert!(story.body.to_string().contains("/pricing"), "{}", story.body);

    // Without whence nobody is let in, and pages for all are shown where the proxy can.
    site.service.take().unwrap().kill();
    assert!(site.view("/account/a", CLAIMS).await.status >= 500);
    let status = site.view("/pricing?ref=abc", &[]).await.status;
    assert_eq!(status, if outlives { 200 } else { 500 });
    let posted = site.post("/form", &json!("text"), &[]).await;
    assert_eq!(posted.status, if outlives { 200 } else { 500 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_behind_nginx() {
    visit(proxy_programs::nginx, "location /v1/ {", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_behind_caddy() {
    visit(caddy, "app.example.com {", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_behind_traefik() {
    visit(traefik, "http:\n  routers:", false).await;
}
