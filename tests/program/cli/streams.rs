//! Standard output and standard error that take nothing: a full disk, or a pipe without a reader.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use clap::CommandFactory as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use whence_test_support::mails::mails_in;
use whence_test_support::ports::free_port;

use crate::support::{Service, send_signal, whence};

const EMAIL: &str = "ada@example.com";

/// What each command is called with, beside a log of one user who has a code. `serve` has tests of its
/// own. The erasure comes last, for nothing can be asked about the user after it.
const COMMANDS: &[&str] = &[
    "--help",
    "--version",
    "serve --help",
    "demo",
    "doctor",
    "doctor --json",
    "replay",
    "replay --check",
    "audit referrals",
    "audit referrals --format csv",
    "audit referrals --json",
    "audit user ada@example.com",
    "audit user ada@example.com --json",
    "audit user ada@example.com --bundle BUNDLE",
    "audit code CODE",
    "audit code CODE --bundle BUNDLE",
    "audit check story.json --key KEY",
    "export events --format jsonl",
    "export signups --format csv",
    "report --list",
    "report signups",
    "report signups --chart",
    "report signups --format json",
    "report --html -",
    "verify",
    "copy --from sqlite:whence-data --to sqlite:copy",
    "api-key list",
    "api-key issue shop --scope users:read",
    "keys list",
    "keys rotate csrf",
    "code disable CODE --reason cheating",
    "code enable CODE --reason mistaken",
    "user sessions ada@example.com",
    "user revoke ada@example.com --reason stolen",
    "user suspend ada@example.com --reason stolen",
    "user reinstate ada@example.com --reason found",
    "user unlock ada@example.com --reason guessed",
    "user email ada@example.com ada@example.net --reason lost",
    "user email ada@example.com ada@example.com --reason found",
    "erase ada@example.com",
];

/// A directory with a log of one user, and the user's code.
struct Used {
    directory: TempDir,
    code: String,
    key: String,
}

impl Used {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let service = Service::start(directory.path(), &[]);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let code = runtime.block_on(log_in(&service, directory.path()));
        assert_eq!(service.stop().0, Some(0));
        let mut used = Self { directory, code, key: String::new() };
        let mut bundle = used.command("audit user ada@example.com --bundle story.json", "");
        assert!(bundle.output().unwrap().status.success());
        let story = std::fs::read_to_string(used.directory.path().join("story.json")).unwrap();
        let story: Value = serde_json::from_str(&story).unwrap();
        story["key"].as_str().unwrap().clone_into(&mut used.key);
        used
    }

    /// A command of the list; `run` keeps the files of several runs apart.
    fn command(&self, arguments: &str, run: &str) -> Command {
        let mut command = whence(self.directory.path());
        let bundle = format!("{}{run}.json", arguments.replace([' ', '@'], "-"));
        command.stdin(Stdio::null()).env("USER", "grace").env("TMPDIR", self.directory.path());
        command.args(arguments.split(' ').map(|argument| match argument {
            "CODE" => &self.code,
            "KEY" => &self.key,
            "BUNDLE" => &bundle,
            argument => argument,
        }));
        command
    }
}

/// Logs in for the first time, and returns the referral code that the user gets.
async fn log_in(service: &Service, directory: &Path) -> String {
    let base = format!("http://{}", service.address);
    let client = reqwest::Client::new();
    let start = client.post(format!("{base}/v1/auth/email/start")).json(&json!({ "email": EMAIL }));
    let started: Value = start.send().await.unwrap().json().await.unwrap();
    let mails = mails_in(&directory.join("whence-data/mail")).concat();
    let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
    let code = mails.lines().map(str::trim).find(is_code).unwrap();
    let body = json!({ "request_id": started["request_id"], "code": code });
    let verify = client.post(format!("{base}/v1/auth/email/verify")).json(&body);
    let verified = verify.send().await.unwrap();
    let cookies = verified.headers().get_all("set-cookie").iter();
    let cookies = cookies.map(|line| line.to_str().unwrap().split(';').next().unwrap());
    let cookies = cookies.collect::<Vec<_>>().join("; ");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) {
        let codes = client.get(format!("{base}/v1/referrals/me")).header("cookie", &cookies);
        let codes: Value = codes.send().await.unwrap().json().await.unwrap();
        if let Some(code) = codes["primary_code"].as_str() {
            return code.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the user got no code")
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

fn without_reader() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn every_command_is_in_the_list() {
    let program = whence::cli::Cli::command();
    let known: BTreeSet<_> = program.get_subcommands().map(clap::Command::get_name).collect();
    let tried = COMMANDS.iter().filter_map(|command| command.split(' ').next());
    let tried: BTreeSet<_> = tried.filter(|name| !name.starts_with('-')).collect();
    assert_eq!(tried, known);
    let audit = program.find_subcommand("audit").unwrap().get_subcommands();
    for command in audit.map(|command| format!("audit {} ", command.get_name())) {
        assert!(
            COMMANDS.iter().any(|tried| format!("{tried} ").starts_with(&command)),
            "{command}"
        );
    }
}

#[test]
fn a_full_standard_output_is_told_in_one_sentence() {
    let used = Used::new();
    for command in COMMANDS {
        let output = used.command(command, "full").stdout(full()).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        let sentences = said.lines().filter(|line| line.starts_with("whence: "));
        let sentences: Vec<_> = sentences.collect();
        let [sentence] = sentences[..] else { panic!("{command}: {said}") };
        assert!(sentence.starts_with("whence: cannot write "), "{command}: {said}");
        assert!(sentence.ends_with(": No space left on device (os error 28)"), "{command}: {said}");
        assert_eq!(said.lines().last(), Some(sentence), "{command}: {said}");
        assert!(!said.contains("panicked"), "{command}: {said}");
    }
}

#[test]
fn a_standard_output_without_a_reader_is_no_failure() {
    let used = Used::new();
    for command in COMMANDS {
        let output = used.command(command, "pipe").stdout(without_reader()).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{command}: {said}");
        assert!(!said.contains("panicked") && !said.contains("whence: "), "{command}: {said}");
    }
}

#[test]
fn a_standard_error_that_takes_nothing_changes_nothing() {
    for (name, stream) in [("full", full as fn() -> Stdio), ("without a reader", without_reader)] {
        let used = Used::new();
        for command in COMMANDS {
            let output = used.command(command, name).stderr(stream()).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{command}, stderr {name}");
            assert!(!output.stdout.is_empty(), "{command}, stderr {name}");
        }
        // Failures stay failures, each with its exit code.
        for (command, code) in [("report nothing", 1), ("nonsense", 1), ("audit user none", 1)] {
            let output = used.command(command, name).stderr(stream()).output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{command}, stderr {name}");
        }
        let output = whence(used.directory.path()).stderr(stream()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "no command, stderr {name}");
    }
}

#[test]
fn streams_that_were_closed_before_the_start_change_nothing() {
    let used = Used::new();
    for command in COMMANDS {
        let program = used.command(command, "closed");
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" <&- >&- 2>&-"]).arg(program.get_program());
        shell.args(program.get_args()).current_dir(used.directory.path()).env_clear();
        shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        assert_eq!(shell.status().unwrap().code(), Some(0), "{command}");
    }
}

#[test]
fn a_service_whose_log_lines_cannot_be_written_goes_on_serving() {
    for (name, stream) in [("full", full as fn() -> Stdio), ("without a reader", without_reader)] {
        let directory = TempDir::new().unwrap();
        let free = format!("127.0.0.1:{}", free_port());
        let mut command = whence(directory.path());
        command.args(["serve", "--log", "trace", "--listen", &free]);
        let mut child = command.stdin(Stdio::null()).stderr(stream()).spawn().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let healthy = runtime.block_on(async {
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(20) {
                let answer = reqwest::get(format!("http://{free}/healthz")).await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            false
        });
        send_signal(child.id(), "TERM");
        assert_eq!(child.wait().unwrap().code(), Some(0), "stderr {name}");
        assert!(healthy, "stderr {name}");
    }
}
