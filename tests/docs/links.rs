//! Every relative link leads somewhere.

use std::path::{Component, Path, PathBuf};

use crate::markdown::{ROOT, documents};

#[test]
fn every_relative_link_and_anchor_resolves() {
    let documents = documents();
    let mut broken = Vec::new();
    let mut checked = 0;
    for document in &documents {
        for link in document.links() {
            if link.target.contains("://") || link.target.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            let (path, anchor) = link.target.split_once('#').unwrap_or((&link.target, ""));
            let directory = Path::new(&document.path).parent().unwrap();
            let path = match path {
                "" => PathBuf::from(&document.path),
                path => normal(&directory.join(path)),
            };
            let other = documents.iter().find(|other| Path::new(&other.path) == path);
            let found = match other {
                Some(other) => anchor.is_empty() || other.anchors().contains(&anchor.to_owned()),
                None => anchor.is_empty() && Path::new(ROOT).join(&path).exists(),
            };
            if !found {
                broken.push(format!("{}:{}: {}", document.path, link.line, link.target));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n  {}", broken.join("\n  "));
    assert!(checked >= 30, "only {checked} links were found");
}

/// Resolves `..` by name.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => normal.push(part),
        }
    }
    normal
}
