//! `whence doctor` on a log in files.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Service, contents, whence};

/// What the doctor says, and whether it ends well.
pub(crate) fn doctor(directory: &Path, flags: &[&str]) -> (bool, Vec<String>) {
    let output = whence(directory).arg("doctor").args(flags).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = said.lines().map(str::to_owned).collect();
    let failed = lines.iter().any(|line| line.starts_with("FAIL "));
    assert_eq!(output.status.code(), Some(i32::from(failed)), "{said}");
    let last = String::from_utf8(output.stderr).unwrap();
    assert_eq!(last.contains("checks failed"), failed, "{last}");
    (output.status.success(), lines)
}

/// Lines of bad news, but for those that every development set-up has.
pub(crate) fn bad(lines: &[String]) -> Vec<&str> {
    let lines = lines.iter().map(String::as_str);
    let lines = lines.filter(|line| !line.starts_with("ok   "));
    lines.filter(|line| !line.starts_with("warn configuration: ")).collect()
}

/// Insists on this being the only bad news.
#[track_caller]
pub(crate) fn only(directory: &Path, flags: &[&str], line: &str) {
    let (well, lines) = doctor(directory, flags);
    assert_eq!(bad(&lines), [line]);
    assert_eq!(well, line.starts_with("warn "));
}

/// A directory in which a service has been, whose tables are up with its log.
fn used_directory() -> TempDir {
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), &[]);
    // It waits for them.
    let (well, lines) = doctor(directory.path(), &[]);
    assert!(well && bad(&lines).is_empty(), "{lines:#?}");
    assert_eq!(service.stop().0, Some(0));
    directory
}

/// Changes a log as nobody should.
fn tamper(directory: &TempDir, file: &str, sql: &str) {
    let path = directory.path().join("whence-data").join(file);
    rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn a_healthy_log_is_well_and_stays_as_it_is() {
    let directory = used_directory();
    let before = contents(directory.path());
    let (well, lines) = doctor(directory.path(), &[]);
    assert!(well && bad(&lines).is_empty(), "{lines:#?}");
    for line in [
        "ok   permissions: ./whence-data is for its owner alone",
        "ok   service: no service runs on this log",
        "ok   migrations: the log has format 2, the newest",
        "ok   immutability: 4 triggers refuse every change",
        "ok   positions: the log ends at 1, without a gap",
        "ok   read models: identity is up with the log, at 1",
    ] {
        assert!(lines.iter().any(|said| said == line), "{line} in {lines:#?}");
    }
    assert_eq!(contents(directory.path()), before);
}

#[test]
fn a_service_may_run_meanwhile() {
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), &[]);
    let (well, lines) = doctor(directory.path(), &[]);
    assert!(well && bad(&lines).is_empty(), "{lines:#?}");
    assert!(lines.contains(&"ok   service: a service runs on this log".to_owned()), "{lines:#?}");
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn what_is_not_there_is_not_made() {
    let directory = TempDir::new().unwrap();
    let (well, lines) = doctor(directory.path(), &[]);
    let news = [
        "warn master key: there is no master key yet: serve makes it beside the log",
        "warn log: there is no log in ./whence-data yet: serve makes it",
    ];
    assert!(well);
    assert_eq!(bad(&lines), news);
    assert!(contents(directory.path()).is_empty());
}

#[test]
fn settings_that_cannot_work() {
    let directory = TempDir::new().unwrap();
    only(
        directory.path(),
        &["--public-url", "http://login.example.com"],
        "FAIL configuration: --public-url http://login.example.com/ is not this machine and not \
         https: session cookies would travel in clear (--development allows it): serve would stop \
         here, too",
    );
    let secret = ["--store", "postgres://ada:hunter2@127.0.0.1:1/x", "--master-key", "c0ffee"];
    only(
        directory.path(),
        &secret,
        "FAIL configuration: --master-key is not 64 hexadecimal digits: serve would stop here, too",
    );
}

#[test]
fn a_proxy_that_no_setting_names() {
    let directory = used_directory();
    let flags = ["--public-url", "https://login.example.com", "--development"];
    only(
        directory.path(),
        &flags,
        "warn proxy: --public-url is https, and no --trusted-proxy names what speaks TLS in front: \
         name it: until then all clients count as one",
    );
    let (_, lines) =
        doctor(directory.path(), &[&flags[..], &["--trusted-proxy", "10.0.0.1"]].concat());
    assert!(bad(&lines).is_empty(), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_service_tells_of_a_proxy_that_no_setting_names() {
    let directory = TempDir::new().unwrap();
    let mut service = Service::start(directory.path(), &["--log", "whence=info"]);
    service.until_ready().await;
    let address = service.address.to_string();
    let flags = ["--listen", &address];
    let (_, lines) = doctor(directory.path(), &flags);
    assert!(bad(&lines).is_empty(), "{lines:#?}");
    for _ in 0..2 {
        let request = reqwest::Client::new().get(format!("http://{address}/healthz"));
        request.header("x-forwarded-for", "203.0.113.7").send().await.unwrap();
    }
    only(
        directory.path(),
        &flags,
        &format!(
            "warn proxy: the service at {address} gets requests with forwarded headers from a peer \
             that no --trusted-proxy names: if it is a proxy of yours, name it: until then all of its \
             clients are one"
        ),
    );
    let warning = service.line_with("forwarded headers");
    assert!(warning.contains("WARN") && !warning.contains("203.0.113.7"), "{warning}");
    let (_, rest) = service.stop();
    assert!(!rest.contains("forwarded headers"), "once an hour: {rest}");
}

#[test]
fn a_mail_server_that_is_not_there() {
    let directory = used_directory();
    let (well, lines) = doctor(directory.path(), &["--mail", "smtp://ada:hunter2@127.0.0.1:1"]);
    let [line] = bad(&lines)[..] else { panic!("{lines:#?}") };
    assert!(!well && line.starts_with("FAIL mail: the mail server 127.0.0.1"), "{line}");
    assert!(line.ends_with(": nobody gets a code before that works: see --mail"), "{line}");
    assert!(!line.contains("hunter2"), "{line}");
}

#[test]
fn a_key_that_is_missing_or_another() {
    let directory = used_directory();
    only(
        directory.path(),
        &["--master-key", &"ab".repeat(32)],
        "FAIL master key: the log was made with another master key: give the one that it was made \
         with",
    );
    std::fs::remove_file(directory.path().join("whence-data/master.key")).unwrap();
    only(
        directory.path(),
        &[],
        "FAIL configuration: the master key of the log in ./whence-data is missing: serve would \
         stop here, too",
    );
}

#[test]
fn keys_that_do_not_open() {
    let directory = used_directory();
    let subject = "user-018f0000-0000-7000-8000-000000000001";
    let insert = format!("INSERT INTO subject_keys VALUES ('{subject}', 0, x'00112233', 1, NULL)");
    tamper(&directory, "log.db", &insert);
    only(
        directory.path(),
        &[],
        "FAIL master key: it is that of the vault, but 1 of 1 keys do not open: restore the vault \
         from a backup",
    );
}

#[test]
fn triggers_that_are_gone_or_do_nothing() {
    let advice = "hold the log against a backup, then make them again as in migrations/";
    let directory = used_directory();
    tamper(&directory, "log.db", "DROP TRIGGER events_never_go");
    let line =
        format!("FAIL immutability: triggers are missing or changed: events_never_go: {advice}");
    only(directory.path(), &[], &line);
    let harmless = "CREATE TRIGGER events_never_go BEFORE DELETE ON events BEGIN SELECT 1; END";
    tamper(&directory, "log.db", harmless);
    only(directory.path(), &[], &line);
}

#[test]
fn a_gap_in_the_log() {
    let directory = used_directory();
    tamper(
        &directory,
        "log.db",
        "INSERT INTO events SELECT 3, stream, 1, event_id, type, data, occurred_at, recorded_at,
           correlation_id, causation_id, actor FROM events WHERE position = 1",
    );
    let (well, lines) = doctor(directory.path(), &[]);
    assert!(!well);
    let line = "FAIL positions: there is a gap among the last events before 3: somebody changed \
                the log: stop the service and restore a backup";
    assert_eq!(bad(&lines)[0], line);
}

#[test]
fn a_log_from_the_future() {
    let directory = used_directory();
    tamper(
        &directory,
        "log.db",
        "DROP TRIGGER events_never_change;
         UPDATE events SET recorded_at = recorded_at + 9000000000;
         CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the log is immutable'); END;",
    );
    let (well, lines) = doctor(directory.path(), &[]);
    let [line] = bad(&lines)[..] else { panic!("{lines:#?}") };
    let said = "warn clock: the last event of the log is 2 h ";
    assert!(well && line.starts_with(said), "{line}");
}

#[test]
fn formats() {
    let directory = used_directory();
    tamper(&directory, "log.db", "PRAGMA user_version = 4000");
    only(
        directory.path(),
        &[],
        "FAIL migrations: the log has format 4000, and this whence knows 2: use the newer whence \
         that wrote it",
    );
    tamper(&directory, "log.db", "PRAGMA user_version = 2; PRAGMA application_id = 0");
    only(
        directory.path(),
        &[],
        "FAIL migrations: log.db is not a whence log: see that --store names the directory of a log",
    );
    std::fs::write(directory.path().join("whence-data/log.db"), "no database at all, but a text")
        .unwrap();
    let (well, lines) = doctor(directory.path(), &[]);
    assert!(!well && bad(&lines)[0].starts_with("FAIL log: ./whence-data/log.db cannot be read: "));
}

#[test]
fn tables_that_are_behind_or_of_another_log() {
    let directory = used_directory();
    tamper(&directory, "read.db", "UPDATE checkpoints SET position = 0 WHERE projector = 'duties'");
    only(
        directory.path(),
        &[],
        "warn read models: duties is 1 events behind the log, at 0: see /readyz and the log of the \
         service; without one, start it",
    );
    let sql = "UPDATE checkpoints SET position = 1, event_id = x'00112233445566778899aabbccddeeff'
               WHERE projector = 'duties'";
    tamper(&directory, "read.db", sql);
    only(
        directory.path(),
        &[],
        "warn read models: duties is of another log, or of events that this one lost: serve makes \
         the tables anew",
    );
    std::fs::remove_file(directory.path().join("whence-data/read.db")).unwrap();
    only(directory.path(), &[], "warn read models: there are none yet: serve makes them");
}

#[test]
fn files_that_others_get_at() {
    let directory = used_directory();
    let data = directory.path().join("whence-data");
    let chmod = |path: &Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    let advice = "chmod 700 the directory and chmod 600 its files";
    chmod(&data, 0o755);
    let open = "others than the owner get at ./whence-data (755)";
    only(directory.path(), &[], &format!("warn permissions: {open}: {advice}"));
    chmod(&data.join("master.key"), 0o644);
    let both = format!("{open} and ./whence-data/master.key (644)");
    only(directory.path(), &[], &format!("FAIL permissions: {both}: {advice}"));
}

#[test]
fn findings_as_json() {
    let directory = used_directory();
    let output = whence(directory.path()).args(["doctor", "--json"]).output().unwrap();
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = findings.as_array().unwrap();
    assert!(findings.len() >= 12, "{findings:?}");
    assert!(findings.iter().any(|finding| finding["check"] == "immutability"));
    for finding in findings {
        assert_eq!(finding["level"] == "ok", finding.get("advice").is_none(), "{finding}");
    }
}
