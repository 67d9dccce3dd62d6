//! What brought a visitor: the link by which landings are told to be the same click.

use url::Url;

use super::Arrival;

/// The beginnings of the names under which ids of campaigns are kept; the others are of clicks.
const OF_CAMPAIGNS: [&str; 8] =
    ["utm_", "mtm_", "gad_campaignid", "mc_cid", "_hsmi", "hsa_", "s_cid", "nm_delivery"];

/// What brought a visitor: the code of their link; without one its campaign, its creator and the
/// site that it stands on. Landings of one visitor by the same are one click while an hour lasts,
/// whatever page they are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BroughtBy(String);

impl BroughtBy {
    /// Returns it as a text that no other has.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Arrival {
    /// Returns what brought the visitor.
    #[must_use]
    pub fn brought_by(&self) -> BroughtBy {
        if let Some(code) = self.code() {
            return BroughtBy(format!("code\n{}", code.folded()));
        }
        let found = &self.found;
        let utm = &found.utm;
        let host = self.referrer.url.as_deref().and_then(|url| Url::parse(url).ok());
        let mut parts = vec!["campaign"];
        // No value has a line break in it.
        for field in [&utm.source, &utm.medium, &utm.campaign, &utm.term, &utm.content] {
            parts.push(field.as_deref().unwrap_or(""));
        }
        parts.push(found.creator.as_ref().map_or("", |handle| handle.as_str()));
        parts.push(host.as_ref().and_then(Url::host_str).unwrap_or(""));
        for (name, id) in &found.click_ids {
            parts.push(name);
            // The id of a click is another one for each click on the same advertisement.
            if OF_CAMPAIGNS.iter().any(|beginning| name.starts_with(beginning)) {
                parts.push(id);
            }
        }
        BroughtBy(parts.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use whence_events::{Consent, Timestamp};

    use crate::touch::{LandingRules, Navigation, PageRequest, arrive};

    fn brought_by(query: &str, referrer: Option<&str>) -> String {
        let request = PageRequest {
            navigation: Navigation { method: "GET", ..Navigation::default() },
            path: "/",
            query,
            fragment: "",
            referrer,
            host: None,
            ref_code: None,
            first_touch: None,
            consent: Consent::Unknown,
            now: Timestamp::from_micros(1),
        };
        let arrival = arrive(&request, &LandingRules::default()).unwrap();
        arrival.brought_by().as_str().to_owned()
    }

    #[test]
    fn a_link_is_told_by_its_code_or_else_by_its_campaign_and_its_site() {
        let same = |a: &str, b: &str| brought_by(a, None) == brought_by(b, None);
        assert!(same("ref=abc&utm_source=x", "ref=ABC&utm_source=y"));
        assert!(!same("ref=abc", "ref=abd"));
        assert!(same("utm_source=a&gclid=1", "gclid=2&utm_source=a&page=3"));
        assert!(!same("utm_source=a", "utm_source=a&gclid=1"));
        assert!(!same("utm_source=a", "utm_medium=a"));
        assert!(!same("utm_id=1", "utm_id=2"));
        assert!(!same("utm_source=abc", "ref=abc"));
        assert!(!same("creator=ada", "creator=bob"));
        let from = |url| brought_by("", Some(url));
        assert_eq!(from("https://news.example/a"), from("https://news.example/b?c"));
        assert_ne!(from("https://news.example/a"), from("https://blog.example/a"));
    }
}
