//! A log where nothing can be written: read-only media, a backup of another user.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::operations::doctor::bad;
use crate::support::{Service, contents, used_directory, whence};

/// A user who owns nothing.
const NOBODY: u32 = 65534;

/// The data directory of a log that no process of this test may write to, and how to start one.
struct Medium {
    directory: TempDir,
    program: PathBuf,
    root: bool,
}

impl Medium {
    /// Takes write permissions from all that is in a directory. The superuser may write all the same,
    /// so its tests start the program as another user.
    fn of(directory: TempDir) -> Self {
        let root = directory.path().metadata().is_ok_and(|it| it.uid() == 0);
        // Where the program is built, another user may not come.
        let program = directory.path().join("whence");
        std::fs::copy(env!("CARGO_BIN_EXE_whence"), &program).unwrap();
        let medium = Self { directory, program, root };
        medium.set_modes(0o555, 0o444);
        std::fs::set_permissions(&medium.program, PermissionsExt::from_mode(0o555)).unwrap();
        medium
    }

    fn set_modes(&self, of_directories: u32, of_files: u32) {
        let paths = contents(self.directory.path()).into_keys();
        let paths = paths.chain([self.directory.path().to_owned()]);
        let others = ["log.db-shm", "read.db-shm"].map(|name| self.data().join(name));
        for path in paths.chain(others).filter(|path| path.exists()) {
            let mode = if path.is_dir() { of_directories } else { of_files };
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("whence-data")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.current_dir(self.directory.path()).env_clear().args(arguments);
        if self.root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap()
    }

    #[track_caller]
    fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Medium {
    /// Gives the permissions back, so that the directory can be removed.
    fn drop(&mut self) {
        let writable = |path: &Path| {
            let _ = std::fs::set_permissions(path, PermissionsExt::from_mode(0o700));
        };
        for path in [self.directory.path().to_owned(), self.data(), self.data().join("checkpoints")]
        {
            writable(&path);
        }
    }
}

const QUESTIONS: [&[&str]; 4] = [
    &["verify"],
    &["report", "signups"],
    &["export", "events", "--format", "jsonl"],
    &["export", "signups", "--format", "csv"],
];

#[test]
fn a_log_is_read_where_nothing_can_be_written() {
    let directory = used_directory();
    let answers = QUESTIONS.map(|arguments| {
        let output = whence(directory.path()).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    });
    let without_rate = |text: &str| text.split(';').next().map(str::to_owned);
    let medium = Medium::of(directory);
    let before = contents(&medium.data());
    for (arguments, answer) in QUESTIONS.iter().zip(&answers) {
        let said = medium.prints(arguments);
        assert_eq!(without_rate(&said), without_rate(answer), "{arguments:?}");
    }
    let said = String::from_utf8(medium.run(&["doctor"]).stdout).unwrap();
    let lines: Vec<_> = said.lines().map(str::to_owned).collect();
    assert!(lines.iter().any(|line| line.starts_with("ok   read models: identity")), "{said}");
    let bad = bad(&lines);
    let written = "warn log: ./whence-data/log.db can be read and not written: Permission denied";
    assert!(bad.iter().any(|line| line.starts_with(written)), "{said}");
    // That others can read the master key is bad, and is all that is bad.
    let failed: Vec<_> = lines.iter().filter(|line| line.starts_with("FAIL ")).collect();
    assert!(failed.len() == 1 && failed[0].starts_with("FAIL permissions: "), "{said}");
    assert_eq!(contents(&medium.data()), before);
    let refused = medium.run(&["replay"]);
    assert_eq!(refused.status.code(), Some(1), "it would write");
}

#[test]
fn a_log_without_its_read_models_is_verified_too() {
    let directory = used_directory();
    std::fs::remove_file(directory.path().join("whence-data/read.db")).unwrap();
    let medium = Medium::of(directory);
    assert!(medium.prints(&["verify"]).contains("unaltered"));
}

/// A log whose service was killed, so that a part of it is in the WAL.
async fn unclosed() -> TempDir {
    let directory = TempDir::new().unwrap();
    let service = Service::start(directory.path(), &[]);
    service.until_ready().await;
    let url = format!("http://{}/v1/auth/email/start", service.address);
    let body = r#"{"email":"ada@example.com"}"#;
    let answer = reqwest::Client::new().post(url).body(body).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    service.kill();
    let wal = directory.path().join("whence-data/log.db-wal");
    assert_ne!(wal.metadata().unwrap().len(), 0);
    directory
}

#[tokio::test]
async fn what_a_crash_left_in_the_wal_is_read_or_refused_but_never_left_out() {
    let medium = Medium::of(unclosed().await);
    let exported = medium.prints(&["export", "events", "--format", "jsonl"]);
    assert!(exported.contains("LoginStarted"), "{exported}");
    medium.set_modes(0o755, 0o644);
    std::fs::remove_file(medium.data().join("log.db-shm")).unwrap();
    medium.set_modes(0o555, 0o444);
    std::fs::set_permissions(&medium.program, PermissionsExt::from_mode(0o555)).unwrap();
    let sentence = "the log ./whence-data/log.db was not closed, and the rest of it in log.db-wal cannot \
                    be read where nothing can be written: copy both files into a directory of your own";
    for arguments in QUESTIONS {
        let output = medium.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, format!("whence: {sentence}\n"), "{arguments:?}");
    }
    let said = String::from_utf8(medium.run(&["doctor"]).stdout).unwrap();
    assert!(said.contains(&format!("FAIL log: {sentence}: examine the copy\n")), "{said}");
}
