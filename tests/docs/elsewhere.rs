//! The commands of the documents that these tests cannot run, and what runs them instead.

use std::path::Path;

use crate::markdown::ROOT;

/// A block that is run elsewhere.
pub(crate) struct Elsewhere {
    pub(crate) document: &'static str,
    /// The first line of the block.
    pub(crate) first: &'static str,
    by: By,
}

/// What runs it.
enum By {
    /// The tests of these names: they need a server, or are about the very same.
    Tests(&'static [&'static str]),
    /// A script with this in it.
    Script(&'static str, &'static str),
    /// Nothing: cargo is not run from a test. Its packages, targets and tests are there.
    Cargo,
}

const fn listed(document: &'static str, first: &'static str, by: By) -> Elsewhere {
    Elsewhere { document, first, by }
}

pub(crate) const ELSEWHERE: &[Elsewhere] = &[
    listed("README.md", "scripts/check", By::Script(".ci/run", "scripts/check")),
    listed(
        "CONTRIBUTING.md",
        "scripts/check    # everything that has to hold before a change goes in; CI runs exactly this",
        By::Script(".ci/run", "scripts/check"),
    ),
    listed(
        "docs/speed.md",
        "scripts/bench/run --store sqlite,postgres,kurrentdb-double",
        By::Tests(&["other_stores_are_measured_next_to_the_files"]),
    ),
    listed(
        "docs/operating.md",
        "export WHENCE_MASTER_KEY=... WHENCE_STORE='postgres://whence:...@db1,db2/whence?target_session_attrs=read-write'",
        By::Tests(&[
            "a_standby_takes_over_under_load",
            "a_logout_on_one_node_is_a_401_on_the_other",
        ]),
    ),
    listed(
        "docs/operating.md",
        "sqlite3 whence-data/log.db \"VACUUM INTO 'copy.db'\"",
        By::Tests(&["a_log_in_use_can_be_backed_up"]),
    ),
    listed(
        "docs/operating.md",
        "whence copy --from sqlite:./whence-data --to postgres://whence@db.example.com/whence",
        By::Tests(&["a_round_trip_over_postgres_gives_the_same_bytes"]),
    ),
    listed("CONTRIBUTING.md", "cargo test -p whence-events -p whence-domain", By::Cargo),
    listed("CONTRIBUTING.md", "cargo test -p whence-projections", By::Cargo),
    listed("CONTRIBUTING.md", "WHENCE_UPDATE_DOCS=1 cargo test --test docs", By::Cargo),
];

impl Elsewhere {
    /// Insists on the tests and scripts being there.
    #[track_caller]
    pub(crate) fn check(&self, lines: &[String]) {
        match &self.by {
            By::Cargo => lines.iter().for_each(|line| check_cargo(line)),
            By::Tests(names) => {
                for name in *names {
                    assert!(is_a_test(name), "{:?}: there is no test {name}", self.first);
                }
            }
            By::Script(path, words) => {
                let script = std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
                assert!(script.contains(words), "{path} does not run {words}");
            }
        }
    }
}

fn is_a_test(name: &str) -> bool {
    ["tests", "src", "events", "projections", "scripts/bench"]
        .iter()
        .any(|directory| holds(&Path::new(ROOT).join(directory), &format!("fn {name}(")))
}

/// Insists on the packages, the target and the test that a `cargo test` names.
#[track_caller]
fn check_cargo(line: &str) {
    let (_, arguments) = line.split_once("cargo test ").expect("only cargo test");
    let mut words = arguments.split(' ');
    while let Some(word) = words.next() {
        match word {
            "-p" => {
                let package = words.next().unwrap();
                assert!(is_a_package(package), "{line}: there is no package {package}");
            }
            "--test" => {
                let target = Path::new(ROOT).join("tests").join(words.next().unwrap());
                assert!(target.join("main.rs").exists(), "{line}: there is no such target");
            }
            filter => {
                let tests = Path::new(ROOT).join("tests");
                assert!(holds(&tests, &format!("fn {filter}")), "{line}: there is no such test");
            }
        }
    }
}

fn is_a_package(name: &str) -> bool {
    let manifests = ["events", "projections", "src/domain", "tests/tidy"];
    let manifests = manifests.map(|path| Path::new(ROOT).join(path).join("Cargo.toml"));
    let name = format!("name = \"{name}\"");
    manifests
        .iter()
        .any(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(&name)))
}

/// Whether a Rust file below a directory has these words.
pub(crate) fn holds(directory: &Path, words: &str) -> bool {
    directory.read_dir().unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return path.file_name().is_some_and(|name| name != "target") && holds(&path, words);
        }
        path.extension().is_some_and(|extension| extension == "rs")
            && std::fs::read_to_string(&path).unwrap().contains(words)
    })
}
