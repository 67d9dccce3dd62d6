//! The SQLite file itself: whether it is whole, and its removal.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Makes a file unless it is there, and takes the rights of others away from it and from those that
/// SQLite keeps next to it, whatever the umask and whichever version made them. Where this cannot be
/// done, SQLite itself says what is wrong with the file.
pub(super) fn keep_private(path: &Path) {
    let made = private(path);
    if made.is_err() {
        return;
    }
    for suffix in ["-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        if let Ok(there) = OpenOptions::new().write(true).open(file) {
            let _ = take_rights_of_others(&there);
        }
    }
}

/// Opens a file to write it, or makes it, as one that only this user can read or lock.
pub(super) fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(path)?;
    let _ = take_rights_of_others(&file);
    Ok(file)
}

fn take_rights_of_others(file: &File) -> io::Result<()> {
    let mode = file.metadata()?.permissions().mode();
    if mode.trailing_zeros() >= 6 {
        Ok(())
    } else {
        file.set_permissions(Permissions::from_mode(0o600))
    }
}

/// Removes a file and those that SQLite keeps next to it.
pub(super) fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        let _ = std::fs::remove_file(file);
    }
}

/// Returns whether the file ends before its own header says it does. SQLite notices only once it reads
/// what is missing. With a WAL next to it, the file may be just about to be written completely.
pub(super) fn is_cut_short(path: &Path) -> bool {
    let wal = path.with_extension("db-wal");
    if wal.metadata().is_ok_and(|wal| wal.len() > 0) {
        return false;
    }
    let mut header = [0; 32];
    let read = std::fs::File::open(path).and_then(|mut file| {
        file.read_exact(&mut header)?;
        file.metadata()
    });
    let Ok(file) = read else { return false };
    // By the file format: two bytes at 16 are the page size, 1 for 65 536; four at 28 the pages.
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let pages = u64::from(u32::from_be_bytes([header[28], header[29], header[30], header[31]]));
    file.len() < page * pages
}
