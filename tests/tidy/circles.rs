//! No files import each other in a circle.

use std::collections::BTreeSet;

use whence_tidy::CRATES;
use whence_tidy::graph::{Graph, Import, is_parent};
use whence_tidy::source::none;

/// Files that their own children import, each with the reason. Such an import makes a circle with the
/// parent's `mod` and `use` lines, which is how Rust spells "this belongs to that".
const NAMED_BY_THEIR_CHILDREN: &[(&str, &str)] = &[
    ("events/src/lib.rs", "the list of all names, by which the macro of the families finds them"),
    ("src/app.rs", "its children are parts of `impl App`"),
    ("src/app/erasure.rs", "the erasure of a user, which that by address ends in"),
    ("src/cli/flags.rs", "`ServeArgs`, of which `environment.rs` makes settings"),
    ("src/domain/touch.rs", "the types of a touch, whose page and referrer the children read"),
    ("src/domain/user.rs", "the user, of whose decisions the children are parts"),
    ("src/engine/rebuild.rs", "its error"),
    ("src/http/landing.rs", "`Landing`, which each way in hands a page to"),
    ("src/infra/postgres.rs", "its error, and the URL that a pooler is looked for at"),
    ("src/store.rs", "the contract, which every store implements"),
    ("src/store/kurrent.rs", "the store, whose parts the children are"),
    ("src/store/postgres.rs", "the store, whose parts the children are"),
    ("src/store/postgres/write.rs", "the writer, whose connection the child is"),
];

fn shown((from, to): &Import) -> String {
    format!("{from} -> {to}")
}

#[test]
fn files_import_each_other_in_no_circle() {
    let mut found = Vec::new();
    for (root, without) in CRATES {
        let graph = Graph::read(root, without);
        // A crate of one file has no imports.
        let is_one_file = *root == "src/infra/nodelay/lib.rs";
        let sees = graph.pairs().count() > 3 || is_one_file;
        assert!(sees, "this test looks for the wrong thing in {root}");
        found.extend(graph.without_parents().on_a_circle().iter().map(shown));
    }
    none(&found, "these imports are on a circle");
}

#[test]
fn parents_that_their_children_import_are_known() {
    let mut found = BTreeSet::new();
    for (root, without) in CRATES {
        let circles = Graph::read(root, without).on_a_circle();
        let parents = circles.into_iter().filter(|(from, to)| is_parent(to, from));
        found.extend(parents.map(|(_, to)| to));
    }
    let known: BTreeSet<_> =
        NAMED_BY_THEIR_CHILDREN.iter().map(|(parent, _)| (*parent).to_owned()).collect();
    assert_eq!(found, known, "NAMED_BY_THEIR_CHILDREN lists what is found");
}
