//! Where the visitors of a load find the codes that were mailed to them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use whence::infra::mail::Memory;
use whence_events::EmailAddress;

/// The time in which a mail has to arrive after the service said that it was sent.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(5);

/// A place where mails arrive.
pub(crate) trait Codes: Sync {
    /// Returns the code that was mailed to an address.
    fn take(&self, address: &str) -> anyhow::Result<String>;
}

impl Codes for Memory {
    fn take(&self, address: &str) -> anyhow::Result<String> {
        self.take_code(&EmailAddress::parse(address)?).context("no mail came")
    }
}

/// The codes of mails that were read, by address.
#[derive(Default)]
pub(crate) struct CodeMap(Mutex<HashMap<String, String>>);

impl CodeMap {
    /// Adds the code of a mail, when it has one.
    pub(crate) fn read(&self, mail: &[u8]) {
        let text = String::from_utf8_lossy(mail);
        let to = text.lines().find_map(|line| line.strip_prefix("To: "));
        let code = text
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .find(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if let (Some(to), Some(code)) = (to, code) {
            let to = to.trim_matches(['<', '>']).to_owned();
            self.lock().insert(to, code.to_owned());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Codes for CodeMap {
    fn take(&self, address: &str) -> anyhow::Result<String> {
        self.lock().remove(address).context("no mail came")
    }
}

/// The mails in a directory, each of which is read once, in the order of their numbers.
pub(crate) struct Files {
    directory: PathBuf,
    read: CodeMap,
    next: Mutex<u64>,
}

impl Files {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, read: CodeMap::default(), next: Mutex::new(1) }
    }

    /// Reads the files that are new.
    fn read_new(&self) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        while let Ok(mail) = std::fs::read(self.directory.join(format!("{:08}.eml", *next))) {
            self.read.read(&mail);
            *next += 1;
        }
    }
}

impl Codes for Files {
    fn take(&self, address: &str) -> anyhow::Result<String> {
        let begin = Instant::now();
        loop {
            self.read_new();
            match self.read.take(address) {
                // The file before it is not there yet: their numbers were taken in the other order.
                Err(_) if begin.elapsed() < ARRIVAL_TIMEOUT => std::thread::yield_now(),
                found => return found,
            }
        }
    }
}
