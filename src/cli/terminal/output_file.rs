//! The output of an export: a file that appears when it is complete, or a stream.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::NamedTempFile;

/// The output of an export. Dropped before it is complete, it leaves no file.
pub(crate) enum OutputFile {
    /// Standard output, which is named `-`.
    Stdout,
    /// A file that has another name until it is complete.
    File { name: PathBuf, unfinished: NamedTempFile },
}

impl OutputFile {
    /// Opens an output; `private` makes a file that only this user can read.
    pub(crate) fn create(name: &str, private: bool) -> anyhow::Result<Self> {
        if name == "-" {
            return Ok(Self::Stdout);
        }
        Self::open(name.into(), private).with_context(|| format!("cannot write {name}"))
    }

    fn open(name: PathBuf, private: bool) -> io::Result<Self> {
        // What is there may be of somebody else, who would read a pipe, or have another file replaced
        // by a link to it. Only a plain file is replaced, and what has its name by then is not opened.
        match name.symlink_metadata() {
            Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(there) if !there.is_file() => {
                let sentence = "it is a link, a pipe or a device, not a file (-: standard output)";
                return Err(io::Error::other(sentence));
            }
            Ok(_) | Err(_) => {}
        }
        // In the same directory, because only there the file can be renamed in one step.
        let directory = name.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mode = if private { 0o600 } else { 0o666 };
        let make =
            |path: &Path| OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
        let unfinished = tempfile::Builder::new()
            .prefix(".whence-export-")
            .make_in(directory.unwrap_or(Path::new(".")), make)?;
        Ok(Self::File { name, unfinished })
    }

    /// Returns the writer that the bytes go to.
    pub(crate) fn writer(&self) -> anyhow::Result<Box<dyn Write + Send>> {
        let file = match self {
            Self::Stdout => return Ok(Box::new(io::stdout())),
            Self::File { unfinished, .. } => unfinished.as_file().try_clone(),
        };
        Ok(Box::new(file.with_context(|| self.cannot_write())?))
    }

    /// Gives a file its name, once everything was written and is on disk.
    pub(crate) fn complete(self) -> anyhow::Result<()> {
        let cannot_write = self.cannot_write();
        let Self::File { name, unfinished } = self else { return Ok(()) };
        let done = unfinished.as_file().sync_all();
        done.and_then(|()| unfinished.persist(name).map_err(|error| error.error))
            .map(drop)
            .context(cannot_write)
    }

    /// Completes what was written. A reader that closed its end is no failure: `whence report
    /// --html - | head` has what it wanted.
    pub(crate) fn finish(self, written: io::Result<()>) -> anyhow::Result<()> {
        let written = written.with_context(|| self.cannot_write());
        match written.and_then(|()| self.complete()) {
            Err(error) if is_gone(&error) => Ok(()),
            done => done,
        }
    }

    /// Returns the context of an error in writing.
    pub(crate) fn cannot_write(&self) -> String {
        match self {
            Self::Stdout => "cannot write the export".to_owned(),
            Self::File { name, .. } => format!("cannot write {}", name.display()),
        }
    }
}

/// Returns whether the reader has closed its end: `whence export ... | head` is no failure.
pub(crate) fn is_gone(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
