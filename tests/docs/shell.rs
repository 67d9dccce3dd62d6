//! A directory with the program in it, and a shell to type into.

use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::markdown::ROOT;
use whence_test_support::ports::free_port;

/// The address that the documents name.
const DOCUMENTED: &str = "127.0.0.1:8080";

/// The same, as browsers name it in development.
const NAMED: &str = "localhost:8080";

/// Where a document has pages of its own served.
const PAGES: &str = "localhost:3000";

/// How long a service may take to say that it is up; the demo may run before it.
const START: Duration = Duration::from_mins(1);

/// In the place of cargo: `cargo run .. -- ARGUMENTS` is the program that these tests were built with.
const CARGO: &str = "#!/bin/sh
[ \"$1\" = run ] || { echo \"cargo $1 is not run here\" >&2; exit 1; }
while [ \"$1\" != -- ]; do shift; done
shift
exec whence \"$@\"
";

/// Somebody who reads a document and types what it says.
pub(crate) struct Shell {
    home: TempDir,
    servers: Vec<Child>,
    address: Option<SocketAddr>,
    /// The free port that is meant wherever a document says 3000.
    pages: u16,
    /// What is set for the services.
    variables: Vec<(&'static str, String)>,
}

impl Shell {
    /// Makes an empty directory.
    pub(crate) fn new() -> Self {
        let home = TempDir::new().unwrap();
        let programs = home.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        symlink(env!("CARGO_BIN_EXE_whence"), programs.join("whence")).unwrap();
        let cargo = programs.join("cargo");
        std::fs::write(&cargo, CARGO).unwrap();
        std::fs::set_permissions(cargo, PermissionsExt::from_mode(0o755)).unwrap();
        let pages = free_port();
        let shell = Self { home, servers: vec![], address: None, pages, variables: vec![] };
        std::fs::create_dir(shell.directory()).unwrap();
        symlink(Path::new(ROOT).join("scripts"), shell.directory().join("scripts")).unwrap();
        shell
    }

    /// Makes an empty directory whose services keep their data in a database.
    pub(crate) fn over(database: &str) -> Self {
        let key = ("WHENCE_MASTER_KEY", "ab".repeat(32));
        let mut shell = Self::new();
        shell.variables = vec![("WHENCE_STORE", database.to_owned()), key];
        shell
    }

    /// Returns where the commands are typed.
    pub(crate) fn directory(&self) -> PathBuf {
        self.home.path().join("work")
    }

    /// Runs a script to its end: its exit code, and what it printed on stdout and stderr together.
    pub(crate) fn run(&self, script: &str) -> (Option<i32>, String) {
        let script = self.here(script);
        let mut command = self.bash(&format!("exec 2>&1\n{script}"));
        let output = command.stdin(Stdio::null()).output().unwrap();
        (output.status.code(), self.documented(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Runs a script whose last line is `whence serve ..`, and leaves that service running. It
    /// listens on a free port, which from now on is meant wherever a document says 8080.
    #[track_caller]
    pub(crate) fn serve(&mut self, script: &str) {
        let (before, serve) =
            script.trim_end().rsplit_once('\n').unwrap_or(("", script.trim_end()));
        let serve = serve.split(" #").next().unwrap().replace("--listen 127.0.0.1:8080", "");
        let errors = self.home.path().join(format!("stderr-{}", self.servers.len()));
        let script = self.here(&format!("{before}\nexec {serve} --listen 127.0.0.1:0"));
        let mut command = self.bash(&script);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let stderr = std::fs::File::create(&errors).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let mut child = command.spawn().unwrap();
        let began = Instant::now();
        let address = loop {
            let said = std::fs::read_to_string(&errors).unwrap();
            if let Some(address) = said.lines().find_map(listening) {
                break address;
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < START, "{serve}: {ended:?} {said}");
            std::thread::sleep(Duration::from_millis(10));
        };
        self.servers.push(child);
        self.address = Some(address);
        // A reader is slower than a service that starts.
        let ready = format!("curl -s -o /dev/null -w '%{{http_code}}' http://{address}/readyz");
        while self.run(&ready).1 != "200" {
            assert!(began.elapsed() < START, "{serve}: not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs a script that serves pages at port 3000, and leaves it running.
    pub(crate) fn serve_pages(&mut self, script: &str) {
        let script = script.replace(" 3000 ", &format!(" {} ", self.pages));
        let mut command = self.bash(&format!("exec {script}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.servers.push(command.spawn().unwrap());
        let began = Instant::now();
        while std::net::TcpStream::connect(("localhost", self.pages)).is_err() {
            assert!(began.elapsed() < START, "{script}: nobody listens");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the services.
    pub(crate) fn stop(&mut self) {
        for mut server in self.servers.drain(..) {
            let _ = server.kill();
            let _ = server.wait();
        }
        self.address = None;
    }

    fn bash(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        let path =
            format!("{}:/usr/local/bin:/usr/bin:/bin", self.home.path().join("bin").display());
        command.args(["-e", "-c", script]).current_dir(self.directory()).env_clear();
        command.env("PATH", path).env("HOME", self.home.path()).env("USER", "ada");
        command.env("TMPDIR", self.home.path());
        command
    }

    /// What a document says, with the address of the running service.
    pub(crate) fn here(&self, text: &str) -> String {
        let text = text.replace(PAGES, &format!("localhost:{}", self.pages));
        match self.address {
            Some(address) => text
                .replace(DOCUMENTED, &address.to_string())
                .replace(NAMED, &format!("localhost:{}", address.port())),
            None => text,
        }
    }

    /// What was printed, with the address that documents name.
    fn documented(&self, text: &str) -> String {
        match self.address {
            Some(address) => text.replace(&address.to_string(), DOCUMENTED),
            None => text.to_owned(),
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns the address in the line of a start.
fn listening(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    line["fields"]["listen"].as_str()?.parse().ok()
}
