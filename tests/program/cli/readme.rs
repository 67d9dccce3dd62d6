//! The README's session, pasted: it must work, or the README is wrong.

use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use whence_test_support::tool::program;

use crate::support::Service;

const README: &str = include_str!("../../../README.md");

/// The fenced block under a heading.
fn block(heading: &str) -> &'static str {
    let (_, section) = README.split_once(heading).expect("the heading is there");
    let (_, block) = section.split_once("```sh\n").expect("a block follows");
    block.split_once("```").expect("it ends").0
}

#[test]
fn the_session_of_the_readme_works_when_pasted() {
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), &[]);
    let session = block("## A session with curl");
    assert_eq!(session.matches("127.0.0.1:8080").count(), 1, "the address stands there once");
    let session = session.replace("127.0.0.1:8080", &service.address.to_string());

    // The session asks with curl.
    let _ = program("curl");
    let mut shell = program("bash");
    shell.arg("-e").current_dir(directory.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = shell.stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut shell.stdin.take().unwrap(), session.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}\n{complaints}");

    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap();
    let answer: Value = serde_json::from_str(last).expect(&said);
    let data = &answer["data"];
    assert_eq!(answer["success"], true, "{said}");
    assert_eq!(data["utmSource"], "newsletter", "{said}");
    assert_eq!(data["firstReferrerUrl"], "https://blog.example.org/best-tools", "{said}");
    assert!(data["referredBy"].is_string() && data["referralCode"].is_string(), "{said}");
}
