//! Whatever a stranger sends: a documented answer, no panic, nothing stored that should not be.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::server::Server;
use crate::service::raw::{connect, exchange, request, status};
use crate::stores::on_every_store;

const START: &str = "/v1/auth/email/start";
const VERIFY: &str = "/v1/auth/email/verify";
const INVALID_JSON: &str = r#"{"error":"invalid_json","message":"The body is not the JSON that is expected.","request_id":""#;

/// Sends a body to start and verify: both have to say that it is no JSON for them.
async fn refused(server: &Server, body: &[u8]) {
    for path in [START, VERIFY] {
        let answer = exchange(server, request("POST", path, "", body)).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(status(&answer), 400, "{path} {shown}: {answer}");
        assert!(answer.contains(INVALID_JSON), "{path} {shown}: {answer}");
    }
}

#[on_every_store]
async fn bodies_that_are_not_the_expected_json() {
    let server = Server::start().await;
    let before = server.log().await.len();
    let deep = "[".repeat(4000);
    let deep_inside = format!(r#"{{"email":{}"#, "[".repeat(3000));
    let bodies: [&[u8]; 28] = [
        b"",
        b" ",
        b"{",
        b"}",
        b"null",
        b"true",
        b"42",
        b"\"ada@example.com\"",
        b"[]",
        // A list with the fields in order is no object.
        br#"["ada@example.com"]"#,
        br#"["00000000-0000-4000-8000-000000000000","123456"]"#,
        br#"{"email":"ada@example.com","request_id":"x"} {}"#,
        br#"{"email":"ada@example.com"}x"#,
        br#"{"email":"ada@example.com",}"#,
        br#"{"email":"ada@example.com" "code":"1"}"#,
        br"{'email':'ada@example.com'}",
        br#"{email:"ada@example.com"}"#,
        br#"{"email":1e999,"code":1e999}"#,
        br#"{"email":["ada@example.com"],"request_id":[]}"#,
        br#"{"email":{"a":1},"request_id":{}}"#,
        br#"{"email":true,"code":false}"#,
        br#"{"email":"a@example.com","email":"b@example.com","code":"1","code":"2"}"#,
        b"{\"email\":\"\xff@example.com\",\"code\":\"\xff\"}",
        // Also where nobody looks: JSON is UTF-8 (RFC 8259, section 8.1).
        b"{\"email\":\"ada@example.com\",\"x\":\"\xff\"}",
        b"\xef\xbb\xbf\xef\xbb\xbf{\"email\":\"ada@example.com\"}",
        b"{\"email\":\"ada@example.com\0\"}",
        deep.as_bytes(),
        deep_inside.as_bytes(),
    ];
    for body in bodies {
        refused(&server, body).await;
    }
    refused(&server, br#"{"email":"\ud800","code":"\ud800"}"#).await;
    assert_eq!(server.log().await.len(), before);
}

#[on_every_store]
async fn bodies_that_are_too_long() {
    let server = Server::start().await;
    let before = server.log().await.len();
    let padded = |length: usize| {
        let body = r#"{"email":"ada@example.com"}"#;
        format!("{body}{}", " ".repeat(length - body.len())).into_bytes()
    };
    refused(&server, &padded(4097)).await;
    refused(&server, &padded(1_000_000)).await;
    let chunked = |length: usize| {
        let mut bytes = format!(
            "POST {START} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             transfer-encoding: chunked\r\n\r\n{length:x}\r\n"
        )
        .into_bytes();
        bytes.extend(padded(length));
        bytes.extend(b"\r\n0\r\n\r\n");
        bytes
    };
    assert!(exchange(&server, chunked(4097)).await.contains(INVALID_JSON));
    assert_eq!(server.log().await.len(), before);
    assert_eq!(status(&exchange(&server, chunked(4096)).await), 200, "exactly the limit");
    assert_eq!(status(&exchange(&server, request("POST", START, "", &padded(4096))).await), 200);
}

#[on_every_store]
async fn broken_framing_is_never_a_login() {
    let server = Server::start().await;
    let before = server.log().await.len();
    let body = r#"{"email":"ada@example.com"}"#;
    for headers in [
        "content-length: 27\r\ncontent-length: 5",
        "content-length: -1",
        "content-length: 99999999999999999999",
        "transfer-encoding: chunked",
        "transfer-encoding: gzip",
        "transfer-encoding: chunked\r\ncontent-length: 0",
        "content-length: 27\r\n folded: x",
        "bad name: x",
        ": x",
        "x: a\0b",
    ] {
        let bytes = format!(
            "POST {START} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n\r\n{body}"
        );
        let answer = exchange(&server, bytes).await;
        assert!([400, 0].contains(&status(&answer)), "{headers}: {answer}");
    }
    assert_eq!(server.log().await.len(), before);
}

#[on_every_store]
async fn requests_that_are_no_http() {
    let server = Server::start().await;
    for bytes in [
        &b"\r\n\r\n\r\nhello\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  /v1/auth/me HTTP/1.1\r\n\r\n",
        b"GET /v1/\xff\xfe HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET /v1/auth/me\0 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ] {
        let answer = exchange(&server, bytes).await;
        let shown = String::from_utf8_lossy(bytes);
        assert!([0, 400, 404, 405, 505].contains(&status(&answer)), "{shown}: {answer}");
    }
}

#[on_every_store]
async fn old_terse_and_absolute_requests_are_understood() {
    let server = Server::start().await;
    let old = exchange(&server, "GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200 OK") && old.ends_with(r#"{"status":"ok"}"#), "{old}");
    let absolute =
        "GET http://evil.example/v1/auth/me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert_eq!(status(&exchange(&server, absolute).await), 401);
    let portal =
        "GET http://evil.example/api/v1/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(exchange(&server, portal).await.contains(r#""success":false"#));
}

#[on_every_store]
async fn a_request_names_exactly_one_host() {
    let server = Server::start().await;
    let ask = async |line: &str, hosts: &str| {
        let answer = exchange(&server, format!("{line}\r\nconnection: close\r\n{hosts}\r\n")).await;
        assert_eq!(
            answer.contains(r#"{"error":"invalid_host","#),
            status(&answer) == 400,
            "{answer}"
        );
        status(&answer)
    };
    let get = "GET /healthz HTTP/1.1";
    for hosts in ["host: a.example\r\n", "HOST:[::1]:8080\r\n", "host: a.example:443 \r\n"] {
        assert_eq!(ask(get, hosts).await, 200, "{hosts}");
    }
    for hosts in [
        "",
        "host:\r\n",
        "host: a.example\r\nhost: a.example\r\n",
        "host: a.example\r\nx: y\r\nHost: b.example\r\n",
        "host: a.example, b.example\r\n",
        "host: user@a.example\r\n",
        "host: a.example/path\r\n",
        "host: a.example:http\r\n",
        "host: a\u{ff}\r\n",
    ] {
        assert_eq!(ask(get, hosts).await, 400, "{hosts}");
    }
    // A request of HTTP/1.0 need not name one, and one in absolute form has to do so twice.
    let old = "GET /healthz HTTP/1.0";
    assert_eq!(ask(old, "").await, 200);
    assert_eq!(ask(old, "host: a\r\nhost: b\r\n").await, 400);
    let absolute = "GET http://a.example/healthz HTTP/1.1";
    assert_eq!(ask(absolute, "host: b.example\r\n").await, 200);
    assert_eq!(ask(absolute, "").await, 400);
    assert_eq!(ask("GET http://u@a.example/healthz HTTP/1.1", "host: a.example\r\n").await, 400);
    let portal = request("GET", "/api/v1/nope", "host: y\r\n", b"");
    assert!(exchange(&server, portal).await.contains(r#""code":"BAD_REQUEST""#));
}

#[on_every_store]
async fn queries_that_are_too_long() {
    let server = Server::start().await;
    let long = |length: usize| "x".repeat(length);
    let get = async |path: String| status(&exchange(&server, request("GET", &path, "", b"")).await);
    assert_eq!(get(format!("/v1/auth/me?{}", long(2048))).await, 401);
    for path in ["/v1/auth/me", "/v1/log/proof", "/v1/log/consistency", "/healthz", "/nope"] {
        assert_eq!(get(format!("{path}?position=1&from=1&{}", long(2048))).await, 400, "{path}");
    }
    let answer = server.browser().get(&format!("/v1/log/proof?{}", long(2049))).await;
    assert_eq!(answer.error(), "invalid_query");
}

#[on_every_store]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start().await;
    let body = r#"{"email":"ada@example.com"}"#;
    let bytes = format!(
        "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n\
         POST {START} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}\
         GET /v1/nope HTTP/1.1\r\nhost: x\r\n\r\n\
         GET /v1/auth/me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let answer = exchange(&server, bytes).await;
    let statuses: Vec<_> = answer.split("HTTP/1.1 ").skip(1).map(|part| &part[..3]).collect();
    assert_eq!(statuses, ["200", "200", "404", "401"], "{answer}");
}

#[on_every_store]
async fn paths_are_taken_as_they_are_written() {
    let server = Server::start().await;
    let browser = server.signed_in("ada@example.com").await;
    let cookie = format!("cookie: nl_session={}\r\n", browser.cookies["nl_session"]);
    for path in [
        "//v1/auth/me",
        "/v1//auth/me",
        "/v1/auth/me/",
        "/v1/auth/%2e%2e/auth/me",
        "/v1/auth/../auth/me",
        "/v1/auth/./me",
        "/v1/auth/me%00",
        "/v1/auth/me%2f",
        "/v1/auth/me;x=1",
        "/V1/AUTH/ME",
        "/v1/auth%2fme",
        "/v1/auth\\me",
    ] {
        let answer = exchange(&server, request("GET", path, &cookie, b"")).await;
        assert!([404, 400].contains(&status(&answer)), "{path}: {answer}");
        assert!(!answer.contains("ada@"), "{path}");
    }
    let long = format!("/v1/{}", "a".repeat(20_000));
    assert_eq!(status(&exchange(&server, request("GET", &long, "", b"")).await), 404);
    let with_query = exchange(&server, request("GET", "/v1/auth/me?x=%ff&&=", &cookie, b"")).await;
    assert_eq!(status(&with_query), 200);
}

#[on_every_store]
async fn headers_full_of_rubbish() {
    let server = Server::start().await;
    let browser = server.signed_in("ada@example.com").await;
    let (session, csrf) = (&browser.cookies["nl_session"], &browser.cookies["nl_csrf"]);
    let me = async |headers: &[u8]| {
        let mut bytes = b"GET /v1/auth/me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n".to_vec();
        bytes.extend(headers);
        bytes.extend(b"\r\n\r\n");
        status(&exchange(&server, bytes).await)
    };
    assert_eq!(me(b"cookie: nl_session=\xff\xfe").await, 401);
    assert_eq!(me(b"cookie: nl_session").await, 401);
    assert_eq!(me(b"cookie: ;;;===;nl_session=;").await, 401);
    let beside = format!("cookie: a=\u{ff}; nl_session={session}; b=\u{ff}");
    assert_eq!(me(beside.as_bytes()).await, 200, "what others set does not matter");
    assert_eq!(me(format!("cookie: {}nl_session=x", "a=b; ".repeat(5000)).as_bytes()).await, 401);
    let odd = "x-request-id: \u{ff}\r\nx-forwarded-for: \u{ff}\r\nuser-agent: \u{ff}\u{ff}\r\n\
               origin: \u{ff}\r\nauthorization: \u{ff}\r\nif-none-match: \u{ff}\r\n\
               sec-ch-ua-mobile: \u{ff}\r\ncontent-type: \u{ff}";
    assert_eq!(me(odd.as_bytes()).await, 401);
    let agent = format!("user-agent: {}", "\u{20ac}".repeat(9000));
    assert_eq!(me(agent.as_bytes()).await, 401);
    let twice = format!("cookie: nl_session={session}\r\ncookie: nl_session=x");
    assert_eq!(me(twice.as_bytes()).await, 200, "the one in use counts");
    // A login with a user agent of broken text is recorded as far as it is text.
    let body = br#"{"email":"bob@example.com"}"#;
    let start = async |odd: &str| {
        let bytes = request("POST", START, &format!("{odd}\r\n{agent}\r\n"), body);
        status(&exchange(&server, bytes).await)
    };
    assert_eq!(start(odd).await, 403, "an origin that is not ours");
    assert_eq!(start(&odd.replace("origin: \u{ff}\r\n", "")).await, 200);
    let logout = async |headers: String| {
        exchange(&server, request("POST", "/v1/auth/logout", &headers, b"")).await
    };
    let broken = logout(format!("cookie: nl_session={session}\r\nx-csrf-token: \u{ff}\r\n")).await;
    assert!(broken.contains("csrf_invalid"), "{broken}");
    let long = format!("cookie: nl_session={session}\r\nx-csrf-token: {csrf}{csrf}\r\n");
    assert!(logout(long).await.contains("csrf_invalid"));
    assert_eq!(me(format!("cookie: nl_session={session}").as_bytes()).await, 200);
}

#[on_every_store]
async fn too_many_headers_and_too_long_ones() {
    let server = Server::start().await;
    let before = server.log().await.len();
    let body = br#"{"email":"ada@example.com"}"#;
    // With the three that are always there.
    let lines = |count: usize| "x: y\r\n".repeat(count - 3);
    assert_eq!(status(&exchange(&server, request("GET", "/healthz", &lines(100), b"")).await), 200);
    let flood = exchange(&server, request("POST", START, &lines(101), body)).await;
    assert_eq!(status(&flood), 431, "{flood}");
    for size in [64 * 1024, 1_000_000] {
        let huge = format!("x: {}\r\n", "y".repeat(size));
        let answer = exchange(&server, request("POST", START, &huge, body)).await;
        // A server that closes on unread bytes resets, and that may overtake its answer.
        assert!([431, 0].contains(&status(&answer)), "{answer}");
    }
    assert_eq!(server.log().await.len(), before);
    assert_eq!(server.browser().get("/healthz").await.status, 200);
}

#[on_every_store]
async fn bad_request_ids_and_codes() {
    let server = Server::start().await;
    let mut browser = server.browser();
    let before = server.log().await.len();
    for id in [
        "",
        "x",
        "00000000-0000-4000-8000-00000000000",
        "0000000000004000800000000000000000000000",
        "00000000000040008000000000000000",
        "{00000000-0000-4000-8000-000000000000}",
        "urn:uuid:00000000-0000-4000-8000-000000000000",
        "00000000-0000-4000-8000-000000000000\n",
        "' OR 1=1 --",
    ] {
        let answer = browser.verify(id, "123456").await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_request"), "{id}");
    }
    let absent = browser.post(VERIFY, r#"{"code":"123456"}"#).await;
    assert_eq!(absent.error(), "invalid_request");
    let nulls = browser.post(VERIFY, r#"{"request_id":null,"code":null}"#).await;
    assert_eq!(nulls.error(), "invalid_request");
    assert_eq!(server.log().await.len(), before);
}

/// A body, or headers, that never end: the connection is not held for long. Time is moved, not spent.
#[on_every_store]
async fn slow_clients_are_not_waited_for() {
    let server = Server::start().await;
    let before = server.log().await.len();
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    for sent in
        ["", "GET /v1/auth/me HTTP/1.1\r\nhost:", "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"]
    {
        let mut stream = connect(&server).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // What is not finished is given up, with a reset.
        let _ = stream.read_to_string(&mut answer).await;
        assert!([0, 200, 408].contains(&status(&answer)), "{sent}: {answer}");
    }
    let waited = begun.elapsed();
    assert!(waited <= Duration::from_secs(2 * 75 + 15 + 1), "{waited:?}");
    let mut stream = connect(&server).await;
    let begun = tokio::time::Instant::now();
    let head =
        format!("POST {START} HTTP/1.1\r\nhost: x\r\ncontent-length: 27\r\n\r\n{{\"email\":");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains(INVALID_JSON), "{answer}");
    assert!(begun.elapsed() <= Duration::from_secs(16), "{:?}", begun.elapsed());
    tokio::time::resume();
    assert_eq!(server.log().await.len(), before);
}

/// A small generator with a fixed seed, so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    /// A body that is nearly one: bytes changed, dropped, doubled, or other text put in.
    fn body(&mut self, seeds: &[String]) -> Vec<u8> {
        const PIECES: [&str; 12] =
            ["\"", "{", "}", "[", ":", ",", "null", "1e999", "\\u0000", "\\ud800", "-", "\u{202e}"];
        let mut body = seeds[self.below(seeds.len())].clone().into_bytes();
        for _ in 0..self.below(4) {
            let at = self.below(body.len().max(1));
            match self.below(5) {
                0 if !body.is_empty() => body[at] = u8::try_from(self.below(256)).unwrap(),
                1 if !body.is_empty() => drop(body.remove(at)),
                2 => body.truncate(at),
                3 => body.extend_from_within(at.min(body.len())..),
                _ => {
                    let piece = PIECES[self.below(PIECES.len())];
                    body.splice(at.min(body.len())..at.min(body.len()), piece.bytes());
                }
            }
        }
        body
    }
}

#[on_every_store]
async fn mutated_bodies_are_answered_as_documented() {
    let server = Server::with(&["--starts-per-client", "0"]).await;
    let mut browser = server.browser();
    let request_id = browser.start("ada@example.com").await;
    let seeds = [
        r#"{"email":"ada@example.com"}"#.to_owned(),
        format!(r#"{{"request_id":"{request_id}","code":"x23456"}}"#),
        r#"{"request_id":"00000000-0000-4000-8000-000000000000","code":"123456"}"#.to_owned(),
    ];
    let mut dice = Dice(0x5eed_1234_5678_9abc);
    let mut started = 1;
    for round in 0..300 {
        let path = if round % 2 == 0 { START } else { VERIFY };
        let body = dice.body(&seeds);
        let shown = String::from_utf8_lossy(&body).into_owned();
        let answer = browser.send(browser.request("POST", path).body(body)).await;
        let said = (answer.status, answer.json()["error"].as_str().unwrap_or("").to_owned());
        started += usize::from(path == START && answer.status == 200);
        let expected = matches!(
            (path, said.0, said.1.as_str()),
            (_, 400, "invalid_json")
                | (START, 400, "invalid_email")
                | (START, 200, "")
                | (START, 429, "rate_limited")
                | (VERIFY, 400, "invalid_code" | "invalid_request")
        );
        assert!(expected, "{path} {shown}: {}", answer.text);
    }
    let types = server.types().await;
    let count = |name: &str| types.iter().filter(|found| *found == name).count();
    assert_eq!(count("LoginStarted.v1"), started);
    assert_eq!(count("CodeVerified.v1"), 0);
}
