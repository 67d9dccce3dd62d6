//! Against a server that follows a script: it hangs, drops, refuses and says goodbye on cue.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use whence_events::DeliveryFailure::{
    self, Deferred, Rejected, TimedOut, Unconfirmed, Unreachable, Untrusted,
};

use crate::smtp::{address, limits, login_code, mailer, mailer_to};

pub(crate) enum Reply {
    /// What a plain, agreeable server says.
    Usual,
    /// This line.
    Say(&'static str),
    /// This line, and then the connection is closed.
    Last(&'static str),
    /// Nothing, ever.
    Hang,
    /// This line, and then nothing, ever.
    Mute(&'static str),
    /// An answer of many lines, one in 20 ms, which does not end.
    Trickle,
    /// The connection is closed.
    Drop,
}

/// What to do at which connection (from 0) and which of its lines: `""` is the greeting, `.` the
/// end of a text. The text itself passes unasked.
pub(crate) type Script = fn(connection: usize, mail: usize, line: &str) -> Reply;

/// All lines of each connection.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Vec<String>>>>);

impl Heard {
    fn lines(&self, connection: usize) -> Vec<String> {
        self.0.lock().unwrap()[connection].clone()
    }

    fn all(&self) -> String {
        self.0.lock().unwrap().concat().join("\n")
    }

    fn connections(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

pub(crate) async fn start(script: Script) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Heard::default();
    let server = heard.clone();
    tokio::spawn(async move {
        for connection in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            server.0.lock().unwrap().push(Vec::new());
            tokio::spawn(talk(stream, connection, script, server.clone()));
        }
    });
    (port, heard)
}

async fn talk(stream: TcpStream, connection: usize, script: Script, heard: Heard) {
    let mut stream = BufReader::new(stream);
    let (mut line, mut in_text, mut mail) = (String::new(), false, 0);
    loop {
        if !in_text || line == "." {
            let reply = match script(connection, mail, &line) {
                Reply::Usual => usual(&line),
                Reply::Say(text) => text,
                Reply::Last(text) => {
                    say(&mut stream, text).await.ok();
                    return;
                }
                Reply::Hang => std::future::pending().await,
                Reply::Mute(text) => {
                    say(&mut stream, text).await.ok();
                    std::future::pending().await
                }
                Reply::Trickle => {
                    let mut ticks = tokio::time::interval(Duration::from_millis(20));
                    while say(&mut stream, "250-more").await.is_ok() {
                        ticks.tick().await;
                    }
                    return;
                }
                Reply::Drop => return,
            };
            in_text = reply.starts_with("354");
            mail += usize::from(line == ".");
            if say(&mut stream, reply).await.is_err() {
                return;
            }
        }
        line.clear();
        if !stream.read_line(&mut line).await.is_ok_and(|bytes| bytes > 0) {
            return;
        }
        line.truncate(line.trim_end().len());
        heard.0.lock().unwrap()[connection].push(line.clone());
    }
}

fn usual(line: &str) -> &'static str {
    match line.split([' ', ':']).next().unwrap_or("") {
        "" => "220 ready",
        "DATA" => "354 go on",
        "QUIT" => "221 bye",
        _ => "250 fine",
    }
}

async fn say(stream: &mut BufReader<TcpStream>, text: &str) -> io::Result<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await
}

/// The outcomes of sends one after the other, to u0, u1, … with codes 000000, 000001, …
async fn send(
    script: Script,
    sends: usize,
    user: &str,
    tls: &str,
    millis: u64,
) -> (Vec<Result<(), DeliveryFailure>>, Heard) {
    let (port, heard) = start(script).await;
    let mailer = mailer(user, port, tls, &limits(millis));
    let mut outcomes = Vec::new();
    for n in 0..sends {
        let to = address(&format!("u{n}@example.org"));
        outcomes.push(mailer.send(&to, &login_code(&format!("{n:06}"))).await);
    }
    (outcomes, heard)
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mailer = mailer("", port, "", &limits(5_000));
    let sent = mailer.send(&address("ada@example.org"), &login_code("042424")).await;
    assert_eq!(sent, Err(Unreachable));
}

#[tokio::test]
async fn a_server_that_hangs_times_out_within_the_limit() {
    let scripts: [Script; 5] = [
        |_, _, _| Reply::Hang,
        |_, _, line| {
            if line.starts_with("EHLO") { Reply::Trickle } else { Reply::Usual }
        },
        |_, _, line| match line {
            "STARTTLS" => Reply::Mute("220 go on"),
            line => offer(line, ""),
        },
        |_, _, line| {
            if line.starts_with("MAIL") { Reply::Trickle } else { Reply::Usual }
        },
        |_, _, line| {
            if line.starts_with("RCPT") { Reply::Hang } else { Reply::Usual }
        },
    ];
    for script in scripts {
        let begun = Instant::now();
        let (outcomes, heard) = send(script, 1, "", "", 200).await;
        assert_eq!(outcomes, [Err(TimedOut)]);
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert_eq!(heard.connections(), 1);
    }
}

#[tokio::test]
async fn a_server_that_never_begins_tls_times_out_within_the_limit() {
    let (port, heard) = start(|_, _, _| Reply::Hang).await;
    let mailer = mailer_to(&format!("smtps://127.0.0.1:{port}"), &limits(200));
    let sent = mailer.send(&address("ada@example.org"), &login_code("042424")).await;
    assert_eq!((sent, heard.connections()), (Err(TimedOut), 1));
}

#[tokio::test]
async fn a_server_that_drops_the_conversation_is_unreachable() {
    let scripts: [Script; 3] = [
        |_, _, _| Reply::Drop,
        |_, _, line| {
            if line.starts_with("MAIL") { Reply::Drop } else { Reply::Usual }
        },
        |_, _, line| {
            if line.starts_with("DATA") { Reply::Drop } else { Reply::Usual }
        },
    ];
    for script in scripts {
        let (outcomes, heard) = send(script, 1, "", "", 5_000).await;
        assert_eq!((outcomes, heard.connections()), (vec![Err(Unreachable)], 1));
    }
}

/// Whatever happens after the text, short of a refusal, may be after the server took the mail.
#[tokio::test]
async fn a_server_that_has_the_text_and_says_nothing_that_fits_may_deliver_it() {
    let scripts: [Script; 4] = [
        |_, _, line| if line == "." { Reply::Hang } else { Reply::Usual },
        |_, _, line| if line == "." { Reply::Trickle } else { Reply::Usual },
        |_, _, line| if line == "." { Reply::Drop } else { Reply::Usual },
        |_, _, line| if line == "." { Reply::Say("354 go on") } else { Reply::Usual },
    ];
    for script in scripts {
        let (outcomes, _) = send(script, 1, "", "", 500).await;
        assert_eq!(outcomes, [Err(Unconfirmed)]);
    }
    let refusals: [(Script, DeliveryFailure); 3] = [
        (|_, _, line| at(line, ".", "451 try again"), Deferred),
        (|_, _, line| at(line, ".", "421 going down"), Deferred),
        (|_, _, line| at(line, ".", "554 no"), Rejected),
    ];
    for (script, class) in refusals {
        let (outcomes, _) = send(script, 1, "", "", 2_000).await;
        assert_eq!(outcomes, [Err(class)]);
    }
}

/// The server leaves the unused connection in each way there is; the next mail does not notice.
#[tokio::test]
async fn a_connection_lost_between_two_mails_costs_no_mail() {
    let scripts: [Script; 5] = [
        |_, _, line| {
            if line == "." { Reply::Last("250 fine") } else { Reply::Usual }
        },
        |_, _, line| {
            if line == "RSET" { Reply::Last("421 too late") } else { Reply::Usual }
        },
        |_, _, line| {
            if line == "RSET" { Reply::Hang } else { Reply::Usual }
        },
        |_, mail, line| {
            let second = mail == 1 && line.starts_with("MAIL");
            if second { Reply::Last("421 too many mails") } else { Reply::Usual }
        },
        |_, mail, line| {
            if mail == 1 && line == "DATA" { Reply::Drop } else { Reply::Usual }
        },
    ];
    for script in scripts {
        let (outcomes, heard) = send(script, 2, "", "", 2_000).await;
        assert_eq!((outcomes, heard.connections()), (vec![Ok(()), Ok(())], 2));
        assert_eq!(heard.all().matches("\n    000001\n").count(), 1, "{}", heard.all());
    }
}

#[tokio::test]
async fn a_mail_that_the_server_may_have_accepted_is_not_sent_again() {
    let script: Script = |_, mail, line| {
        if mail == 1 && line == "." { Reply::Drop } else { Reply::Usual }
    };
    let (outcomes, heard) = send(script, 2, "", "", 2_000).await;
    assert_eq!((outcomes, heard.connections()), (vec![Ok(()), Err(Unconfirmed)], 1));
}

/// Nothing of a mail that timed out can end up in the next one.
#[tokio::test]
async fn a_send_that_timed_out_leaves_no_conversation_behind() {
    let script: Script = |connection, _, line| {
        if connection == 0 && line == "." { Reply::Hang } else { Reply::Usual }
    };
    let (outcomes, heard) = send(script, 2, "", "", 300).await;
    assert_eq!((outcomes, heard.connections()), (vec![Err(Unconfirmed), Ok(())], 2));
    assert!(!heard.lines(0).concat().contains("u1@example.org"));
    assert!(!heard.lines(1).concat().contains("u0@example.org"));
}

#[tokio::test]
async fn without_the_tls_it_needs_nothing_is_said() {
    for (user, tls) in [("", "?tls=required"), ("ada:sesame@", "")] {
        let (outcomes, heard) = send(|_, _, _| Reply::Usual, 1, user, tls, 2_000).await;
        assert_eq!(outcomes, [Err(Untrusted)]);
        let lines = heard.lines(0);
        assert!(lines.iter().all(|line| line.starts_with("EHLO")), "{lines:?}");
    }
}

#[tokio::test]
async fn starttls_that_comes_to_nothing_is_not_followed_by_a_mail() {
    let scripts: [(Script, DeliveryFailure); 2] = [
        (|_, _, line| offer(line, "454 not now"), Deferred),
        (|_, _, line| offer(line, "220 go on\r\n250 injected\r\n250 injected"), Unreachable),
    ];
    for (script, class) in scripts {
        let (outcomes, heard) = send(script, 1, "", "?tls=required", 2_000).await;
        assert_eq!(outcomes, [Err(class)]);
        assert!(!heard.all().contains("MAIL"), "{}", heard.all());
    }
}

fn offer(line: &str, to_starttls: &'static str) -> Reply {
    match line {
        "STARTTLS" => Reply::Last(to_starttls),
        line if line.starts_with("EHLO") => Reply::Say("250-here\r\n250 STARTTLS"),
        _ => Reply::Usual,
    }
}

#[tokio::test]
async fn a_password_that_the_server_did_not_ask_for_is_not_sent() {
    let (outcomes, heard) =
        send(|_, _, _| Reply::Usual, 1, "ada:sesame@", "?tls=none", 2_000).await;
    assert_eq!(outcomes, [Err(Untrusted)]);
    assert!(heard.lines(0).iter().all(|line| line.starts_with("EHLO")));
}

#[tokio::test]
async fn smtps_to_a_server_without_tls_is_untrusted() {
    let (port, heard) = start(|_, _, _| Reply::Usual).await;
    let mailer = mailer_to(&format!("smtps://127.0.0.1:{port}"), &limits(2_000));
    let sent = mailer.send(&address("ada@example.org"), &login_code("042424")).await;
    assert_eq!(sent, Err(Untrusted));
    assert!(!heard.all().contains("EHLO"));
}

#[tokio::test]
async fn a_server_that_wants_nothing_from_this_service_says_nothing_about_the_recipient() {
    let scripts: [(Script, DeliveryFailure); 5] = [
        (|_, _, line| at(line, "", "554 go away"), Unreachable),
        (|_, _, line| at(line, "", "421 too busy"), Deferred),
        (|_, _, line| at(line, "MAIL", "530 log in first"), Untrusted),
        (|_, _, line| at(line, "AUTH", "501 no"), Untrusted),
        (|_, _, line| at(line, "AUTH", "454 not now"), Deferred),
    ];
    for (script, class) in scripts {
        let (outcomes, heard) = send(script, 1, "ada:sesame@", "?tls=none", 2_000).await;
        assert_eq!(outcomes, [Err(class)], "{}", heard.all());
    }
}

fn at(line: &str, verb: &str, text: &'static str) -> Reply {
    match line.split(' ').next().unwrap_or("") {
        word if word.split(':').next() == Some(verb) => Reply::Say(text),
        "EHLO" => Reply::Say("250-here\r\n250 AUTH PLAIN"),
        _ => Reply::Usual,
    }
}

/// An answer that is positive but to another question does not count as "accepted".
#[tokio::test]
async fn answers_that_do_not_fit_are_no_delivery() {
    let script: Script =
        |_, _, line| if line == "DATA" { Reply::Say("250 fine") } else { Reply::Usual };
    assert_eq!(send(script, 1, "", "", 2_000).await.0, [Err(Unreachable)]);
}

#[tokio::test]
async fn a_log_line_has_the_reply_code_and_not_the_words_of_the_server() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let script: Script = |_, _, line| {
        let refused = line.starts_with("RCPT");
        if refused { Reply::Say("550 no u0@example.org, code 000000") } else { Reply::Usual }
    };
    assert_eq!(send(script, 1, "", "", 2_000).await.0, [Err(Rejected)]);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("550") && log.contains("rejected"), "{log}");
    assert!(!log.contains("example.org") && !log.contains("000000"), "{log}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
