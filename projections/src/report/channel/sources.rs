//! The source list, `sources.txt`: which of its entries a referrer falls under, and the kind of site
//! that an entry, a referrer's domain or a `utm_source` is.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use psl::Type;
use url::Url;

const LIST: &str = include_str!("../sources.txt");

/// The date of the source list: `YYYY-MM-DD`.
pub const SOURCE_LIST_DATE: &str = LIST.split_at("date ".len()).1.split_at("YYYY-MM-DD".len()).0;

/// The schemes by which browsers and apps name the app that a link was opened from.
const APPS: [&str; 2] = ["android-app", "ios-app"];

/// The maximum length of a host name, in bytes.
const MAX_HOST: usize = 253;

/// A kind of site that visits come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    Search,
    Social,
    Shopping,
    Video,
    Assistant,
    /// A site of none of the other kinds, such as the webmail of a search engine.
    Referral,
}

impl Site {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "search" => Some(Self::Search),
            "social" => Some(Self::Social),
            "shopping" => Some(Self::Shopping),
            "video" => Some(Self::Video),
            "assistant" => Some(Self::Assistant),
            "referral" => Some(Self::Referral),
            _ => None,
        }
    }
}

/// Returns the entry of the source list that the site or the app of a referrer falls under. It is
/// one of a list, or `*.` and one of a list, so it says nothing personal.
///
/// ```
/// use whence_projections::report::source_entry;
///
/// assert_eq!(source_entry("https://www.google.co.uk/").as_deref(), Some("google.*"));
/// assert_eq!(source_entry("https://mail.google.com/").as_deref(), Some("mail.google.*"));
/// assert_eq!(source_entry("https://google.example.com/"), None);
/// ```
#[must_use]
pub fn source_entry(referrer: &str) -> Option<String> {
    SOURCES.of_referrer(referrer).map(|(entry, _)| entry)
}

/// Returns the kind of an entry; `None` when the list no longer has it.
pub(super) fn site_of_entry(entry: &str) -> Option<Site> {
    SOURCES.of_entry(entry)
}

/// Returns the kind of site that the domain of a referrer, or the name of an app, stands for. It is
/// in lower case.
pub(super) fn site_of_domain(domain: &str) -> Option<Site> {
    SOURCES.of_domain(domain)
}

/// Returns the kind of site that a `utm_source` in lower case names.
pub(super) fn site_of_name(name: &str) -> Option<Site> {
    SOURCES.of_name(name)
}

static SOURCES: LazyLock<Sources> = LazyLock::new(|| Sources::read(LIST));

/// The source list, read.
#[derive(Debug, Default)]
struct Sources {
    /// The kinds of values of `utm_source` that are no host.
    names: HashMap<&'static str, Site>,
    /// The kinds of hosts, of hosts of brands (`google.*`), of all below one (`*.startpage.com`) and
    /// of apps.
    entries: HashMap<String, Site>,
    /// The labels that hosts of a search engine may have.
    labels: HashSet<&'static str>,
    /// The labels that make a search of whatever is around them.
    words: HashSet<&'static str>,
}

impl Sources {
    fn read(list: &'static str) -> Self {
        let mut sources = Self::default();
        for line in list.lines().filter(|line| !line.starts_with('#')) {
            let (first, rest) = line.split_once(' ').unwrap_or_default();
            match first {
                "below-search" => sources.labels.extend(words(rest)),
                "search-word" => sources.words.extend(words(rest)),
                kind => {
                    let Some(site) = Site::parse(kind) else { continue };
                    words(rest).for_each(|entry| sources.add(entry, site));
                }
            }
        }
        sources
    }

    fn add(&mut self, entry: &'static str, site: Site) {
        if let Some(name) = entry.strip_prefix('"') {
            self.names.insert(name.trim_end_matches('"'), site);
        } else if !entry.contains(['.', ':']) {
            self.names.insert(entry, site);
            self.entries.insert(format!("{entry}.com"), site);
        } else {
            if let Some(brand) = entry.strip_suffix(".*").filter(|brand| !brand.contains('.')) {
                self.names.insert(brand, site);
            }
            self.entries.insert(entry.to_owned(), site);
        }
    }

    fn of_entry(&self, entry: &str) -> Option<Site> {
        let listed = self.entries.get(entry).copied();
        listed.or_else(|| {
            let site = *self.entries.get(entry.strip_prefix("*.")?)?;
            Some(if site == Site::Search { Site::Referral } else { site })
        })
    }

    fn of_name(&self, name: &str) -> Option<Site> {
        if let Some(site) = self.names.get(name) {
            return Some(*site);
        }
        if name.contains("://") {
            return self.of_referrer(name).map(|(_, site)| site);
        }
        self.of_domain(name.split(['/', ':']).next()?)
    }

    fn of_domain(&self, domain: &str) -> Option<Site> {
        let app = APPS.iter().find_map(|app| self.entries.get(&format!("{app}://{domain}")));
        app.copied().or_else(|| self.of_host(domain).map(|(_, site)| site))
    }

    fn of_referrer(&self, referrer: &str) -> Option<(String, Site)> {
        let url = Url::parse(referrer).ok()?;
        match url.scheme() {
            "http" | "https" => self.of_host(url.domain()?),
            app if APPS.contains(&app) => {
                let name = url.host_str()?.to_ascii_lowercase();
                let this = format!("{app}://{name}");
                [this, format!("{app}://*")].into_iter().find_map(|entry| self.known(entry))
            }
            _ => None,
        }
    }

    fn known(&self, entry: String) -> Option<(String, Site)> {
        let site = *self.entries.get(&entry)?;
        Some((entry, site))
    }

    /// Returns the most particular entry that a host falls under: by its own name, then by each name
    /// above it.
    fn of_host(&self, host: &str) -> Option<(String, Site)> {
        let host = host.strip_suffix('.').unwrap_or(host);
        if host.is_empty() || host.len() > MAX_HOST {
            return None;
        }
        let suffix = psl::suffix(host.as_bytes())?;
        let kind = suffix.typ();
        let suffix = host.get(host.len() - suffix.as_bytes().len()..)?;
        // Below a private suffix everybody can have a host, so what is above it says nothing.
        let shortest = match kind {
            Some(Type::Private) if host.strip_prefix("www.").unwrap_or(host) == suffix => {
                return self.known(suffix.to_owned());
            }
            Some(Type::Private) => psl::domain_str(host)?.len(),
            Some(Type::Icann) | None => 0,
        };
        let above = |name: &str| name.find('.').map(|dot| dot + 1);
        let names = std::iter::successors(Some(0), |at| Some(at + above(&host[*at..])?));
        names.take_while(|at| host.len() - at >= shortest).find_map(|at| {
            let (below, name) = (host[..at].trim_end_matches('.'), &host[at..]);
            let brand = name.strip_suffix(suffix).filter(|name| name.ends_with('.'));
            let brand = brand.filter(|_| kind == Some(Type::Icann)).map(|name| format!("{name}*"));
            let listed = self.below(name.to_owned(), below);
            listed.or_else(|| self.below(brand?, below))
        })
    }

    /// Returns the entry, when there is one, that a host falls under which has these labels below it.
    fn below(&self, entry: String, labels: &str) -> Option<(String, Site)> {
        let (entry, site) = self.known(entry)?;
        if labels.is_empty() {
            return Some((entry, site));
        }
        let others = format!("*.{entry}");
        if let Some(site) = self.entries.get(&others) {
            return Some((others, *site));
        }
        if site == Site::Search && !self.searches(labels) {
            return Some((others, Site::Referral));
        }
        Some((entry, site))
    }

    fn searches(&self, labels: &str) -> bool {
        labels.split('.').any(|label| self.words.contains(label))
            || labels.split('.').all(|label| self.labels.contains(label))
    }
}

/// Returns the entries of a line; one between quotation marks may have spaces in it.
fn words(line: &'static str) -> impl Iterator<Item = &'static str> {
    let mut rest = line.trim();
    std::iter::from_fn(move || {
        let quoted = rest.strip_prefix('"').and_then(|text| text.find('"'));
        let end = match quoted {
            Some(end) => end + 2,
            None => rest.find(' ').unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(end);
        rest = after.trim_start();
        Some(word).filter(|word| !word.is_empty())
    })
}

#[cfg(test)]
mod tests;
