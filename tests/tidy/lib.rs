//! What checks of the source stand on: the files of the repository, and their imports.
#![expect(clippy::unwrap_used, reason = "a check that cannot go on fails")]

pub mod graph;
pub mod source;

/// The floors of `src`, the ground first. A module uses those below it, and modules of one floor do not
/// know each other.
pub const FLOORS: &[&[&str]] =
    &[&["domain", "infra"], &["store"], &["engine"], &["app", "insight"], &["http"], &["cli"]];

/// Returns the room that a file of `src` is in; the files at the top are in none.
#[must_use]
pub fn room(path: &str) -> Option<&str> {
    let name = path.strip_prefix("src/")?.split(['/', '.']).next()?;
    FLOORS.iter().any(|floor| floor.contains(&name)).then_some(name)
}
