//! Landings that a client says itself when it starts a login: apps have no cookies that could carry
//! them.

use http::request::Parts;
use url::{Url, form_urlencoded};
use whence_events::Consent;

use super::Landing;
use crate::domain::bots::BOT_RULES_VERSION;
use crate::domain::touch::{self, Navigation, PageRequest, RecordedTouch};
use crate::http::landing::clicks::Clicker;
use crate::infra::random::new_touch_id;

/// A landing in a client's own words.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct SaidLanding {
    /// The page, as an address or a path, with its query.
    pub(in crate::http) page: Option<String>,
    /// The page before it.
    pub(in crate::http) referrer: Option<String>,
    /// Parameters under the names that they have in a link; they count before those of the page.
    pub(in crate::http) parameters: Vec<(&'static str, String)>,
    /// What the visitor agreed to.
    pub(in crate::http) consent: Option<Consent>,
}

impl SaidLanding {
    /// Returns whether nothing was said.
    pub(in crate::http) fn is_empty(&self) -> bool {
        self.page.is_none() && self.referrer.is_none() && self.parameters.is_empty()
    }

    /// Returns the query of a link that says the same, given that of the page.
    fn query(&self, of_page: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let said = query.extend_pairs(&self.parameters).finish();
        format!("{said}&{of_page}")
    }
}

impl Landing {
    /// Returns the touch that a client's words are, by the rules and limits of all landings; `None` when
    /// the visitor refused it, or the client is over its limit.
    pub(in crate::http) async fn said(
        &self,
        said: &SaidLanding,
        parts: &Parts,
    ) -> Option<RecordedTouch> {
        let page = said.page.as_deref().map(SaidPage::of);
        let query = said.query(page.as_ref().map_or("", |page| &page.query));
        let request = PageRequest {
            navigation: Navigation { method: "GET", ..Navigation::default() },
            path: page.as_ref().map_or("/", |page| &page.path),
            query: &query,
            fragment: page.as_ref().map_or("", |page| &page.fragment),
            referrer: said.referrer.as_deref(),
            host: None,
            ref_code: None,
            first_touch: None,
            consent: said.consent.unwrap_or(Consent::Unknown),
            now: self.clock.now(),
        };
        let mut arrival = touch::arrive(&request, &self.settings.rules).ok()?;
        arrival.keep_record();
        let arrival = self.look_up(arrival).await;
        let mut client = self.client(parts);
        // What an app calls itself is the name of its HTTP library, which says nothing about people.
        client.visitor.bot = false;
        client.visitor.bot_rules_version = BOT_RULES_VERSION;
        let (now, touch_id) = (self.clock.now(), new_touch_id());
        let by = Clicker { client: &client, first: None, touch_id };
        let again = self.clicks.seen(&arrival.brought_by(), by, now);
        let mut record = arrival.touch(touch_id, client.visitor).record?;
        record.deduplicated = again;
        record.said_by_client = true;
        if page.is_none() {
            record.landing_page.clear();
        }
        // No client can fill the log by landing.
        if self.limit.count(client.address, now).is_err() {
            self.recorder.count_limited();
            return None;
        }
        Some(record)
    }
}

/// The parts of a page that a client names by its address or its path.
struct SaidPage {
    path: String,
    query: String,
    fragment: String,
}

impl SaidPage {
    fn of(text: &str) -> Self {
        let text = text.trim();
        if let Some(url) = Url::parse(text).ok().filter(Url::has_host) {
            let part = |part: Option<&str>| part.unwrap_or("").to_owned();
            let (query, fragment) = (part(url.query()), part(url.fragment()));
            return Self { path: url.path().to_owned(), query, fragment };
        }
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Self { path, query: query.to_owned(), fragment: fragment.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_an_address_or_a_path() {
        let parts = |text: &str| {
            let SaidPage { path, query, fragment } = SaidPage::of(text);
            (path, query, fragment)
        };
        let expect = |path: &str, query: &str, fragment: &str| {
            (path.to_owned(), query.to_owned(), fragment.to_owned())
        };
        assert_eq!(parts("/a?b=1#c"), expect("/a", "b=1", "c"));
        assert_eq!(parts(" a "), expect("/a", "", ""));
        assert_eq!(parts("https://shop.test/a?b=1#c"), expect("/a", "b=1", "c"));
        assert_eq!(parts("shop://open/a?b=1"), expect("/a", "b=1", ""));
        assert_eq!(parts("?b=1"), expect("/", "b=1", ""));
        assert_eq!(parts(""), expect("/", "", ""));
    }
}
