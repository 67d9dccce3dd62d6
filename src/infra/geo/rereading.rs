//! A country database follows its file.

use std::fs;
use std::net::IpAddr;

use tempfile::TempDir;

use super::{Geo, Reread};

const SOUND: &[u8] = include_bytes!("../../../tests/data/maxmind/GeoLite2-Country-Test.mmdb");

/// A database in a directory of its own, and a service's view of it.
struct Installed {
    directory: TempDir,
    geo: Geo,
}

impl Installed {
    fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        fs::write(directory.path().join("geo.mmdb"), SOUND).expect("written");
        let geo = Geo::open(directory.path().join("geo.mmdb")).expect("a sound database");
        Self { directory, geo }
    }

    /// Puts a file in the place of the database at once, as updaters do.
    fn replace(&self, bytes: &[u8]) {
        let new = self.directory.path().join("new");
        fs::write(&new, bytes).expect("written");
        fs::rename(new, self.directory.path().join("geo.mmdb")).expect("renamed");
    }

    fn british(&self) -> Option<String> {
        let country = self.geo.look_up(IpAddr::from([2, 125, 160, 216]));
        country.map(|country| country.as_str().to_owned())
    }

    #[track_caller]
    fn keeps(&self, why: &str) {
        let before = self.british();
        let Reread::Kept(error) = self.geo.reread(false) else { panic!("it was taken: {why}") };
        assert!(error.to_string().contains(why), "{error}");
        assert!(self.geo.is_outdated());
        assert_eq!(self.british(), before);
        assert!(matches!(self.geo.reread(false), Reread::Unchanged), "it is said once");
        assert!(self.geo.is_outdated(), "it is still so");
    }
}

/// The database with another country in the place of Great Britain.
fn moved(country: [u8; 2]) -> Vec<u8> {
    let mut bytes = SOUND.to_vec();
    for at in 0..bytes.len() - 3 {
        if &bytes[at..at + 3] == b"\x42GB" {
            bytes[at + 1..at + 3].copy_from_slice(&country);
        }
    }
    bytes
}

#[test]
fn a_new_file_is_taken_once() {
    let installed = Installed::new();
    let clone = installed.geo.clone();
    assert!(matches!(installed.geo.reread(false), Reread::Unchanged));
    installed.replace(&moved(*b"NZ"));
    assert_eq!(installed.british().as_deref(), Some("GB"), "nothing was read yet");
    assert!(matches!(clone.reread(false), Reread::Replaced));
    assert_eq!(installed.british().as_deref(), Some("NZ"), "clones share it");
    assert!(matches!(installed.geo.reread(false), Reread::Unchanged));
    assert!(matches!(installed.geo.reread(true), Reread::Replaced), "asked for, it is read anyway");
}

#[test]
fn a_file_that_is_written_over_in_its_place_is_taken_too() {
    let installed = Installed::new();
    fs::write(installed.directory.path().join("geo.mmdb"), moved(*b"AU")).expect("written");
    assert!(matches!(installed.geo.reread(false), Reread::Replaced));
    assert_eq!(installed.british().as_deref(), Some("AU"));
}

#[test]
fn an_unusable_file_leaves_the_database_before_it() {
    let installed = Installed::new();
    installed.replace(b"");
    installed.keeps("not a usable mmdb file");
    installed.replace(&SOUND[..SOUND.len() / 2]);
    installed.keeps("not a usable mmdb file");
    installed.replace(b"<html>Too many requests</html>");
    installed.keeps("not a usable mmdb file");
    // A tree of zeros: each address is where the search began.
    let tree_end = 1000;
    installed.replace(&[&vec![0; tree_end][..], &SOUND[tree_end..]].concat());
    installed.keeps("not a usable mmdb file");
    fs::remove_file(installed.directory.path().join("geo.mmdb")).expect("removed");
    installed.keeps("cannot be read");
    fs::create_dir(installed.directory.path().join("geo.mmdb")).expect("made");
    installed.keeps("it is not a file");
    fs::remove_dir(installed.directory.path().join("geo.mmdb")).expect("removed");
    installed.replace(&moved(*b"NZ"));
    assert!(matches!(installed.geo.reread(false), Reread::Replaced));
    assert_eq!(installed.british().as_deref(), Some("NZ"));
    assert!(!installed.geo.is_outdated());
}

#[test]
fn a_database_of_something_else_is_not_taken() {
    let installed = Installed::new();
    let mut other = SOUND.to_vec();
    for at in 0..other.len() - 9 {
        if &other[at..at + 9] == b"\x48iso_code" {
            other[at + 1..at + 9].copy_from_slice(b"asn_code");
        }
    }
    installed.replace(&other);
    installed.keeps("has no country in it");
}

#[test]
fn without_a_database_there_is_nothing_to_read() {
    assert!(matches!(Geo::none().reread(true), Reread::Unchanged));
    assert!(!Geo::none().is_outdated());
}
