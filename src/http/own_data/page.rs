//! The page that shows a user everything about them: tables of plain text, without a script, and
//! nothing that is loaded from elsewhere.

use std::sync::LazyLock;

use askama::Template;
use http::HeaderValue;
use serde::Serialize;
use serde_json::Value;
use whence_events::Timestamp;

use crate::http::error_page::policy_of;
use crate::insight::audit::{OwnData, OwnEvent, OwnLanding, OwnSession};

/// The style of the page, to the byte that its policy names.
const STYLE: &str = include_str!("../own_data.css");

/// The policy of the page: nothing but this very style.
pub(super) static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy_of(STYLE, "'none'"));

#[derive(Template)]
#[template(path = "own_data.html")]
struct OwnDataPage<'a> {
    site: &'a str,
    at: String,
    style: &'static str,
    sections: Vec<PageTable>,
}

/// A table with a title; without rows, the page says that nothing is on record.
struct PageTable {
    title: &'static str,
    columns: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl PageTable {
    fn new(
        title: &'static str,
        columns: &'static [&'static str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Self {
        Self { title, columns, rows: rows.into_iter().collect() }
    }
}

/// Returns the page.
pub(super) fn render(data: &OwnData) -> askama::Result<String> {
    let page = OwnDataPage {
        site: &data.site,
        at: time(data.exported_at),
        style: STYLE,
        sections: sections(data),
    };
    page.render()
}

fn sections(data: &OwnData) -> Vec<PageTable> {
    let maybe = |at: Option<Timestamp>| at.map(time).unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        PageTable::new("Account", &["", ""], fields(&data.account)),
        PageTable::new(
            "E-mail addresses",
            &["Address", "Since", "Until"],
            data.addresses.iter().map(|a| vec![text(&a.email), time(a.since), maybe(a.until)]),
        ),
        PageTable::new(
            "Names and pictures",
            &["Name", "Picture", "Since"],
            data.names
                .iter()
                .map(|n| vec![text(&n.display_name), text(&n.avatar_url), time(n.since)]),
        ),
        PageTable::new(
            "Sessions",
            &["Began", "Last used", "Ends or ended", "Why", "Device", "IP address", "Browser"],
            data.sessions.iter().map(session),
        ),
        PageTable::new(
            "Devices that the address knows",
            &["Device", "First login", "Last login"],
            data.devices.iter().map(|d| {
                let kind = plain(&d.device);
                vec![kind, time(d.first_login_at), time(d.last_login_at)]
            }),
        ),
        PageTable::new("Where you came from", &["", ""], data.origin.iter().flat_map(fields)),
        PageTable::new(
            "Visits on record",
            &["When", "Page", "From", "Code", "Campaign", "Device", "Browser"],
            data.landings.iter().map(landing),
        ),
        PageTable::new(
            "Who referred you",
            &["When", "Code", "Referred by", "Refused because"],
            data.referral_decisions.iter().map(|d| {
                let because = d.refused_because.unwrap_or_default().to_owned();
                vec![time(d.at), text(&d.code), plain(&d.referred_by), because]
            }),
        ),
        PageTable::new(
            "Your referral codes",
            &["Code", "Kind", "Since", "Disabled"],
            data.referral_codes.iter().map(|c| {
                vec![c.code.clone(), plain(&c.kind), time(c.issued_at), maybe(c.disabled_at)]
            }),
        ),
        PageTable::new(
            "Your creator handles",
            &["Handle", "Since"],
            data.handles.iter().map(|h| vec![h.handle.clone(), time(h.claimed_at)]),
        ),
        PageTable::new(
            "Whom you referred",
            &["Account", "Registered"],
            data.referred_users.iter().map(|u| vec![u.user_id.to_string(), time(u.signed_at)]),
        ),
        PageTable::new("Everything that happened", &["When", "By", "What"], timeline(data)),
    ]
}

fn session(session: &OwnSession) -> Vec<String> {
    let place = session.country.map(|country| format!(" ({})", country.as_str()));
    let ip = session.ip.clone().unwrap_or_default() + &place.unwrap_or_default();
    vec![
        time(session.opened_at),
        time(session.last_active_at),
        time(session.ended_at.unwrap_or(session.expires_at)),
        session.ended_because.unwrap_or_default().to_owned(),
        plain(&session.device),
        ip,
        session.user_agent.clone().unwrap_or_default(),
    ]
}

fn landing(landing: &OwnLanding) -> Vec<String> {
    let from = landing.referrer_url.as_ref().or(landing.referrer_domain.as_ref());
    let utm = &landing.utm;
    let campaign = [&utm.source, &utm.medium, &utm.campaign, &utm.term, &utm.content];
    let campaign: Vec<_> = campaign.into_iter().flatten().map(String::as_str).collect();
    vec![
        time(landing.at),
        landing.landing_page.clone(),
        from.cloned().unwrap_or_default(),
        landing.code.clone().unwrap_or_default(),
        campaign.join(", "),
        plain(&landing.device),
        landing.user_agent.clone().unwrap_or_default(),
    ]
}

fn timeline(data: &OwnData) -> impl Iterator<Item = Vec<String>> {
    let line = |e: &OwnEvent| vec![time(e.at), e.by.to_owned(), e.text.clone()];
    data.timeline.iter().map(line)
}

/// Returns the members of a value that are known, each with its name in words.
fn fields(value: &impl Serialize) -> Vec<Vec<String>> {
    let Ok(Value::Object(members)) = serde_json::to_value(value) else { return vec![] };
    let row = |(name, value): (String, Value)| {
        let value = words(value)?;
        Some(vec![name.replace('_', " "), value])
    };
    members.into_iter().filter_map(row).collect()
}

/// Returns a value as text; `None` when there is nothing to show.
fn words(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.parse::<Timestamp>().map_or(text, time)),
        Value::Object(members) if members.is_empty() => None,
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(other.to_string())
        }
    }
}

fn plain(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(words).unwrap_or_default()
}

/// Returns a time to the minute.
fn time(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => text,
    }
}
