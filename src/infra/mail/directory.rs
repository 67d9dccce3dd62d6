//! Mails as files, for development: any mail program opens them.

use std::fmt;
use std::fs::DirBuilder;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lettre::message::Mailbox;
use tempfile::NamedTempFile;
use whence_events::DeliveryFailure;
use whence_events::EmailAddress;

use super::config::MailConfigError;
use super::kept::{self, KeptMail};
use super::message::{self, Mail};

/// A directory of `.eml` files, numbered in the order of writing, readable by their owner only.
#[derive(Clone)]
pub struct Directory(Arc<DirectoryShared>);

struct DirectoryShared {
    dir: PathBuf,
    from: Mailbox,
    next: AtomicU64,
}

impl Directory {
    pub(super) fn open(dir: &str, from: Mailbox) -> Result<Self, MailConfigError> {
        if dir.is_empty() {
            return Err(MailConfigError::NoDirectory);
        }
        let dir = PathBuf::from(dir);
        match prepare(&dir) {
            Ok(last) => {
                let next = AtomicU64::new(last.saturating_add(1));
                Ok(Self(Arc::new(DirectoryShared { dir, from, next })))
            }
            Err(source) => Err(MailConfigError::Directory { dir, source }),
        }
    }

    /// Reads the newest mails, the newest first: of one address, or of all.
    pub async fn newest(&self, to: Option<String>, most: usize) -> io::Result<Vec<KeptMail>> {
        let shared = Arc::clone(&self.0);
        let read = move || kept::newest(&shared.dir, to.as_deref(), most);
        tokio::task::spawn_blocking(read).await?
    }

    /// Reads one mail; `None` when there is none of this id.
    pub async fn read(&self, id: String) -> io::Result<Option<KeptMail>> {
        let shared = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || kept::read(&shared.dir, &id)).await?
    }

    pub(super) async fn send(&self, to: &EmailAddress, mail: &Mail) -> Result<(), DeliveryFailure> {
        let bytes = message::build(mail, &self.0.from, to)?.formatted();
        let shared = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || shared.write(&bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(cause = ?error.kind(), "a mail was not written");
                Err(DeliveryFailure::Local)
            }
            Err(_) => Err(DeliveryFailure::Local),
        }
    }
}

impl DirectoryShared {
    /// Writes a mail into the next file. Readers never see half a mail: it gets its name when it is
    /// whole. A name that another process took first is left alone, and the next one is tried.
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(&self.dir)?; // mode 0600
        file.write_all(bytes)?;
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            match file.persist_noclobber(self.dir.join(format!("{number:08}.eml"))) {
                Ok(_) => return Ok(()),
                Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => {
                    file = taken.file;
                }
                Err(failed) => return Err(failed.error),
            }
        }
    }
}

/// Makes the directory, proves that it can be written, and returns the highest number in it, so that
/// names keep growing after a restart.
fn prepare(dir: &Path) -> io::Result<u64> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    NamedTempFile::new_in(dir)?.close()?;
    let mut last = 0;
    for entry in dir.read_dir()? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".eml")?.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    Ok(last)
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "directory {}", self.0.dir.display())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use mail_parser::MessageParser;

    use super::*;
    use crate::infra::mail::message::tests::login_code;
    use crate::infra::mail::{Mailer, Sender};

    fn open(dir: &Path) -> Result<Mailer, MailConfigError> {
        let from = Sender { name: "Example".into(), address: "login@example.com".into() };
        Mailer::open(&format!("directory:{}", dir.display()), &from)
    }

    fn names(dir: &Path) -> Vec<String> {
        let name = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> =
            dir.read_dir().unwrap().map(name).map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_mail_becomes_a_file_that_only_its_owner_reads() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("deep/mails");
        let ada = EmailAddress::parse("ada@example.com").unwrap();
        open(&dir).unwrap().send(&ada, &login_code("042424")).await.unwrap();

        assert_eq!(names(&dir), ["00000001.eml"]);
        let file = dir.join("00000001.eml");
        assert_eq!((mode(&dir), mode(&file)), (0o700, 0o600));
        let bytes = std::fs::read(file).unwrap();
        let mail = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(mail.to().unwrap().first().unwrap().address(), Some("ada@example.com"));
        assert!(mail.body_text(0).unwrap().contains("042424"));
        assert!(mail.body_html(0).unwrap().contains("042424"));
    }

    #[tokio::test]
    async fn names_keep_growing_after_a_restart_and_beside_another_process() {
        let dir = tempfile::tempdir().unwrap();
        let ada = EmailAddress::parse("ada@example.com").unwrap();
        let (one, other) = (open(dir.path()).unwrap(), open(dir.path()).unwrap());
        for mailer in [&one, &other, &other, &one] {
            mailer.send(&ada, &login_code("111111")).await.unwrap();
        }
        std::fs::remove_file(dir.path().join("00000001.eml")).unwrap();
        open(dir.path()).unwrap().send(&ada, &login_code("222222")).await.unwrap();
        let expected: Vec<_> = (2..=5).map(|n| format!("{n:08}.eml")).collect();
        assert_eq!(names(dir.path()), expected);
        assert!(
            std::fs::read_to_string(dir.path().join("00000005.eml")).unwrap().contains("222222")
        );
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = open(&file.join("mails")).unwrap_err().to_string();
        assert!(error.starts_with("mails cannot be written to `"), "{error}");
    }
}
