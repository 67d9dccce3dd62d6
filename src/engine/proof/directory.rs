//! Keeps checkpoints in files, outside of the database: one file for each size, and `latest`.

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use crate::store::Location;

/// The beginning of a file's name; the size follows in twelve digits, so that names sort as sizes do.
const PREFIX: &str = "checkpoint-";

/// The name of the file that holds the newest checkpoint once more.
pub(super) const LATEST: &str = "latest";

/// A note in a file, whether its signature is right or not.
#[derive(Clone, Debug)]
pub struct NoteFile {
    /// The path of the file.
    pub path: PathBuf,
    /// The text of the note.
    pub note: String,
}

/// Returns where a service stores checkpoints of a log in files unless it is set up otherwise; `None`
/// for a log that is not in files.
pub(crate) fn default_of(store: &Location) -> Option<PathBuf> {
    store.directory().map(|directory| directory.join("checkpoints"))
}

/// Writes a checkpoint next to those that are there. It is on disk when this returns.
pub fn store(directory: &Path, checkpoint: &Checkpoint, note: &str) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    write(directory, &format!("{PREFIX}{:012}", checkpoint.size), note)?;
    write(directory, LATEST, note)
}

/// Writes a file that is there under its name as a whole, or not at all.
fn write(directory: &Path, name: &str, note: &str) -> std::io::Result<()> {
    let unfinished = directory.join(format!(".{name}"));
    let mut file = File::create(&unfinished)?;
    file.write_all(note.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(unfinished, directory.join(name))?;
    File::open(directory)?.sync_all()
}

/// Returns the newest checkpoint, when there is one.
pub fn latest(directory: &Path) -> std::io::Result<Option<String>> {
    match std::fs::read_to_string(directory.join(LATEST)) {
        Ok(note) => Ok(Some(note)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns all checkpoints in a directory in the order of their names; or the one in a file.
pub fn read(path: &Path) -> std::io::Result<Vec<NoteFile>> {
    let mut paths = vec![path.to_owned()];
    if path.is_dir() {
        let ours = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(PREFIX) || name == LATEST
        };
        let entries = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
        paths = entries.collect::<std::io::Result<Vec<_>>>()?;
        paths.retain(ours);
        paths.sort();
    }
    let file = |path: PathBuf| Ok(NoteFile { note: std::fs::read_to_string(&path)?, path });
    paths.into_iter().map(file).collect()
}
