//! Keeps checkpoints in files, outside of the database: one file for each size, and `latest`.

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use crate::store::Location;

/// The beginning of a file's name; the size follows in twelve digits, so that names sort as sizes do.
const PREFIX: &str = "checkpoint-";

/// The beginning of the name of a file in which a key names the one after it.
const SUCCESSION: &str = "key-";

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

/// Writes the notes by which keys of checkpoints name those after them, where they are missing.
pub fn store_successions(directory: &Path, notes: &[String]) -> std::io::Result<()> {
    for (number, note) in (1..).zip(notes) {
        let name = format!("{SUCCESSION}{number:06}");
        if std::fs::read_to_string(directory.join(&name)).is_ok_and(|there| there == *note) {
            continue;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        write(directory, &name, note)?;
    }
    Ok(())
}

/// Returns the notes in a directory by which keys of checkpoints name those after them; none for a path
/// that is no directory.
pub fn successions(path: &Path) -> std::io::Result<Vec<String>> {
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    files(path, |name| name.starts_with(SUCCESSION))
        .map(|files| files.into_iter().map(|file| file.note).collect())
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
    if path.is_dir() {
        return files(path, |name| name.starts_with(PREFIX) || name == LATEST);
    }
    Ok(vec![NoteFile { note: std::fs::read_to_string(path)?, path: path.to_owned() }])
}

/// Returns the files in a directory that have such names, in the order of their names.
fn files(path: &Path, is_ours: impl Fn(&str) -> bool) -> std::io::Result<Vec<NoteFile>> {
    let ours =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(&is_ours);
    let entries = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(ours);
    paths.sort();
    let file = |path: PathBuf| Ok(NoteFile { note: std::fs::read_to_string(&path)?, path });
    paths.into_iter().map(file).collect()
}
