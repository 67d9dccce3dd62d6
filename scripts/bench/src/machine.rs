//! What the kernel tells about this machine and its processes.

use std::fs::read_to_string;
use std::path::Path;
use std::time::Duration;

/// One line on what the figures were taken on.
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

/// The type of the file system that holds a directory: on tmpfs, a sync costs nothing.
fn file_system(directory: &Path) -> String {
    let mounts = read_to_string("/proc/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let holds = mounts.filter(|(point, _)| directory.starts_with(point));
    holds.max_by_key(|(point, _)| point.len()).map_or("?", |(_, kind)| kind).to_owned()
}

/// What threads of this process used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// Time on a core.
    pub(crate) cpu: Duration,
    /// How often they went to sleep.
    pub(crate) sleeps: u64,
}

impl Used {
    /// By all threads but those of the load generator and the one that directs it.
    pub(crate) fn by_servers() -> Self {
        let mut used = Self::default();
        let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return used };
        for task in tasks.flatten().map(|task| task.path()) {
            let read = |file| read_to_string(task.join(file)).unwrap_or_default();
            if matches!(read("comm").trim(), "load" | "whence-bench" | "") {
                continue;
            }
            let nanos = read("schedstat").split(' ').next().and_then(|text| text.parse().ok());
            used.cpu += Duration::from_nanos(nanos.unwrap_or(0));
            let status = read("status");
            let sleeps = field(&status, "voluntary_ctxt_switches").and_then(|n| n.parse().ok());
            used.sleeps += sleeps.unwrap_or(0);
        }
        used
    }

    /// What was used since then.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            sleeps: self.sleeps.saturating_sub(before.sleeps),
        }
    }
}

/// Resident memory of a process, in MB.
pub(crate) fn resident_mb(process: u32) -> f64 {
    let status = read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kb = field(&status, "VmRSS").and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    kb.unwrap_or(0.0) / 1024.0
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}
