//! Countries against MaxMind's test database, and against databases that broke readers.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use http::HeaderMap;
use ipnet::IpNet;
use sha2::{Digest as _, Sha256};
use whence::infra::geo::Geo;

use crate::data_sets::data;

fn country(geo: &Geo, ip: IpAddr) -> Option<String> {
    geo.country(&HeaderMap::new(), None, Some(ip)).map(|country| country.as_str().to_owned())
}

/// The networks of the JSON that the test database was made from, with their country.
fn networks(json: &Path) -> Vec<(IpNet, Option<String>)> {
    let text = fs::read_to_string(json).expect("the source of the database");
    let entries: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(&text).expect("a list of networks");
    entries
        .iter()
        .flatten()
        .map(|(network, record)| {
            let code = record["country"]["iso_code"].as_str();
            (network.parse().expect("a network"), code.map(str::to_owned))
        })
        .collect()
}

#[test]
fn all_networks_of_the_maxmind_test_database_are_right() {
    let folder = data("maxmind");
    let geo = Geo::open(folder.join("GeoLite2-Country-Test.mmdb")).expect("a sound database");
    let networks = networks(&folder.join("GeoLite2-Country-Test.json"));
    for (network, expected) in &networks {
        for ip in [network.network(), network.broadcast()] {
            assert_eq!(country(&geo, ip), *expected, "{ip} of {network}");
            if let IpAddr::V4(ip) = ip {
                let mapped = IpAddr::V6(ip.to_ipv6_mapped());
                assert_eq!(country(&geo, mapped), *expected, "{mapped} of {network}");
            }
        }
    }
    println!("{} networks", networks.len());
    assert!(networks.len() > 200, "only {} networks were read", networks.len());
}

#[test]
fn the_database_is_as_maxmind_made_it() {
    let ours = fs::read(data("maxmind").join("GeoLite2-Country-Test.mmdb")).expect("ours");
    let theirs = "6996ce679243c7f719b901ebe3b490048af2fb5965163f083857533841154fd8";
    let mut hash = String::new();
    for byte in Sha256::digest(ours) {
        write!(hash, "{byte:02x}").expect("writes to memory");
    }
    assert_eq!(hash, theirs);
}

fn databases_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(databases_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "mmdb") {
            found.push(path);
        }
    }
    found
}

/// Addresses spread over both families, the same on every run.
fn addresses() -> impl Iterator<Item = IpAddr> {
    (0..2_000_u32).flat_map(|step| {
        let spread = step.wrapping_mul(2_654_435_761);
        let wide = u128::from(spread) << 96 | u128::from(step.reverse_bits()) << 32;
        [
            IpAddr::V4(Ipv4Addr::from_bits(spread)),
            IpAddr::V6(Ipv6Addr::from_bits(wide)),
            IpAddr::V6(Ipv6Addr::from_bits(u128::from(spread))),
        ]
    })
}

#[test]
fn corrupt_databases_are_survived() {
    let databases = databases_below(&data("maxmind/bad-data"));
    assert!(databases.len() > 20, "only {} databases were found", databases.len());
    for path in databases {
        let name = path.file_name().expect("a name").display();
        let started = Instant::now();
        match Geo::open(&path) {
            Ok(geo) => {
                let known = addresses().filter(|ip| country(&geo, *ip).is_some()).count();
                println!("{name}: opened, {known} of 6000 addresses have a country");
            }
            Err(error) => {
                println!("{name}: {error}");
                assert!(!error.to_string().contains('\n'), "one sentence");
            }
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{name} takes too long");
    }
}
