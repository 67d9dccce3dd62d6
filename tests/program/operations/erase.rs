//! `whence erase` and `whence audit` as the real program, beside a service and without one.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Service, whence};

const TOKEN: &str = "0123456789abcdefghij0123";

/// What a command printed and how it ended.
struct Said {
    code: Option<i32>,
    out: String,
    wrong: String,
}

fn said(command: &mut Command) -> Said {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        wrong: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run(directory: &Path, arguments: &[&str]) -> Said {
    said(whence(directory).args(arguments))
}

#[track_caller]
fn refused(directory: &Path, arguments: &[&str], sentence: &str) {
    let said = run(directory, arguments);
    assert_eq!(said.wrong, format!("whence: {sentence}\n"), "{arguments:?}");
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{arguments:?}");
}

/// The newest code that was mailed to an address.
fn mailed_code(directory: &Path, email: &str) -> String {
    let mut mails: Vec<_> = directory
        .join("whence-data/mail")
        .read_dir()
        .unwrap()
        .map(|mail| mail.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "eml"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .filter(|mail| mail.contains(&format!("To: {email}")))
        .filter_map(|mail| {
            let date = mail.lines().find(|line| line.starts_with("Message-ID")).map(str::to_owned);
            let code = mail
                .lines()
                .map(str::trim)
                .find(|line| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit()))?;
            Some((date, code.to_owned()))
        })
        .collect();
    assert_eq!(mails.len(), 1, "one login of {email}");
    mails.remove(0).1
}

/// Registers: the id, and the cookies of the session.
async fn register(service: &Service, directory: &Path, email: &str, landing: &[&str]) -> String {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent("Bobs-Peculiar-Browser/7.7")
        .build()
        .unwrap();
    let base = format!("http://{}", service.address);
    let mut jar: Vec<String> = vec![];
    for link in landing {
        let request = client.get(format!("{base}{link}")).header("cookie", jar.join("; "));
        let answer = request.header("referer", "https://blog.example.org/private-page").send();
        let answer = answer.await.unwrap();
        let cookies = answer.headers().get_all("set-cookie").iter();
        let cookies =
            cookies.map(|line| line.to_str().unwrap().split(';').next().unwrap().to_owned());
        jar.extend(cookies.collect::<Vec<_>>());
    }
    let start = client.post(format!("{base}/v1/auth/email/start")).json(&json!({ "email": email }));
    let started: Value = start.send().await.unwrap().json().await.unwrap();
    let code = mailed_code(directory, email);
    let body = json!({ "request_id": started["request_id"], "code": code });
    let verify = client.post(format!("{base}/v1/auth/email/verify")).json(&body);
    let verified: Value =
        verify.header("cookie", jar.join("; ")).send().await.unwrap().json().await.unwrap();
    verified["user"]["id"].as_str().expect("a user").to_owned()
}

/// Every byte of every file of the store: log, tables, their WALs. Not the mails, which are what was
/// sent, nor the master key.
fn stored(directory: &Path) -> Vec<u8> {
    let files = directory.join("whence-data").read_dir().unwrap().map(|file| file.unwrap().path());
    let databases = files.filter(|path| path.to_str().unwrap().contains(".db"));
    databases.flat_map(|path| std::fs::read(path).unwrap()).collect()
}

#[track_caller]
fn assert_nothing_personal(directory: &Path, when: &str) {
    let bytes = stored(directory);
    assert!(bytes.windows(6).any(|part| part == b"CREATE"), "these are the files");
    for trace in ["bobby.tables", "Bobs-Peculiar", "private-page", "127.0.0.1"] {
        let found = bytes.windows(trace.len()).any(|part| part == trace.as_bytes());
        assert!(!found, "{trace} {when}");
    }
}

/// The wrapped keys of subjects, as the vault has them.
fn wrapped_keys(directory: &Path, subject: &str) -> Vec<Vec<u8>> {
    let log = rusqlite::Connection::open(directory.join("whence-data/log.db")).unwrap();
    let sql = "SELECT wrapped FROM subject_keys WHERE subject LIKE ?1 AND wrapped IS NOT NULL";
    let mut statement = log.prepare(sql).unwrap();
    let keys = statement.query_map([format!("{subject}%")], |row| row.get(0)).unwrap();
    keys.map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_has_the_user_in_it_before_an_erasure_or_after_it_or_after_a_vacuum() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let service = Service::start(path, &["--record-touches", "all"]);
    let email = "bobby.tables@example.com";
    let user = register(&service, path, email, &["/r/nobodys?utm_source=x", "/r/nobodys2"]).await;
    assert_nothing_personal(path, "while it serves");
    assert_eq!(service.stop().0, Some(0));
    assert_nothing_personal(path, "before");
    let keys =
        [wrapped_keys(path, "user-"), wrapped_keys(path, "mailbox-"), wrapped_keys(path, "touch-")]
            .concat();
    assert!(keys.len() >= 3, "{}", keys.len());
    let found = |key: &Vec<u8>| stored(path).windows(key.len()).any(|part| part == key);
    assert!(keys.iter().all(found), "this test knows what a key looks like");

    let said = run(path, &["erase", email, "--operator", "grace"]);
    assert_eq!(said.code, Some(0), "{}", said.wrong);
    assert!(said.out.starts_with(&format!("User {user} is erased.\n")), "{}", said.out);
    assert!(said.wrong.is_empty(), "{}", said.wrong);
    assert_nothing_personal(path, "after");
    assert!(!keys.iter().any(found), "a destroyed key is still in a file");
    let log = rusqlite::Connection::open(path.join("whence-data/log.db")).unwrap();
    log.execute_batch("VACUUM").unwrap();
    drop(log);
    assert_nothing_personal(path, "after a vacuum");
    assert!(!keys.iter().any(found), "a destroyed key is still in a file");

    // By its address and by its id, it was erased already, and by whom is on record.
    for name in [email, &user] {
        let again = run(path, &["erase", name, "--json"]);
        let again: Value = serde_json::from_str(&again.out).unwrap();
        assert_eq!((&again["run"], &again["erased_by"]), (&json!("already"), &json!("grace")));
    }
    let story = run(path, &["audit", "user", email, "--open-personal-data"]).out;
    assert!(story.starts_with(&format!("User {user}, (erased)\n")), "{story}");
    // The tables followed, without a service.
    let tables = rusqlite::Connection::open(path.join("whence-data/read.db")).unwrap();
    let users: u64 = tables.query_row("SELECT count(*) FROM users", [], |row| row.get(0)).unwrap();
    assert_eq!(users, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_service_the_service_does_it() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let service = Service::start(path, &["--admin-token", &format!("grace={TOKEN}")]);
    let user = register(&service, path, "bob@example.com", &[]).await;
    let url = format!("http://{}", service.address);
    let in_use = "the log ./whence-data/log.db is in use by another whence process: ask the service \
                  that runs on it, with --server URL and --admin-token TOKEN, or stop it";
    refused(path, &["erase", &user], in_use);
    refused(path, &["audit", "user", &user], in_use);
    let ask = |arguments: &[&str]| {
        let mut command = whence(path);
        // As a service is told it, too.
        command.args(arguments).env("WHENCE_SERVER", &url);
        said(command.env("WHENCE_ADMIN_TOKEN", format!("grace={TOKEN}")))
    };
    let story = ask(&["audit", "user", "bob@example.com"]);
    assert!(story.out.starts_with(&format!("User {user}, b***@example.com\n")), "{}", story.wrong);
    let story: Value = serde_json::from_str(&ask(&["audit", "user", &user, "--json"]).out).unwrap();
    assert_eq!(story["user_id"], json!(user));
    let erased = ask(&["erase", "bob@example.com"]);
    assert!(erased.out.starts_with(&format!("User {user} is erased.\n")), "{}", erased.wrong);
    let again: Value = serde_json::from_str(&ask(&["erase", &user, "--json"]).out).unwrap();
    assert_eq!((&again["run"], &again["erased_by"]), (&json!("already"), &json!("grace")));
    let none = ask(&["audit", "referrals"]);
    assert_eq!(none.out, "0 attributed, 0 refused\n", "{}", none.wrong);

    // What goes wrong on the way.
    let with = |token| ["erase", &user, "--server", &url, "--admin-token", token];
    let says = format!("{url}/ says: ");
    refused(path, &with("wrong"), &format!("{says}Send an operator's token, X-Admin-Token."));
    let unknown = "0190f5c0-7a10-7c4e-8f00-000000000001";
    let arguments = ["audit", "user", unknown, "--server", &url, "--admin-token", TOKEN];
    refused(path, &arguments, &format!("{says}User not found"));
    assert_eq!(service.stop().0, Some(0));
    let gone = run(path, &with(TOKEN));
    assert_eq!(gone.code, Some(1));
    assert!(gone.wrong.starts_with(&format!("whence: no answer from {url}/: ")), "{}", gone.wrong);
}

#[test]
fn what_makes_no_sense_is_told_in_a_sentence_and_changes_nothing() {
    let directory = crate::support::used_directory();
    let path = directory.path();
    let before = crate::support::contents(path);
    let unknown = "0190f5c0-7a10-7c4e-8f00-000000000001";
    refused(path, &["erase", "bob"], "bob: neither a user id nor an e-mail address");
    refused(path, &["erase", "bob@"], "bob@: no e-mail address");
    refused(path, &["audit", "user", "bob"], "bob: neither a user id nor an e-mail address");
    refused(path, &["audit", "code", "a b"], "a b: no referral code");
    let empty = "the time from --from to --to is empty";
    refused(path, &["audit", "referrals", "--from", "2026-02-02", "--to", "2026-02-01"], empty);
    let time = "--from soon: not a time like 2026-01-31 or 2026-01-31T12:00:00Z";
    refused(path, &["audit", "referrals", "--from", "soon"], time);
    let server = ["erase", unknown, "--server", "http://127.0.0.1:1"];
    refused(path, &server, "--server needs --admin-token");
    let ftp = ["erase", unknown, "--server", "ftp://x", "--admin-token", TOKEN];
    refused(path, &ftp, "--server ftp://x/: not an http or https URL");
    let both = [&server[..], &["--admin-token", TOKEN, "--operator", "grace"]].concat();
    let tokens = "--operator is for a log that is opened here: a service knows its operators by \
                  their tokens";
    refused(path, &both, tokens);
    let name = ["erase", unknown, "--operator", "grace hopper"];
    refused(path, &name, "--operator: a name is of letters, digits and . _ - @");
    assert_eq!(crate::support::contents(path), before);
    // The log is opened to find out.
    refused(path, &["erase", unknown], "there is no such user");
    refused(path, &["erase", "bob@example.com"], "there is no such user");
    refused(path, &["audit", "user", unknown], "there is no such user");
    refused(path, &["audit", "code", "nobodys"], "there is no such code");
    refused(
        path,
        &["erase", unknown, "--store", "sqlite:elsewhere"],
        "there is no log in elsewhere",
    );
}

/// A bundle is made with the log or by the service, and checked with neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_story_can_be_taken_along_with_what_proves_it() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let service = Service::start(path, &["--admin-token", TOKEN]);
    let user = register(&service, path, "bob@example.com", &["/r/nobodys"]).await;
    let url = format!("http://{}", service.address);
    let server = ["--server", &url, "--admin-token", TOKEN];
    let made =
        run(path, &[&["audit", "user", &user, "--bundle", "served.json"], &server[..]].concat());
    assert_eq!(made.out, "served.json holds the story and the evidence\n", "{}", made.wrong);
    assert_eq!(service.stop().0, Some(0));
    let made = run(path, &["audit", "user", "bob@example.com", "--bundle", "made.json"]);
    assert_eq!(made.out, "made.json holds the story and the evidence\n", "{}", made.wrong);
    for name in ["made.json", "whence-data/read.db", "whence-data/log.lock"] {
        let about = std::fs::metadata(path.join(name)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let again = run(path, &["audit", "user", &user, "--bundle", "made.json"]);
    assert_eq!(again.wrong, "whence: --bundle made.json: File exists (os error 17)\n");

    // Elsewhere, where there is no log.
    let elsewhere = TempDir::new().unwrap();
    for name in ["served.json", "made.json"] {
        let file = elsewhere.path().join(name);
        std::fs::copy(path.join(name), &file).unwrap();
        let checked = run(elsewhere.path(), &["audit", "check", name]);
        assert_eq!(checked.code, Some(1), "the key may be the forger's");
        assert!(checked.wrong.contains("give the key of the log with --key"), "{}", checked.wrong);
        assert!(
            checked.out.contains("each shown to be in the log localhost/whence")
                || checked.out.contains("each shown to be in the log 127.0.0.1/whence"),
            "{}",
            checked.out
        );
        let story = format!("User {user}, b***@example.com\n");
        assert!(checked.out.contains(&story), "{}", checked.out);
        assert!(checked.out.contains("give it with --key"), "{}", checked.out);
        let key = checked.out.split("signed by the key in the file, ").nth(1).unwrap();
        let key = key.lines().next().unwrap();
        let with_key = run(elsewhere.path(), &["audit", "check", name, "--key", key]);
        assert!(with_key.out.contains("signed by the key that was given"), "{}", with_key.wrong);
        assert_eq!(with_key.code, Some(0), "{}", with_key.wrong);
        let text = std::fs::read_to_string(&file).unwrap();
        let altered = text.replacen("b***@example.com", "c***@example.com", 1);
        std::fs::write(&file, altered).unwrap();
        let refused = run(elsewhere.path(), &["audit", "check", name]);
        assert_eq!(refused.code, Some(1));
        assert!(
            refused.wrong.contains(&format!("the bundle {name}: it was changed")),
            "{}",
            refused.wrong
        );
    }
}

/// `whence audit ... | head -n 0`
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let directory = crate::support::used_directory();
    let mut command = whence(directory.path());
    command.args(["audit", "referrals"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

/// kill -9 of an erasure at whatever moment: run again, it is complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_was_killed_is_completed_by_the_next() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let service = Service::start(path, &["--record-touches", "all"]);
    let mut users = vec![];
    for n in 0..12 {
        let email = format!("u{n}@example.com");
        users.push(register(&service, path, &email, &["/r/nobodys", "/r/nobodys2"]).await);
    }
    assert_eq!(service.stop().0, Some(0));
    for (n, user) in (0_u64..).zip(&users) {
        let mut child = whence(path).args(["erase", user]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(4 * n));
        let _ = child.kill();
        let _ = child.wait();
        let said = run(path, &["erase", user, "--json"]);
        assert_eq!(said.code, Some(0), "{}", said.wrong);
        let erased: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(erased["removed"]["touches"], 2);
        assert_eq!(wrapped_keys(path, &format!("user-{user}")).len(), 0);
    }
    for family in ["mailbox-", "touch-"] {
        assert_eq!(wrapped_keys(path, family).len(), 0, "{family}");
    }
}
