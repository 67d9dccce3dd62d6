//! The sources that Google Analytics 4 publishes, with their category: each has to be classed as
//! Google classes it, by its name in `utm_source` and as the host that a visitor came from.

use std::fs;
use std::path::Path;

use whence_projections::report::{SOURCE_LIST_DATE, Traffic, classify, source_entry};

const PUBLISHED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/ga4/source-categories.csv");

/// Returns what Google says of a source, without and with a paid medium.
fn channels(category: &str) -> [&'static str; 2] {
    match category {
        "SOURCE_CATEGORY_SEARCH" => ["Organic Search", "Paid Search"],
        "SOURCE_CATEGORY_SOCIAL" => ["Organic Social", "Paid Social"],
        "SOURCE_CATEGORY_SHOPPING" => ["Organic Shopping", "Paid Shopping"],
        "SOURCE_CATEGORY_VIDEO" => ["Organic Video", "Paid Video"],
        other => panic!("a category of which no channel is known: {other}"),
    }
}

fn tagged(source: &str, medium: Option<&str>) -> &'static str {
    let visit = Traffic { known: true, source: Some(source), medium, ..Traffic::default() };
    classify(&visit).map_or("unknown", |channel| channel.as_str())
}

fn referred(host: &str, on_record: bool) -> &'static str {
    let entry = source_entry(&format!("https://{host}/")).filter(|_| on_record);
    let (referrer_domain, referrer_site) = (Some(host), entry.as_deref());
    let visit = Traffic { known: true, referrer_domain, referrer_site, ..Traffic::default() };
    classify(&visit).map_or("unknown", |channel| channel.as_str())
}

/// Says what missed, and how many were right.
#[derive(Default)]
struct Score {
    right: u32,
    misses: Vec<String>,
}

impl Score {
    fn hold(&mut self, what: &str, expected: &str, found: &str) {
        if found == expected {
            self.right += 1;
        } else {
            self.misses.push(format!("{what}: {found}, and Google says {expected}"));
        }
    }

    fn print(&self, role: &str) {
        println!("{role}: {} right, {} wrong", self.right, self.misses.len());
        self.misses.iter().for_each(|miss| println!("  {miss}"));
    }
}

#[test]
fn every_source_of_google_is_of_its_kind() {
    if !Path::new(PUBLISHED).exists() {
        println!("SKIPPED: {PUBLISHED} is not here, so nothing was compared");
        return;
    }
    let text = fs::read_to_string(PUBLISHED).unwrap();
    let rows = text.lines().skip(1).filter_map(|line| line.rsplit_once(','));
    let (mut sources, mut hosts) = (0, 0);
    let (mut named, mut paid, mut from) = (Score::default(), Score::default(), Score::default());
    for (source, category) in rows {
        sources += 1;
        let [organic, bought] = channels(category);
        for written in [source.to_owned(), source.to_uppercase(), format!(" {source} ")] {
            named.hold(&written, organic, tagged(&written, None));
        }
        paid.hold(source, bought, tagged(source, Some("cpc")));
        if source.contains('.') {
            hosts += 1;
            for host in [source.to_owned(), format!("www.{source}")] {
                from.hold(&host, organic, referred(&host, true));
            }
        }
    }
    println!("the source list of {SOURCE_LIST_DATE}: {sources} sources of Google, {hosts} hosts");
    named.print("as utm_source, in three spellings");
    paid.print("as utm_source of a paid click");
    from.print("as referring host, with and without www");
    assert_eq!(sources, 819, "Google's list was read whole");
    assert_eq!((named.right, paid.right, from.right), (3 * sources, sources, 2 * hosts));
}
