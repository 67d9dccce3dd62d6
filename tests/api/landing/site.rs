//! A small platform on a socket, and its visitors.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Router;
use axum::http::request::Parts;
use axum::routing::get;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use reqwest::{Client, Method, Response};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use whence::app::client_address::ClientAddress;
use whence::domain::touch::{FirstTouch, Hosts, LandingRules, RecordedTouch, RefCode, Visitor};
use whence::http::landing::cookies::{CookieSettings, decode_first_touch, decode_ref_code};
use whence::http::landing::{
    Landing, LandingClient, LandingSettings, TouchLayer, TouchRecorder, routes,
};
use whence::infra::clock::Clock;
use whence::infra::keys::MacKey;
use whence_events::{Country, DeviceClass, Timestamp};

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

/// What a browser sends with a visit from another site.
pub(crate) const VISIT: &[(&str, &str)] = &[
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-site", "cross-site"),
    ("user-agent", "Browser/1"),
];

pub(crate) struct Site {
    pub(crate) landing: Arc<Landing>,
    pub(crate) touches: mpsc::Receiver<RecordedTouch>,
    pub(crate) clock: Clock,
    key: MacKey,
    address: String,
    client: Client,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with(LandingRules::default(), 100).await
    }

    pub(crate) async fn with(mut rules: LandingRules, queue: usize) -> Self {
        rules.excluded_hosts = Hosts::new(["pay.test"]);
        let settings = LandingSettings {
            rules,
            cookies: CookieSettings::default(),
            landing_url: "https://www.shop.test/welcome?lang=en".parse().unwrap(),
            allowed_origins: vec!["https://blog.shop-news.test".to_owned()],
        };
        let key = MacKey::generate();
        let clock = Clock::manual(NOW);
        let (recorder, touches) = TouchRecorder::bounded(queue);
        let identify_client = Arc::new(client_of);
        let landing = Landing::new(settings, key.clone(), clock.clone(), recorder, identify_client);
        let landing = Arc::new(landing);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let app = app(&landing);
        tokio::spawn(async { axum::serve(listener, app).await });
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self { landing, touches, clock, key, address, client }
    }

    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> reqwest::RequestBuilder {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let address = format!("{}{path}", self.address);
        self.client.request(method, address).headers(map)
    }

    /// A visit with further headers.
    pub(crate) async fn visit(&self, path: &str, more: &[(&str, &str)]) -> Response {
        let headers = [VISIT, more].concat();
        let request = self.request(Method::GET, path, &headers);
        request.send().await.unwrap()
    }

    /// What `ref_code` was set to.
    pub(crate) fn planted(&self, answer: &Response) -> Option<String> {
        let value = cookie(answer, "ref_code")?;
        match decode_ref_code(&self.key, value.as_bytes()) {
            RefCode::Signed(planted) => Some(planted.code.to_string()),
            RefCode::Bare(_) | RefCode::Invalid => panic!("set to {value}"),
        }
    }

    /// What `whence_touch` was set to.
    pub(crate) fn first_touch(&self, answer: &Response) -> Option<FirstTouch> {
        let value = cookie(answer, "whence_touch")?;
        let touch = decode_first_touch(&self.key, value.as_bytes());
        Some(touch.expect("signed by the site"))
    }

    /// The next touch that was recorded.
    #[track_caller]
    pub(crate) fn recorded(&mut self) -> RecordedTouch {
        self.touches.try_recv().expect("a touch was recorded")
    }

    #[track_caller]
    pub(crate) fn nothing_recorded(&mut self) {
        assert_eq!(self.touches.try_recv().ok(), None);
    }
}

fn app(landing: &Arc<Landing>) -> Router {
    let kept = [("cache-control", "public, max-age=60")];
    Router::new()
        .route("/", get(|| async { "home" }))
        .route("/kept", get(move || async move { (kept, "kept") }))
        .route("/creators/{handle}", get(|| async { "creator" }))
        .merge(routes(Arc::clone(landing)))
        .layer(TouchLayer::new(Arc::clone(landing)))
}

fn client_of(parts: &Parts) -> LandingClient {
    let header = |name| parts.headers.get(name)?.to_str().ok().map(str::to_owned);
    LandingClient {
        address: ClientAddress::Known(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        user_agent: header("user-agent"),
        visitor: Visitor {
            device_class: Some(DeviceClass::Mobile),
            country: Country::parse("de"),
            bot: header("x-is-bot").is_some(),
            ..Visitor::default()
        },
        https: header("x-forwarded-proto").as_deref() == Some("https"),
    }
}

/// The value that a cookie was set to.
pub(crate) fn cookie(answer: &Response, name: &str) -> Option<String> {
    let lines = answer.headers().get_all(SET_COOKIE);
    lines.into_iter().find_map(|line| {
        let (pair, _) = line.to_str().unwrap().split_once(';').unwrap();
        let (found, value) = pair.split_once('=').unwrap();
        (found == name).then(|| value.to_owned())
    })
}

/// The cookies that an answer set, as a browser sends them back.
pub(crate) fn jar(answer: &Response) -> String {
    let lines = answer.headers().get_all(SET_COOKIE);
    let pairs = lines.into_iter().map(|line| line.to_str().unwrap());
    let pairs: Vec<_> = pairs.filter_map(|line| line.split(';').next()).collect();
    pairs.join("; ")
}

/// A whole answer as text, with what is random masked.
pub(crate) async fn shown(answer: Response) -> String {
    let mut text = answer.status().to_string();
    let headers = answer.headers().clone();
    for (name, value) in &headers {
        let value = value.to_str().unwrap();
        match name.as_str() {
            "date" => {}
            "set-cookie" => write!(text, "\nset-cookie: {}", masked(value)).unwrap(),
            _ => write!(text, "\n{name}: {value}").unwrap(),
        }
    }
    text + "\n\n" + &answer.text().await.unwrap()
}

/// Masks a cookie value as `v1.code.time.[id].[mac]` or `v1.[touch].[mac]`.
fn masked(line: &str) -> String {
    let (pair, attributes) = line.split_once(';').unwrap();
    let parts: Vec<_> = pair.split('.').collect();
    match parts[..] {
        [name, code, time, _, _] => format!("{name}.{code}.{time}.[id].[mac];{attributes}"),
        [name, _, _] => format!("{name}.[touch].[mac];{attributes}"),
        _ => line.to_owned(),
    }
}
