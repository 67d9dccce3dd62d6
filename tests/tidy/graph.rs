//! The import graph of a crate: which of its files names which other one.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, rust};

/// The files of one crate and their imports, by paths from the root of the repository.
pub struct Graph {
    /// For each file, the files that it names.
    pub imports: BTreeMap<String, BTreeSet<String>>,
}

/// An import: the file that names, and the file that is named.
pub type Import = (String, String);

impl Graph {
    /// Reads the crate whose root file is `src/lib.rs`, say, without the folders of other crates in it.
    #[must_use]
    pub fn read(root: &str, without: &[&str]) -> Self {
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut files = rust(folder);
        files.retain(|file| {
            let foreign = without.iter().any(|other| file.path.starts_with(other));
            !foreign && !file.is_test() && file.path != "src/main.rs"
        });
        let mut modules: BTreeMap<Vec<String>, String> = files
            .iter()
            .map(|file| (module(&file.path, root, folder), file.path.clone()))
            .collect();
        // The crate in a folder of this one is a module by its re-export.
        for other in without {
            let name = module(other.trim_end_matches('/'), root, folder);
            modules.insert(name, format!("{other}lib.rs"));
        }
        let imports = files.iter().map(|file| {
            let here = module(&file.path, root, folder);
            let mut named = BTreeSet::new();
            for path in paths(file, &here, &modules) {
                let file_of = (1..=path.len()).rev().find_map(|n| modules.get(&path[..n]));
                named.extend(file_of.filter(|other| **other != file.path).cloned());
            }
            (file.path.clone(), named)
        });
        Self { imports: imports.collect() }
    }

    /// Returns the imports as pairs.
    pub fn pairs(&self) -> impl Iterator<Item = Import> {
        self.imports
            .iter()
            .flat_map(|(from, to)| to.iter().map(move |to| (from.clone(), to.clone())))
    }

    /// Returns the graph without the imports of a parent by its child: `foo/bar.rs` may name what `foo.rs`
    /// defines for it, while `foo.rs` has to name its children.
    #[must_use]
    pub fn without_parents(&self) -> Self {
        let mut imports = self.imports.clone();
        for (from, to) in &mut imports {
            to.retain(|to| !is_parent(to, from));
        }
        Self { imports }
    }

    /// Returns the imports that lie on a circle.
    #[must_use]
    pub fn on_a_circle(&self) -> Vec<Import> {
        let reach: BTreeMap<&String, BTreeSet<String>> =
            self.imports.keys().map(|from| (from, self.reached_from(from))).collect();
        let back = |(from, to): &Import| reach.get(to).is_some_and(|there| there.contains(from));
        self.pairs().filter(back).collect()
    }

    fn reached_from(&self, start: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![start.to_owned()];
        while let Some(file) = waiting.pop() {
            for next in self.imports.get(&file).into_iter().flatten() {
                if reached.insert(next.clone()) {
                    waiting.push(next.clone());
                }
            }
        }
        reached
    }
}

/// Returns whether one file is `foo.rs` and the other below `foo/`: a child may name what its parent defines.
#[must_use]
pub fn is_parent(parent: &str, child: &str) -> bool {
    let folder = parent.strip_suffix("/lib.rs").or_else(|| parent.strip_suffix(".rs"));
    folder.is_some_and(|folder| child.starts_with(&format!("{folder}/")))
}

/// The module that a file is; the root is the empty path.
fn module(path: &str, root: &str, folder: &str) -> Vec<String> {
    if path == root {
        return vec!["crate".to_owned()];
    }
    let inside = path.trim_start_matches(folder).trim_start_matches('/').trim_end_matches(".rs");
    std::iter::once("crate").chain(inside.split('/')).map(str::to_owned).collect()
}

/// The paths that a file names, made absolute: those of `use` with their groups, and those in its code.
fn paths(
    file: &Source,
    here: &[String],
    modules: &BTreeMap<Vec<String>, String>,
) -> Vec<Vec<String>> {
    let code: Vec<_> = file.code().map(|(_, line)| line).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for statement in code.split(';') {
        let start = statement.rfind("use ").filter(|at| {
            let before = statement[..*at].trim_end();
            before.is_empty() || before.ends_with(['}', ')', ']', '\n']) || before.ends_with("pub")
        });
        if let Some(start) = start {
            expand(&statement[start + 4..], &[], &mut found);
        }
        for root in ["crate::", "super::", "self::"] {
            let named = statement.match_indices(root);
            // `pub(in crate::http)` names nothing.
            for (at, _) in named.filter(|(at, _)| !statement[..*at].ends_with("(in ")) {
                let path =
                    statement[at..].split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
                found.push(split(path.into_iter().next().unwrap_or("")));
            }
        }
    }
    found.into_iter().filter_map(|path| absolute(&path, here, modules)).collect()
}

fn split(path: &str) -> Vec<String> {
    let parts = path.split("::").map(|part| part.split(" as ").next().unwrap_or("").trim());
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Takes `a::{b, c::{d, e}}` apart.
fn expand(tree: &str, before: &[String], found: &mut Vec<Vec<String>>) {
    let Some((head, rest)) = tree.split_once('{') else {
        found.push([before, &split(tree)].concat());
        return;
    };
    let before = [before, &split(head)].concat();
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inside[start..at].trim().is_empty() {
                    expand(&inside[start..at], &before, found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The path from the root of the crate; `None` for a path into another crate.
fn absolute(
    path: &[String],
    here: &[String],
    modules: &BTreeMap<Vec<String>, String>,
) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    let mut base = match first.as_str() {
        "crate" => vec!["crate".to_owned()],
        "self" => here.to_vec(),
        "super" => here.split_last()?.1.to_vec(),
        _ => {
            let child = [here, std::slice::from_ref(first)].concat();
            return modules.contains_key(&child).then(|| [here, path].concat());
        }
    };
    for part in rest {
        if part == "super" {
            base.pop();
        } else {
            base.push(part.clone());
        }
    }
    Some(base)
}
