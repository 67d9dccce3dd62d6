//! The country of a request: from a header of the proxy in front of the service, or from an mmdb file.

mod database;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use whence_events::Country;

use self::database::{Database, country_in};
pub use self::database::{GeoError, Reread};

/// Looks up countries. Cheap to clone: the database is shared.
#[derive(Clone, Debug, Default)]
pub struct Geo {
    database: Option<Arc<Database>>,
}

impl Geo {
    /// Returns a lookup without a database, which knows only what a trusted proxy sends.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads an mmdb file into memory.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, GeoError> {
        Ok(Self { database: Some(Arc::new(Database::open(path.as_ref())?)) })
    }

    #[cfg(test)]
    fn from_bytes(bytes: Vec<u8>) -> Result<Self, maxminddb::MaxMindDbError> {
        Ok(Self { database: Some(Arc::new(Database::from_bytes(bytes)?)) })
    }

    /// Returns whether there is a database.
    #[must_use]
    pub fn has_database(&self) -> bool {
        self.database.is_some()
    }

    /// Reads the file again when it is another one than the one that was read last, or `anyway`. All
    /// clones have the new database from then on. One that cannot be used changes nothing.
    #[must_use]
    pub fn reread(&self, anyway: bool) -> Reread {
        self.database.as_ref().map_or(Reread::Unchanged, |database| database.reread(anyway))
    }

    /// Returns whether the file was replaced by one that cannot be used.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        self.database.as_ref().is_some_and(|database| database.is_unusable())
    }

    /// Returns the country of a request. `header` is the one that a trusted proxy overwrites; without
    /// it no header counts, because any client can send one. `ip` is the client's address as far as it
    /// is known.
    ///
    /// Codes for an unknown country (`XX`, `ZZ`, Tor's `T1`) are no answer, nor is a header that is
    /// there twice: the database is asked.
    #[must_use]
    pub fn country(
        &self,
        headers: &HeaderMap,
        header: Option<&HeaderName>,
        ip: Option<IpAddr>,
    ) -> Option<Country> {
        header.and_then(|name| said(headers, name)).or_else(|| self.look_up(ip?))
    }

    /// Returns the country of an address out of the database. The search takes at most 128 steps,
    /// and maxminddb bounds depth, values and bytes of a decode, so a damaged database causes no
    /// more than an error, which counts as no country.
    fn look_up(&self, ip: IpAddr) -> Option<Country> {
        // A dual-stack listener sees IPv4 peers as ::ffff:a.b.c.d, which an IPv4-only database
        // refuses.
        let database = self.database.as_ref()?.current();
        let record = database.lookup(ip.to_canonical()).ok()?;
        country_in(&record).ok().flatten()
    }
}

/// Returns the country in a header of which there is one line.
fn said(headers: &HeaderMap, name: &HeaderName) -> Option<Country> {
    let mut lines = headers.get_all(name).iter();
    let (line, None) = (lines.next()?, lines.next()) else { return None };
    Country::parse(line.to_str().ok()?.trim())
}

#[cfg(test)]
mod rereading;
#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const TEST_DATABASE: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/maxmind/GeoLite2-Country-Test.mmdb");

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| {
                (name.parse().expect("a header name"), HeaderValue::from_static(value))
            })
            .collect()
    }

    fn text(country: Option<Country>) -> Option<String> {
        country.map(|country| country.as_str().to_owned())
    }

    #[track_caller]
    fn looked_up(ip: &str) -> Option<String> {
        let geo = Geo::open(TEST_DATABASE).expect("the test database");
        text(geo.country(&HeaderMap::new(), None, Some(ip.parse().expect("an address"))))
    }

    #[test]
    fn an_address_has_the_country_of_its_network() {
        assert_eq!(looked_up("2.125.160.216").as_deref(), Some("GB"));
        assert_eq!(looked_up("2001:218::1").as_deref(), Some("JP"));
        assert_eq!(looked_up("127.0.0.1"), None);
        assert_eq!(looked_up("::1"), None);
    }

    #[test]
    fn an_ipv4_mapped_address_is_its_ipv4_address() {
        assert_eq!(looked_up("::ffff:2.125.160.216").as_deref(), Some("GB"));
        assert_eq!(looked_up("::ffff:127.0.0.1"), None);
    }

    const NAME: HeaderName = HeaderName::from_static("cf-ipcountry");

    #[test]
    fn the_header_that_is_named_comes_before_the_database() {
        let geo = Geo::open(TEST_DATABASE).expect("the test database");
        let ip = Some(IpAddr::from([2, 125, 160, 216]));
        let said = headers(&[("cf-ipcountry", "ch"), ("x-vercel-ip-country", "fr")]);
        assert_eq!(text(geo.country(&said, Some(&NAME), ip)).as_deref(), Some("CH"));
        assert_eq!(text(geo.country(&said, None, ip)).as_deref(), Some("GB"));
        assert_eq!(Geo::none().country(&said, None, None), None);
    }

    #[test]
    fn a_proxy_that_does_not_know_is_no_answer() {
        let geo = Geo::open(TEST_DATABASE).expect("the test database");
        let ip = Some(IpAddr::from([2, 125, 160, 216]));
        for nothing in ["XX", "xx", "ZZ", "T1", "", " ", "GBR", "G", "CH, FR", "\u{7f}"] {
            let mut said = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(nothing.as_bytes()) {
                said.insert(NAME, value);
            }
            assert_eq!(Geo::none().country(&said, Some(&NAME), None), None, "{nothing:?}");
            assert_eq!(
                text(geo.country(&said, Some(&NAME), ip)).as_deref(),
                Some("GB"),
                "{nothing:?}"
            );
        }
    }

    #[test]
    fn of_a_header_that_is_there_twice_nothing_counts() {
        let mut said = headers(&[("cf-ipcountry", "CH")]);
        said.append(NAME, HeaderValue::from_static("FR"));
        assert_eq!(Geo::none().country(&said, Some(&NAME), None), None);
    }

    #[test]
    fn an_error_is_one_sentence_with_the_path() {
        let missing = Geo::open("no/such.mmdb").expect_err("no such file");
        assert!(matches!(missing, GeoError::Unreadable { .. }));
        assert!(missing.to_string().contains("no/such.mmdb cannot be read"));

        let wrong = Geo::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
            .expect_err("not a database");
        assert!(matches!(wrong, GeoError::Invalid { .. }));
        assert!(!wrong.to_string().contains('\n'));
    }

    #[test]
    fn an_endless_file_is_refused() {
        let endless = Path::new("/dev/zero");
        if endless.exists() {
            assert!(matches!(Geo::open(endless), Err(GeoError::TooLarge { .. })));
        }
    }

    /// A database of one node: every IPv4 address has this record.
    fn one_record(record: &[u8]) -> Geo {
        let tree = [0, 0, 17, 0, 0, 17];
        let metadata = [
            &b"\xab\xcd\xefMaxMind.com\xe9"[..],
            b"\x5bbinary_format_major_version\xa1\x02",
            b"\x5bbinary_format_minor_version\xa0",
            b"\x4bbuild_epoch\x01\x02\x01",
            b"\x4ddatabase_type\x44Flat",
            b"\x4bdescription\xe0",
            b"\x4aip_version\xa1\x04",
            b"\x49languages\x00\x04",
            b"\x4anode_count\xc1\x01",
            b"\x4brecord_size\xa1\x18",
        ];
        let bytes = [&tree, &[0; 16][..], record, &metadata.concat()].concat();
        Geo::from_bytes(bytes).expect("a sound database")
    }

    #[test]
    fn a_flat_record_is_read_too() {
        let ask = |geo: &Geo| text(geo.look_up(IpAddr::from([198, 51, 100, 7])));
        let flat = one_record(b"\xe1\x4ccountry_code\x42NO");
        assert_eq!(ask(&flat).as_deref(), Some("NO"));
        // IPinfo writes the name where MaxMind has a map.
        let named = one_record(b"\xe2\x47country\x46Norway\x4ccountry_code\x42NO");
        assert_eq!(ask(&named).as_deref(), Some("NO"));
        assert_eq!(ask(&one_record(b"\xe1\x4ccountry_code\x42XX")), None);
        assert_eq!(ask(&one_record(b"\xe0")), None);
    }

    #[test]
    fn an_ipv6_address_in_an_ipv4_database_has_no_country() {
        let geo = one_record(b"\xe1\x4ccountry_code\x42NO");
        let ask = |ip: &str| text(geo.look_up(ip.parse().expect("an address")));
        assert_eq!(ask("2001:db8::1"), None);
        assert_eq!(ask("::ffff:198.51.100.7").as_deref(), Some("NO"));
    }

    proptest! {
        /// Neither opening nor asking panics, whatever the disk did to the file.
        #[test]
        fn a_damaged_database_is_an_error_or_no_country(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
            kept in any::<prop::sample::Index>(),
            cut in any::<bool>(),
            ips in prop::collection::vec(any::<IpAddr>(), 20),
        ) {
            let mut bytes = std::fs::read(TEST_DATABASE).expect("the test database");
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if cut {
                bytes.truncate(kept.index(bytes.len()));
            }
            if let Ok(geo) = Geo::from_bytes(bytes) {
                for ip in ips {
                    geo.look_up(ip);
                }
            }
        }
    }
}
