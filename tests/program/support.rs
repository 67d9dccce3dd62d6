//! Starting the program, and looking at what it leaves behind.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// How long a process may take for what a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program, in `directory`, with nothing of this process's environment but PATH.
pub(crate) fn whence(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whence"));
    command.current_dir(directory).env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// `whence serve` on a free port, with these flags, to its end.
pub(crate) fn serve_and_fail(directory: &Path, flags: &[&str]) -> Output {
    let free = ["--listen", "127.0.0.1:0"];
    let listens = flags.contains(&"--listen");
    let mut command = whence(directory);
    command.arg("serve").args(if listens { &[][..] } else { &free }).args(flags);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    let watch = Watch::over(&child);
    let mut output = Output { status: child.wait().unwrap(), stdout: vec![], stderr: vec![] };
    drop(watch);
    child.stdout.take().unwrap().read_to_end(&mut output.stdout).unwrap();
    child.stderr.take().unwrap().read_to_end(&mut output.stderr).unwrap();
    output
}

/// Insists on exit code 1, on this one sentence, and on nothing having changed in the directory.
#[track_caller]
pub(crate) fn refused(directory: &Path, flags: &[&str], sentence: &str) {
    let before = contents(directory);
    let output = serve_and_fail(directory, flags);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, format!("whence: {sentence}\n"), "{flags:?}");
    assert_eq!(output.status.code(), Some(1), "{flags:?}");
    assert!(output.stdout.is_empty(), "{flags:?}");
    assert_eq!(contents(directory), before, "{flags:?} left something behind");
}

/// Every file below a directory with its bytes, and every directory. Not the shared memory of
/// SQLite, which any reader makes, nor an empty WAL.
pub(crate) fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in directory.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_str().unwrap();
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, vec![]);
        } else if !name.ends_with("-shm") {
            let bytes = std::fs::read(&path).unwrap();
            if !(bytes.is_empty() && name.ends_with("-wal")) {
                found.insert(path, bytes);
            }
        }
    }
    found
}

/// Asks a process to do something, as a shell would.
pub(crate) fn send_signal(id: u32, signal: &str) {
    let signal = format!("kill -{signal} {id}");
    let _ = Command::new("sh").args(["-c", &signal]).status();
}

/// Ends a process that is still there after a while, so that a test fails instead of hanging. Dropped
/// before, it does nothing.
struct Watch {
    _over: std::sync::mpsc::Sender<()>,
}

impl Watch {
    fn over(process: &Child) -> Self {
        let id = process.id();
        let (over, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            if wait.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                send_signal(id, "KILL");
            }
        });
        Self { _over: over }
    }
}

/// A running `whence serve`.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    /// The line of its start.
    pub(crate) started: Value,
    child: Child,
    /// What it said before that line.
    earlier: String,
    lines: BufReader<std::process::ChildStderr>,
}

impl Service {
    /// `whence serve` on a free port.
    pub(crate) fn start(directory: &Path, flags: &[&str]) -> Self {
        let mut command = whence(directory);
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(flags);
        Self::run(command)
    }

    pub(crate) fn run(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let (earlier, started) = until_it_listens(&mut lines);
        let address = started["fields"]["listen"].as_str().unwrap().parse().unwrap();
        Self { address, started, child, earlier, lines }
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line of the log with this word.
    pub(crate) fn line_with(&mut self, word: &str) -> String {
        let _watch = Watch::over(&self.child);
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "there is none with {word}");
        }
        line
    }

    /// The status of `/readyz`.
    pub(crate) async fn readiness(&self) -> u16 {
        let url = format!("http://{}/readyz", self.address);
        reqwest::get(url).await.unwrap().status().as_u16()
    }

    /// Waits until it is ready.
    pub(crate) async fn until_ready(&self) {
        let ready = async {
            while self.readiness().await != 200 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), ready).await.unwrap();
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM: its exit code, and what it said besides the line of its start.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        send_signal(self.child.id(), "TERM");
        let mut said = std::mem::take(&mut self.earlier);
        self.lines.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

/// Reads what a service says up to the line of its start, and that line.
fn until_it_listens(lines: &mut impl BufRead) -> (String, Value) {
    let mut earlier = String::new();
    loop {
        let mut line = String::new();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it did not start: {earlier}");
        let said: Value = serde_json::from_str(&line).expect(&line);
        if said["fields"]["listen"].is_string() {
            return (earlier, said);
        }
        earlier += &line;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a server listens on a port.
pub(crate) async fn until_listening(port: u16) {
    let listens = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), listens).await.expect("a server that listens");
}

/// The block of `docs/operating.md` that has this line first.
#[track_caller]
pub(crate) fn settings_of(line: &str) -> String {
    settings_in(include_str!("../../docs/operating.md"), line)
}

/// The block of settings of a document that begins with these lines.
#[track_caller]
pub(crate) fn settings_in(document: &str, line: &str) -> String {
    let begin = document.find(&format!("```text\n{line}")).expect(line) + "```text\n".len();
    let block = &document[begin..];
    block[..block.find("```").expect(line)].to_owned()
}

/// A directory in which `whence serve` has been.
pub(crate) fn used_directory() -> TempDir {
    let directory = TempDir::new().unwrap();
    let (code, _) = Service::start(directory.path(), &[]).stop();
    assert_eq!(code, Some(0));
    directory
}
