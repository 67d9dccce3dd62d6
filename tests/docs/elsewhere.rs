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
}

const fn listed(document: &'static str, first: &'static str, by: By) -> Elsewhere {
    Elsewhere { document, first, by }
}

pub(crate) const ELSEWHERE: &[Elsewhere] = &[
    listed("README.md", "scripts/check", By::Script(".ci/run", "scripts/check")),
    listed(
        "docs/operating.md",
        "export WHENCE_MASTER_KEY=... WHENCE_STORE='postgres://whence:...@db1,db2/whence?target_session_attrs=read-write'",
        By::Tests(&["a_standby_takes_over_under_load", "a_logout_on_one_node_is_a_401_on_the_other"]),
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
];

impl Elsewhere {
    /// Insists on the tests and scripts being there.
    #[track_caller]
    pub(crate) fn check(&self) {
        match &self.by {
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

/// Whether a Rust file below a directory has these words.
fn holds(directory: &Path, words: &str) -> bool {
    directory.read_dir().unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return path.file_name().is_some_and(|name| name != "target") && holds(&path, words);
        }
        path.extension().is_some_and(|extension| extension == "rs")
            && std::fs::read_to_string(&path).unwrap().contains(words)
    })
}
