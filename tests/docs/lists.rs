//! The lists of security events and of metrics are those of the code.

use std::fmt::Write as _;
use std::path::Path;

use whence::http::metrics;
use whence::infra::security::SecurityEvent;

use crate::markdown::ROOT;
use crate::updates;

#[test]
fn the_list_of_security_events_is_that_of_the_code() {
    let mut rows = "| event | outcome | reason | what happened |\n|---|---|---|---|\n".to_owned();
    for event in SecurityEvent::ALL {
        let (name, outcome) = (event.name(), event.outcome().as_str());
        let (reason, meaning) = (event.reason(), event.meaning());
        writeln!(rows, "| `{name}` | `{outcome}` | `{reason}` | {meaning} |").unwrap();
    }
    compare("docs/security.md", "security events", &rows);
}

#[test]
fn the_list_of_metrics_is_that_of_the_code() {
    let mut rows = "| metric | kind | value |\n|---|---|---|\n".to_owned();
    for metric in metrics::ALL {
        writeln!(rows, "| `{}` | {} | {} |", metric.name, metric.kind.as_str(), metric.help)
            .unwrap();
    }
    compare("docs/operating.md", "metrics", &rows);
}

/// Holds the part of a page between two marks against what it has to be.
#[track_caller]
fn compare(file: &str, list: &str, rows: &str) {
    let begin = format!("<!-- {list}: written by a test -->\n\n");
    let path = Path::new(ROOT).join(file);
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("{file}: no {begin}"));
    let (there, after) = rest.split_once("\n<!-- end -->").unwrap();
    if updates() {
        let page = format!("{before}{begin}{rows}\n<!-- end -->{after}");
        std::fs::write(&path, page).unwrap();
    } else {
        assert_eq!(there, rows, "{file}: run WHENCE_UPDATE_DOCS=1 cargo test --test docs");
    }
}
