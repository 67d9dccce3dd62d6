//! Secrets out of files: flags and variables are seen by others on a machine, files need not be.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use zeroize::Zeroizing;

use super::environment::credentials_directory;
use crate::cli::terminal::stderr::note;

/// The size in bytes of the largest file that holds a secret.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Returns a secret out of the file of a flag, such as `--mail-file`, or out of a credential that
/// systemd passes on under the name of the flag, such as `whence.mail`; `None` when there is neither.
/// `is_given` says that the flag itself is given, which a file must not contradict.
pub(crate) fn from_file(
    flag: &str,
    is_given: bool,
    file: Option<&Path>,
) -> anyhow::Result<Option<Zeroizing<String>>> {
    if let Some(path) = file {
        ensure!(!is_given, "--{flag} and --{flag}-file are both given");
        return read(path).with_context(|| format!("--{flag}-file")).map(Some);
    }
    match credential(flag).filter(|_| !is_given) {
        Some(path) => read(&path).with_context(|| format!("the credential of --{flag}")).map(Some),
        None => Ok(None),
    }
}

/// Puts the secret out of the file of a flag in the place of its value.
pub(crate) fn fill(
    flag: &str,
    value: &mut Option<String>,
    file: Option<&Path>,
) -> anyhow::Result<()> {
    if let Some(secret) = from_file(flag, value.is_some(), file)? {
        *value = Some(String::clone(&secret));
    }
    Ok(())
}

/// Returns the file of a credential, when systemd passes one on.
fn credential(flag: &str) -> Option<PathBuf> {
    let name = format!("whence.{}", flag.replace('-', "_"));
    credentials_directory().map(|directory| directory.join(name)).filter(|path| path.exists())
}

/// Reads a file that holds a secret, without the white space around it. Warns when every user of this
/// machine can read it.
fn read(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let cannot = || format!("cannot read {}", path.display());
    let about = std::fs::metadata(path).with_context(cannot)?;
    ensure!(about.len() <= MAX_SECRET_BYTES, "{} is too large for a secret", path.display());
    if about.mode() & 0o007 != 0 {
        note(format_args!(
            "whence: every user of this machine can get at {}, which holds a secret: chmod 600",
            path.display()
        ));
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).with_context(cannot)?);
    let trimmed = text.trim();
    ensure!(!trimmed.is_empty(), "{} is empty", path.display());
    Ok(Zeroizing::new(trimmed.to_owned()))
}
