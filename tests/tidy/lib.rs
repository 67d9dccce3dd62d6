//! What checks of the source stand on: the files of the repository, and their imports.
#![expect(clippy::unwrap_used, reason = "a check that cannot go on fails")]

pub mod graph;
pub mod source;

/// The floors of `src`, the ground first. A module uses those below it, and modules of one floor do not
/// know each other.
pub const FLOORS: &[&[&str]] =
    &[&["domain", "infra"], &["store"], &["engine"], &["app", "insight"], &["http"], &["cli"]];

/// The floors of the whole repository: those of `src`, the crates below them and what drives them.
pub const HOUSE: &[&[&str]] = &[
    &["events"],
    &["domain", "infra", "projections"],
    &["store"],
    &["engine"],
    &["app", "insight"],
    &["http"],
    &["cli"],
    &["scripts"],
];

/// The root file of each crate, and the folders of other crates in its own.
pub const CRATES: &[(&str, &[&str])] = &[
    ("events/src/lib.rs", &[]),
    ("src/domain/lib.rs", &[]),
    ("projections/src/lib.rs", &[]),
    ("src/infra/nodelay/lib.rs", &[]),
    ("src/lib.rs", &["src/domain/", "src/infra/nodelay/"]),
    ("scripts/bench/src/main.rs", &[]),
];

/// Returns the room that a file is in; `src/lib.rs` and `src/main.rs` are in none, and neither are tests.
#[must_use]
pub fn room(path: &str) -> Option<&'static str> {
    let name = path.strip_prefix("src/").unwrap_or(path).split(['/', '.']).next()?;
    HOUSE.iter().copied().flatten().copied().find(|room| *room == name)
}
