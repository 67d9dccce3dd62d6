//! The documents as the tests read them: enough of Markdown for the way they are written.

use std::path::{Path, PathBuf};

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A document of the repository.
pub(crate) struct Document {
    /// The path from the root of the repository.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// The number of its first line, the fence itself, from 1.
    pub(crate) line: usize,
    /// The word behind the fence.
    pub(crate) language: String,
    pub(crate) lines: Vec<String>,
}

/// A link or a picture.
pub(crate) struct Link {
    pub(crate) line: usize,
    pub(crate) target: String,
}

/// Returns every document for people: those at the root and those in `docs/`.
pub(crate) fn documents() -> Vec<Document> {
    let root = Path::new(ROOT);
    let mut paths: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
            .iter()
            .map(|name| root.join(name))
            .collect();
    let docs = root.join("docs").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut docs: Vec<_> =
        docs.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    docs.sort();
    paths.extend(docs);
    let read = |path: PathBuf| Document {
        text: std::fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(),
    };
    paths.into_iter().map(read).collect()
}

impl Document {
    /// Returns the fenced blocks.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (line, text) in (1..).zip(self.text.lines()) {
            match (text.strip_prefix("```"), open.take()) {
                (Some(_), Some(block)) => blocks.push(block),
                (Some(language), None) => {
                    open = Some(Block { line, language: language.to_owned(), lines: vec![] });
                }
                (None, Some(mut block)) => {
                    block.lines.push(text.to_owned());
                    open = Some(block);
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a fenced block without an end", self.path);
        blocks
    }

    /// Returns the lines outside of fenced blocks, numbered from 1.
    pub(crate) fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut inside = false;
        (1..).zip(self.text.lines()).filter(move |(_, text)| {
            let fence = text.starts_with("```");
            inside ^= fence;
            !fence && !inside
        })
    }

    /// Returns the links, those to other sites included.
    pub(crate) fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        for (line, text) in self.prose() {
            let text = without_code(text);
            for rest in text.split("](").skip(1) {
                let target = rest.split(')').next().unwrap_or("").to_owned();
                links.push(Link { line, target });
            }
        }
        links
    }

    /// Returns what is between back quotes outside of fenced blocks, with the numbers of the lines.
    pub(crate) fn spans(&self) -> Vec<(usize, String)> {
        let spans = |(line, text): (usize, &str)| {
            let ticks = text.matches('`').count();
            assert!(ticks.is_multiple_of(2), "{}:{line}: code over more than a line", self.path);
            let parts: Vec<_> = text.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            parts.into_iter().map(move |part| (line, part))
        };
        self.prose().flat_map(spans).collect()
    }

    /// Returns the anchors of the headings, as GitHub makes them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for (_, text) in self.prose() {
            let Some(heading) = text.strip_prefix('#') else { continue };
            let anchor = anchor(heading.trim_start_matches('#').trim());
            let before = anchors.iter().filter(|other| **other == anchor).count();
            anchors.push(if before == 0 { anchor } else { format!("{anchor}-{before}") });
        }
        anchors
    }
}

fn without_code(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<_>>().join("")
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
