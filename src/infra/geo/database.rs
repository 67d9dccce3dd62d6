//! A country database in memory, which follows its file.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use maxminddb::{LookupResult, MaxMindDbError, PathElement, Reader, WithinOptions};
use whence_events::Country;

/// The paths to the code in a record: as MaxMind and DB-IP lay it out, and flat as IPinfo does.
const LAYOUTS: [&[PathElement<'static>]; 2] = [
    &[PathElement::Key("country"), PathElement::Key("iso_code")],
    &[PathElement::Key("country_code")],
];

/// The largest file that is read, in bytes. Country databases are 5 to 40 MB. The file is held in
/// memory, so a wrong path (a device, a disk image) must not be read to its end.
const DATABASE_MAX_BYTES: u64 = 128 * 1024 * 1024;

/// What is searched: replaced as a whole, so a request sees one database or the other.
type Current = Arc<Reader<Vec<u8>>>;

/// A database, and what was last seen of its file.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    current: RwLock<Current>,
    /// The file that was last read, usable or not; `None` when there was none to read.
    seen: Mutex<Option<Stamp>>,
    /// Whether that file could not take the place of the one before it.
    unusable: AtomicBool,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self {
            file: (file.dev(), file.ino()),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// The file is missing or could not be read.
    #[error("the country database {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The path as it was given.
        path: PathBuf,
        /// What the operating system reported.
        source: io::Error,
    },
    /// The file is larger than any country database.
    #[error(
        "the country database {} is larger than {} MiB",
        path.display(),
        DATABASE_MAX_BYTES / (1024 * 1024)
    )]
    TooLarge {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The file is no mmdb, or a damaged one.
    #[error("the country database {} is not a usable mmdb file: {source}", path.display())]
    Invalid {
        /// The path as it was given.
        path: PathBuf,
        /// What is wrong with it.
        source: MaxMindDbError,
    },
    /// The file is a database of something else.
    #[error("the country database {} has no country in it", path.display())]
    NoCountry {
        /// The path as it was given.
        path: PathBuf,
    },
}

/// What became of an attempt to read a database again.
#[derive(Debug)]
pub enum Reread {
    /// The file is the one that was read last, or is being written.
    Unchanged,
    /// The new file is in use.
    Replaced,
    /// The new file is unusable, and the database before it stays in use.
    Kept(GeoError),
}

impl Database {
    pub(super) fn open(path: &Path) -> Result<Self, GeoError> {
        let (bytes, stamp) = read(path)?;
        let reader = Reader::from_source(bytes)
            .map_err(|source| GeoError::Invalid { path: path.into(), source })?;
        Ok(Self { path: path.into(), ..Self::new(reader, stamp) })
    }

    fn new(reader: Reader<Vec<u8>>, stamp: Option<Stamp>) -> Self {
        let current = RwLock::new(Arc::new(reader));
        let unusable = AtomicBool::new(false);
        Self { path: PathBuf::new(), current, seen: Mutex::new(stamp), unusable }
    }

    /// Returns a database that no file has.
    #[cfg(test)]
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Result<Self, MaxMindDbError> {
        Ok(Self::new(Reader::from_source(bytes)?, None))
    }

    /// Returns the database that is in use now.
    pub(super) fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_unusable(&self) -> bool {
        self.unusable.load(Ordering::Relaxed)
    }

    /// Reads the file when it is another one than the one that was read last, or `anyway`.
    pub(super) fn reread(&self, anyway: bool) -> Reread {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let there = fs::metadata(&self.path);
        let stamp = there.as_ref().ok().map(Stamp::of);
        if stamp == *seen && !anyway {
            return Reread::Unchanged;
        }
        match there
            .map_err(|source| self.unreadable(source))
            .and_then(|file| self.replacement(&file))
        {
            // It is being written: the next look finds it changed again.
            Ok((_, None)) => Reread::Unchanged,
            Ok((reader, read @ Some(_))) => {
                *seen = read;
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(reader);
                self.unusable.store(false, Ordering::Relaxed);
                Reread::Replaced
            }
            Err(error) => {
                *seen = stamp;
                self.unusable.store(true, Ordering::Relaxed);
                Reread::Kept(error)
            }
        }
    }

    fn unreadable(&self, source: io::Error) -> GeoError {
        GeoError::Unreadable { path: self.path.clone(), source }
    }

    /// Returns the database in the file: a whole one with countries in it, for it takes the place of one
    /// that works.
    fn replacement(&self, file: &Metadata) -> Result<(Reader<Vec<u8>>, Option<Stamp>), GeoError> {
        if !file.is_file() {
            // Opening a pipe waits for its other end.
            return Err(self.unreadable(io::Error::other("it is not a file")));
        }
        let (bytes, stamp) = read(&self.path)?;
        let invalid = |source| GeoError::Invalid { path: self.path.clone(), source };
        let reader = Reader::from_source(bytes).map_err(invalid)?;
        if has_countries(&reader).map_err(invalid)? {
            Ok((reader, stamp))
        } else {
            Err(GeoError::NoCountry { path: self.path.clone() })
        }
    }
}

/// Returns whether a database knows a country, after having walked through all of it.
fn has_countries(reader: &Reader<Vec<u8>>) -> Result<bool, MaxMindDbError> {
    // A damaged tree may have a cycle; a sound one has at most two networks a node.
    let nodes = usize::try_from(reader.metadata().node_count).unwrap_or(usize::MAX);
    let networks = reader.networks(WithinOptions::default())?.take(nodes.saturating_mul(3));
    let mut found = false;
    for network in networks {
        match country_in(&network?) {
            Ok(country) => found |= country.is_some(),
            Err(error @ MaxMindDbError::InvalidDatabase { .. }) => return Err(error),
            // Another type than that of a country's code is a layout that is not read.
            Err(_) => {}
        }
    }
    Ok(found)
}

/// Returns the country of a record, in the first layout that has one; the error when there is none and a
/// layout could not be read.
pub(super) fn country_in<S: AsRef<[u8]>>(
    record: &LookupResult<'_, S>,
) -> Result<Option<Country>, MaxMindDbError> {
    let mut damage = None;
    for path in LAYOUTS {
        match record.decode_path::<&str>(path) {
            Ok(code) => {
                if let Some(country) = code.and_then(Country::parse) {
                    return Ok(Some(country));
                }
            }
            Err(error) => damage = Some(error),
        }
    }
    damage.map_or(Ok(None), Err)
}

/// Returns the content of a file, and its stamp unless it changed while it was read.
fn read(path: &Path) -> Result<(Vec<u8>, Option<Stamp>), GeoError> {
    let unreadable = |source| GeoError::Unreadable { path: path.into(), source };
    let read = || -> io::Result<_> {
        let mut file = File::open(path)?;
        let before = Stamp::of(&file.metadata()?);
        let mut bytes = Vec::new();
        (&mut file).take(DATABASE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
        let after = Stamp::of(&file.metadata()?);
        Ok((bytes, Some(before).filter(|before| *before == after)))
    };
    let (mut bytes, stamp) = read().map_err(unreadable)?;
    if bytes.len() as u64 > DATABASE_MAX_BYTES {
        return Err(GeoError::TooLarge { path: path.into() });
    }
    bytes.shrink_to_fit();
    Ok((bytes, stamp))
}
