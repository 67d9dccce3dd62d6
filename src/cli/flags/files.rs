//! The files that settings name: the data directory, the master key in it, lists.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

use crate::cli::terminal::stderr::note;
use crate::infra::keys::MasterKey;

/// Makes a directory that only this user can look into; an existing one stays as it is.
pub(crate) fn make_private(directory: &Path) -> anyhow::Result<()> {
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("cannot make the data directory {}", directory.display()))
}

/// Returns the key in the data directory, or a new one that is stored there.
pub(crate) fn stored_master_key(data: &Path) -> anyhow::Result<MasterKey> {
    if let Some(key) = existing_master_key(data)? {
        close_key_file(data);
        return Ok(key);
    }
    // A log without its key cannot be opened; a new key would only hide that.
    if data.join("log.db").exists() {
        bail!("the master key {} of the log beside it is missing", key_file(data).display());
    }
    let key = MasterKey::generate();
    store_master_key(data, &key)?;
    Ok(key)
}

/// Takes the rights that others have on the key in the data directory away, and says so.
fn close_key_file(data: &Path) {
    let path = key_file(data);
    let Ok(about) = std::fs::metadata(&path) else { return };
    if about.mode().trailing_zeros() >= 6 {
        return;
    }
    let closed = std::fs::set_permissions(&path, Permissions::from_mode(0o600)).is_ok();
    let done = if closed { "from now on it is 0600" } else { "chmod 600 it" };
    note(format_args!(
        "whence: others than its owner could read the master key {}: {done}; if one of them may have, \
         rotate it (whence keys rotate master)",
        path.display()
    ));
}

/// Returns the key in the data directory, when there is one.
pub(crate) fn existing_master_key(data: &Path) -> anyhow::Result<Option<MasterKey>> {
    let path = key_file(data);
    match std::fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => MasterKey::parse(&text)
            .with_context(|| format!("{} does not hold a master key", path.display()))
            .map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(error).with_context(|| format!("cannot read the master key {}", path.display()))
        }
    }
}

/// Stores a key where there is none.
pub(crate) fn store_master_key(data: &Path, key: &MasterKey) -> anyhow::Result<()> {
    let path = key_file(data);
    write_private(&path, &Zeroizing::new(key.to_hex()))
        .with_context(|| format!("cannot write the master key {}", path.display()))
}

fn key_file(data: &Path) -> PathBuf {
    data.join("master.key")
}

/// Writes a file that only this user can read. It is on disk when this returns, name and all: a log
/// must not outlive its key.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// Returns the domains of a list that has one a line, in lower case and sorted.
pub(crate) fn read_domains(path: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let Some(path) = path else { return Ok(vec![]) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read --disposable-domains {}", path.display()))?;
    let lines = text.lines().map(|line| line.trim().to_ascii_lowercase());
    let mut domains: Vec<_> = lines.filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    domains.sort_unstable();
    domains.dedup();
    Ok(domains)
}
