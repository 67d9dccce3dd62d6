//! The kernel's figures about this machine and its processes.

use std::fs::read_to_string;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The process id of the database server.
static DATABASE: OnceLock<u32> = OnceLock::new();

/// The CPU time of finished load generator threads, in nanoseconds.
static GENERATORS: AtomicU64 = AtomicU64::new(0);

/// The unit of `/proc/stat`.
const JIFFY: Duration = Duration::from_millis(10);

/// Returns one line about the machine that the figures are taken on.
pub(crate) fn line(directory: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let info = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = field(&info, "model name").unwrap_or("unknown processor").to_owned();
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    format!(
        "machine: {cores} cores, {model}, Linux {}, data on {}, load average {load} before",
        kernel.trim(),
        file_system(directory)
    )
}

/// Returns the type of the file system that holds a directory: on tmpfs, a sync costs nothing.
pub(crate) fn file_system(directory: &Path) -> String {
    let mounts = read_to_string("/proc/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let holds = mounts.filter(|(point, _)| directory.starts_with(point));
    holds.max_by_key(|(point, _)| point.len()).map_or("?", |(_, kind)| kind).to_owned()
}

/// Counts the parent of a backend process, which is the database server, and all processes that it
/// started as a server from now on.
pub(crate) fn count_children_of_parent_of(backend: u32) {
    if let Some((parent, _)) = stat(&backend.to_string()) {
        let _ = DATABASE.set(parent);
    }
}

/// Adds the CPU time of this load generator thread; each of them calls it at its end.
pub(crate) fn generator_ends() {
    let nanos = nanos(Path::new("/proc/thread-self"));
    GENERATORS.fetch_add(nanos, Ordering::Relaxed);
}

/// The CPU time that was used up to some moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// The CPU time of whence.
    pub(crate) whence: Duration,
    /// The CPU time of the KurrentDB double.
    pub(crate) double: Duration,
    /// The CPU time of the mail server.
    pub(crate) relay: Duration,
    /// The CPU time of the database server.
    pub(crate) database: Duration,
    /// The CPU time of finished load generators.
    pub(crate) generators: Duration,
    /// The CPU time of everything on this machine.
    pub(crate) machine: Duration,
    /// The number of times that threads of whence went to sleep.
    pub(crate) sleeps: u64,
}

impl Usage {
    /// Returns the usage up to now.
    pub(crate) fn now() -> Self {
        let mut used = Self {
            database: database(),
            generators: Duration::from_nanos(GENERATORS.load(Ordering::Relaxed)),
            machine: machine(),
            ..Self::default()
        };
        let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return used };
        for task in tasks.flatten().map(|task| task.path()) {
            let cpu = Duration::from_nanos(nanos(&task));
            match read_to_string(task.join("comm")).unwrap_or_default().trim() {
                "load" | "whence-bench" | "" => {}
                "double" => used.double += cpu,
                "relay" => used.relay += cpu,
                _ => {
                    used.whence += cpu;
                    let status = read_to_string(task.join("status")).unwrap_or_default();
                    let sleeps = field(&status, "voluntary_ctxt_switches");
                    used.sleeps += sleeps.and_then(|n| n.parse().ok()).unwrap_or(0);
                }
            }
        }
        used
    }

    /// Returns the CPU time of everything that is measured.
    pub(crate) fn servers(&self) -> Duration {
        self.whence + self.double + self.database
    }

    /// Returns the usage since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            whence: self.whence.saturating_sub(before.whence),
            double: self.double.saturating_sub(before.double),
            relay: self.relay.saturating_sub(before.relay),
            database: self.database.saturating_sub(before.database),
            generators: self.generators.saturating_sub(before.generators),
            machine: self.machine.saturating_sub(before.machine),
            sleeps: self.sleeps.saturating_sub(before.sleeps),
        }
    }

    /// Returns the sum of both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            whence: self.whence + other.whence,
            double: self.double + other.double,
            relay: self.relay + other.relay,
            database: self.database + other.database,
            generators: self.generators + other.generators,
            machine: self.machine + other.machine,
            sleeps: self.sleeps + other.sleeps,
        }
    }
}

/// Returns the CPU time of the database server and its processes, finished ones included.
fn database() -> Duration {
    let Some(server) = DATABASE.get() else { return Duration::ZERO };
    let gone = stat(&server.to_string()).map_or(Duration::ZERO, |(_, gone)| gone);
    let Ok(processes) = std::fs::read_dir("/proc") else { return gone };
    let names = processes.flatten().map(|process| process.file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    let theirs = names.filter(|name| {
        name.parse() == Ok(*server) || stat(name).is_some_and(|(parent, _)| parent == *server)
    });
    let nanos = theirs.map(|name| nanos(&Path::new("/proc").join(name))).sum();
    gone + Duration::from_nanos(nanos)
}

/// Returns the parent of a process, and the CPU time of its finished children.
fn stat(process: &str) -> Option<(u32, Duration)> {
    process.parse::<u32>().ok()?;
    let text = read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Its name, in brackets, may contain blanks.
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let jiffies = fields.get(13)?.parse::<u32>().ok()? + fields.get(14)?.parse::<u32>().ok()?;
    Some((fields.get(1)?.parse().ok()?, JIFFY * jiffies))
}

/// Returns the time that all cores were busy.
fn machine() -> Duration {
    let text = read_to_string("/proc/stat").unwrap_or_default();
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    // user, nice, system, idle, waiting for a disk, interrupts, soft interrupts
    let busy = fields.enumerate().filter(|(nth, _)| matches!(nth, 0..=2 | 5 | 6));
    let jiffies = busy.filter_map(|(_, jiffies)| jiffies.parse::<u32>().ok()).sum::<u32>();
    JIFFY * jiffies
}

/// Returns the CPU time of a thread, in nanoseconds.
fn nanos(thread: &Path) -> u64 {
    let schedule = read_to_string(thread.join("schedstat")).unwrap_or_default();
    schedule.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Returns the resident memory of a process, in MB.
pub(crate) fn resident_mb(process: u32) -> f64 {
    let status = read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kb = field(&status, "VmRSS").and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    kb.unwrap_or(0.0) / 1024.0
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}
