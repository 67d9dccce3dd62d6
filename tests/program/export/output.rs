//! Files that are complete or not there, pipes that close, disks that are full.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use crate::export::log::Log;
use crate::support::{send_signal, whence};

/// Names of what is in the directory beside the log.
fn names(log: &Log) -> Vec<String> {
    let entries = log.directory.path().read_dir().unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name != "data").collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn stdout_gets_the_same_bytes() {
    let log = Log::sqlite().await;
    for format in ["jsonl", "csv", "parquet"] {
        let (file, _) = log.export(&format!("events.{format}"), &[]);
        for out in [&["--format", format][..], &["--format", format, "--out", "-"]] {
            let output = log.run(out);
            assert!(output.status.success());
            assert!(output.stdout == std::fs::read(&file).unwrap(), "{format}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_mistake() {
    let log = Log::sqlite().await;
    for format in ["jsonl", "csv", "parquet"] {
        let mut command = whence(log.directory.path());
        command.args(["export", "events", "--format", format]).args(&log.flags);
        // Nobody reads from the very beginning.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_leaves_nothing() {
    let log = Log::sqlite().await;
    for format in ["jsonl", "csv", "parquet"] {
        log.refused(
            &["--format", format, "--out", "/dev/full"],
            "cannot write /dev/full: it is a link, a pipe or a device, not a file (-: standard output)",
        );
    }
    // A limit to the size of files is as good as a small disk.
    std::fs::write(log.path("events.csv"), "what was there").unwrap();
    let mut command = std::process::Command::new("sh");
    let limited = "trap '' XFSZ; ulimit -f 80; exec \"$@\"";
    command.args(["-c", limited, "sh", env!("CARGO_BIN_EXE_whence"), "export", "events"]);
    command.args(&log.flags).args(["--format", "csv", "--out", "events.csv"]);
    let output = command.current_dir(log.directory.path()).env_clear().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let sentence = "cannot write events.csv: File too large (os error 27)";
    assert_eq!(said, format!("whence: {sentence}\n"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(log.path("events.csv")).unwrap(), "what was there");
    assert_eq!(names(&log), ["events.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_export_takes_the_place_of_the_one_before() {
    let log = Log::sqlite().await;
    std::fs::write(log.path("events.csv"), "what was there").unwrap();
    log.export("events.csv", &[]);
    assert!(std::fs::read_to_string(log.path("events.csv")).unwrap().starts_with("position,"));
    assert_eq!(names(&log), ["events.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_pipes_are_neither_followed_nor_opened() {
    let log = Log::sqlite().await;
    std::fs::write(log.path("real.csv"), "what was there").unwrap();
    std::os::unix::fs::symlink("real.csv", log.path("link.csv")).unwrap();
    let pipe = log.path("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for name in ["link.csv", "pipe.csv"] {
        let sentence = "it is a link, a pipe or a device, not a file (-: standard output)";
        let csv = ["--format", "csv", "--out", name];
        log.refused(&csv, &format!("cannot write {name}: {sentence}"));
    }
    assert_eq!(std::fs::read_to_string(log.path("real.csv")).unwrap(), "what was there");
}

/// An export that nobody reads is stuck in the middle; Ctrl-C ends it.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_stopped_ends_at_once_and_leaves_nothing() {
    let log = Log::sqlite().await;
    log.append_strange(2000).await;
    let mut command = whence(log.directory.path());
    command.args(["export", "events", "--format", "jsonl"]).args(&log.flags);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::with_capacity(64, child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"position\":1,"), "{line}");
    send_signal(child.id(), "INT");
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "whence: stopped before the export was complete\n");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn places_that_cannot_be_written() {
    let log = Log::sqlite().await;
    let csv = ["--format", "csv", "--out"];
    log.refused(
        &[&csv[..], &["nowhere/events.csv"]].concat(),
        "cannot write nowhere/events.csv: No such file or directory (os error 2)",
    );
    log.refused(&[&csv[..], &["data"]].concat(), "cannot write data: is a directory");
}

/// What holds personal data in clear is for its owner; what does not is as the umask says.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_read_it() {
    let log = Log::sqlite().await;
    let mode = |file: &Path| file.metadata().unwrap().permissions().mode() & 0o777;
    let (sealed, _) = log.export("sealed.csv", &[]);
    assert_eq!(mode(&sealed) & 0o400, 0o400);
    assert_ne!(mode(&sealed), 0o600, "a umask of 077 would hide what this test is about");
    let (open, _) = log.export("open.csv", &["--open-personal-data"]);
    assert_eq!(mode(&open), 0o600);
}
