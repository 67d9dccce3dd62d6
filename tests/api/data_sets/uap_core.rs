//! Device classes against the device cases of uap-core.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use http::{HeaderMap, HeaderValue, header::USER_AGENT};
use whence::http::device;
use whence_events::DeviceClass;
use yaml_rust2::YamlLoader;

use crate::data_sets::expected;

pub(crate) struct Case {
    pub(crate) user_agent: String,
    pub(crate) family: String,
    brand: String,
    model: String,
}

/// The class of a user agent alone.
pub(crate) fn classify(user_agent: &str) -> Option<DeviceClass> {
    let value = HeaderValue::from_str(user_agent.trim()).ok()?;
    device::classify(&HeaderMap::from_iter([(USER_AGENT, value)]), None)
}

/// The packaged tests of the crate `ua-parser`, where cargo keeps its sources on this machine.
pub(crate) fn cases() -> Vec<Case> {
    let directory = crate_directory("ua-parser").expect("cargo says where its sources are");
    let file = directory.join("uap-core/tests/test_device.yaml");
    let text = fs::read_to_string(file).expect("the crate has the cases");
    let documents = YamlLoader::load_from_str(&text).expect("uap-core's cases are YAML");
    let cases = documents[0]["test_cases"].as_vec().expect("a list of cases");
    let text_of = |case: &yaml_rust2::Yaml, key: &str| case[key].as_str().unwrap_or("").to_owned();
    let read = |case: &yaml_rust2::Yaml| Case {
        user_agent: text_of(case, "user_agent_string"),
        family: text_of(case, "family"),
        brand: text_of(case, "brand"),
        model: text_of(case, "model"),
    };
    cases.iter().map(read).collect()
}

/// Asks cargo, limited to this platform: offline it would miss the crates of other platforms,
/// which were never fetched.
fn crate_directory(name: &str) -> Option<PathBuf> {
    let cargo = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .ok()?;
        output.status.success().then_some(output.stdout)
    };
    let version = String::from_utf8(cargo(&["-vV"])?).ok()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "))?;
    let metadata =
        cargo(&["metadata", "--format-version=1", "--offline", "--filter-platform", host])?;
    let metadata: serde_json::Value = serde_json::from_slice(&metadata).ok()?;
    let package =
        metadata["packages"].as_array()?.iter().find(|package| package["name"] == name)?;
    Path::new(package["manifest_path"].as_str()?).parent().map(Path::to_path_buf)
}

const COLUMNS: [Option<DeviceClass>; 6] = [
    Some(DeviceClass::Mobile),
    Some(DeviceClass::Tablet),
    Some(DeviceClass::Desktop),
    Some(DeviceClass::Tv),
    Some(DeviceClass::Other),
    None,
];

type Counts = [[usize; 6]; 6];

fn confusion_table(counts: &Counts) -> String {
    let name = |class: Option<DeviceClass>| class.map_or("-", DeviceClass::as_str);
    let mut table = format!("{:<9}", "expected");
    for column in COLUMNS {
        write!(table, "{:>8}", name(column)).expect("writes to memory");
    }
    for (row, class) in counts.iter().zip(COLUMNS) {
        write!(table, "\n{:<9}", name(class)).expect("writes to memory");
        for count in row {
            write!(table, "{count:>8}").expect("writes to memory");
        }
    }
    table
}

fn column(class: Option<DeviceClass>) -> usize {
    COLUMNS.iter().position(|other| *other == class).expect("every class has a column")
}

#[test]
fn device_classes_agree_with_uap_core() {
    let mut counts = Counts::default();
    for case in &cases() {
        let expected = expected::class(&case.family, &case.brand, &case.model);
        let actual = classify(&case.user_agent);
        counts[column(expected)][column(actual)] += 1;
        if expected.is_some() && expected != actual {
            let name = |class: Option<DeviceClass>| class.map_or("-", DeviceClass::as_str);
            let (expected, actual) = (name(expected), name(actual));
            println!("{expected} taken for {actual}: {} | {}", case.family, case.user_agent);
        }
    }
    let table = confusion_table(&counts);
    let (agreed, expected) = agreement(&counts);
    println!("{table}\n{agreed} of {expected} agree");
    insta::assert_snapshot!(table, @r"
    expected   mobile  tablet desktop      tv   other       -
    mobile      11343     125       4       4       3      11
    tablet        191    1321       1       0       0       2
    desktop         0       0       5       0       0       0
    tv              0       0       0     175       0       0
    other           0       0       3       0      91      11
    -            2007     760      13       3       3      48
    ");
    assert!(expected > 13_000, "only {expected} cases have an expectation");
    assert!(agreed * 1000 >= expected * 970, "{agreed} of {expected} agree, below 97.0 %");
}

/// How many cases got the class expected, and how many have one. The last row and column are
/// those without.
fn agreement(counts: &Counts) -> (usize, usize) {
    let expected = &counts[..COLUMNS.len() - 1];
    let agreed = expected.iter().enumerate().map(|(at, row)| row[at]).sum();
    (agreed, expected.iter().flatten().sum())
}
