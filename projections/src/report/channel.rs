//! Which channel a visit came by: Google Analytics 4's default channel group, as its help page
//! "Default channel group" defines it for manual traffic, and two more. The rules are data, tried
//! from top to bottom; `sources.txt` has the sites that they call search, social, shopping, video
//! and AI assistant sites.
//!
//! Where a visit carries no campaign parameters, source and medium follow from what it does carry,
//! as Google Analytics does it: an advertiser's click id, else the site it came from, else nothing
//! (`(direct)` and `(none)`).

mod click_ids;

use std::collections::HashMap;
use std::sync::LazyLock;

use Channel as C;
use Is::{CampaignContains, CampaignShops, Direct, Medium, MediumContains, MediumEnds, MediumPaid};
use Is::{Source, SourceIn};
use click_ids::ClickId;

pub use click_ids::{is_paid_click, telling_parameters};

/// A kind of traffic: where a visit came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are Google's, and `as_str` spells them out")]
pub enum Channel {
    /// The visit came with a referral code, which is no channel of Google's.
    ReferralProgramme,
    Direct,
    CrossNetwork,
    PaidShopping,
    PaidSearch,
    PaidSocial,
    PaidVideo,
    Display,
    PaidOther,
    OrganicShopping,
    OrganicSocial,
    OrganicVideo,
    OrganicSearch,
    AiAssistant,
    Referral,
    Email,
    Affiliates,
    Audio,
    Sms,
    MobilePush,
    Unassigned,
}

impl Channel {
    /// Every channel, in the order of its definition.
    pub const ALL: [Self; 21] = [
        C::ReferralProgramme,
        C::Direct,
        C::CrossNetwork,
        C::PaidShopping,
        C::PaidSearch,
        C::PaidSocial,
        C::PaidVideo,
        C::Display,
        C::PaidOther,
        C::OrganicShopping,
        C::OrganicSocial,
        C::OrganicVideo,
        C::OrganicSearch,
        C::AiAssistant,
        C::Referral,
        C::Email,
        C::Affiliates,
        C::Audio,
        C::Sms,
        C::MobilePush,
        C::Unassigned,
    ];

    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            C::ReferralProgramme => "Referral programme",
            C::Direct => "Direct",
            C::CrossNetwork => "Cross-network",
            C::PaidShopping => "Paid Shopping",
            C::PaidSearch => "Paid Search",
            C::PaidSocial => "Paid Social",
            C::PaidVideo => "Paid Video",
            C::Display => "Display",
            C::PaidOther => "Paid Other",
            C::OrganicShopping => "Organic Shopping",
            C::OrganicSocial => "Organic Social",
            C::OrganicVideo => "Organic Video",
            C::OrganicSearch => "Organic Search",
            C::AiAssistant => "AI assistant",
            C::Referral => "Referral",
            C::Email => "Email",
            C::Affiliates => "Affiliates",
            C::Audio => "Audio",
            C::Sms => "SMS",
            C::MobilePush => "Mobile Push Notifications",
            C::Unassigned => "Unassigned",
        }
    }
}

/// A kind of site that visits come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    Search,
    Social,
    Shopping,
    Video,
    Assistant,
}

/// A condition on a visit.
#[derive(Clone, Copy)]
enum Is {
    /// Neither source nor medium.
    Direct,
    /// Source is of this kind of site.
    SourceIn(Site),
    /// Source is one of these.
    Source(&'static [&'static str]),
    /// Medium is one of these.
    Medium(&'static [&'static str]),
    /// The medium is paid: it matches `^(.*cp.*|ppc|retargeting|paid.*)$`
    MediumPaid,
    MediumContains(&'static str),
    MediumEnds(&'static str),
    CampaignContains(&'static str),
    /// The campaign is of a shop: it matches `^(.*(([^a-df-z]|^)shop|shopping).*)$`
    CampaignShops,
}

const EMAIL: &[&str] = &["email", "e-mail", "e_mail", "e mail"];
const DISPLAY: &[&str] = &["display", "banner", "expandable", "interstitial", "cpm"];
const SOCIAL: &[&str] =
    &["social", "social-network", "social-media", "sm", "social network", "social media"];

/// A channel, and the conditions of which all have to hold. Several lines are several ways.
const RULES: &[(Channel, &[Is])] = &[
    (C::Direct, &[Direct]),
    (C::CrossNetwork, &[CampaignContains("cross-network")]),
    (C::PaidShopping, &[SourceIn(Site::Shopping), MediumPaid]),
    (C::PaidShopping, &[CampaignShops, MediumPaid]),
    (C::PaidSearch, &[SourceIn(Site::Search), MediumPaid]),
    (C::PaidSocial, &[SourceIn(Site::Social), MediumPaid]),
    (C::PaidVideo, &[SourceIn(Site::Video), MediumPaid]),
    (C::Display, &[Medium(DISPLAY)]),
    (C::PaidOther, &[MediumPaid]),
    (C::AiAssistant, &[Medium(&["ai-assistant"])]),
    // Assistants put their name in `utm_source` and leave the medium out.
    (C::AiAssistant, &[SourceIn(Site::Assistant), Medium(&["", "referral", "organic"])]),
    (C::OrganicShopping, &[SourceIn(Site::Shopping)]),
    (C::OrganicShopping, &[CampaignShops]),
    (C::OrganicSocial, &[SourceIn(Site::Social)]),
    (C::OrganicSocial, &[Medium(SOCIAL)]),
    (C::OrganicVideo, &[SourceIn(Site::Video)]),
    (C::OrganicVideo, &[MediumContains("video")]),
    (C::OrganicSearch, &[SourceIn(Site::Search)]),
    (C::OrganicSearch, &[Medium(&["organic"])]),
    (C::Referral, &[Medium(&["referral", "app", "link"])]),
    (C::Email, &[Source(EMAIL)]),
    (C::Email, &[Medium(EMAIL)]),
    (C::Affiliates, &[Medium(&["affiliate"])]),
    (C::Audio, &[Medium(&["audio"])]),
    (C::Sms, &[Source(&["sms"])]),
    (C::Sms, &[Medium(&["sms"])]),
    (C::MobilePush, &[MediumEnds("push")]),
    (C::MobilePush, &[MediumContains("mobile")]),
    (C::MobilePush, &[MediumContains("notification")]),
    (C::MobilePush, &[Source(&["firebase"])]),
];

/// The referrer domain of a visit that is known to have come from no other site.
pub(super) const NO_REFERRER: &str = "(none)";

/// The facts of a visit that decide its channel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic<'a> {
    /// Whether there is a visit at all.
    pub known: bool,
    /// The `utm_source` of the visit.
    pub source: Option<&'a str>,
    /// The `utm_medium` of the visit.
    pub medium: Option<&'a str>,
    /// The `utm_campaign` of the visit.
    pub campaign: Option<&'a str>,
    /// The names of its click ids.
    pub click_ids: &'a [&'a str],
    /// The registrable domain of the site that it came from; `(none)` when there was none, `None` when that
    /// is not known.
    pub referrer_domain: Option<&'a str>,
}

/// Returns the channel of a visit; `None` when too little is known.
#[must_use]
pub fn classify(traffic: &Traffic<'_>) -> Option<Channel> {
    let visit = Visit::of(traffic)?;
    let rule = RULES.iter().find(|(_, conditions)| conditions.iter().all(|is| visit.is(*is)));
    Some(rule.map_or(C::Unassigned, |(channel, _)| *channel))
}

/// A visit with source, medium and campaign in lower case, each empty when not set.
struct Visit {
    source: String,
    medium: String,
    campaign: String,
    site: Option<Site>,
}

impl Visit {
    fn of(traffic: &Traffic<'_>) -> Option<Self> {
        if !traffic.known {
            return None;
        }
        let clicked = ClickId::of(traffic.click_ids);
        let tagged = [traffic.source, traffic.medium, traffic.campaign];
        let tagged = tagged.into_iter().flatten().any(|text| !text.trim().is_empty());
        let (source, medium) = match (clicked, traffic.referrer_domain) {
            (Some(id), _) if id.overrides => (id.source, id.medium),
            _ if tagged => (traffic.source.unwrap_or(""), traffic.medium.unwrap_or("")),
            (Some(id), site) if id.source.is_empty() => {
                (site.filter(|site| *site != NO_REFERRER).unwrap_or(""), id.medium)
            }
            (Some(id), _) => (id.source, id.medium),
            (None, Some(NO_REFERRER)) => ("(direct)", "(none)"),
            (None, Some(domain)) => (domain, medium_of(domain)),
            (None, None) => return None,
        };
        let lower = |text: &str| text.trim().to_lowercase();
        let source = lower(source);
        let site = site(&source);
        let of_id = clicked.filter(|_| !tagged).map(|id| id.campaign);
        let campaign = lower(traffic.campaign.or(of_id).unwrap_or(""));
        Some(Self { source, medium: lower(medium), campaign, site })
    }

    fn is(&self, is: Is) -> bool {
        let medium = self.medium.as_str();
        match is {
            Direct => self.source == "(direct)" && ["(none)", "(not set)", ""].contains(&medium),
            SourceIn(kind) => self.site == Some(kind),
            Source(names) => names.contains(&self.source.as_str()),
            Medium(names) => names.contains(&medium),
            MediumPaid => {
                let named = ["ppc", "retargeting"].contains(&medium);
                medium.contains("cp") || medium.starts_with("paid") || named
            }
            MediumContains(part) => medium.contains(part),
            MediumEnds(end) => medium.ends_with(end),
            CampaignContains(part) => self.campaign.contains(part),
            CampaignShops => shops(&self.campaign),
        }
    }
}

/// Returns the medium of a visit from a site, as Google Analytics sets it.
fn medium_of(domain: &str) -> &'static str {
    match site(domain) {
        Some(Site::Search) => "organic",
        Some(Site::Assistant) => "ai-assistant",
        Some(Site::Social | Site::Shopping | Site::Video) | None => "referral",
    }
}

/// Returns whether a campaign is about shopping: it contains `shopping`, or a `shop` that no letter but
/// `e` precedes: `eshop` is one, `bishop` none.
fn shops(campaign: &str) -> bool {
    let in_front = |at: usize| campaign[..at].chars().next_back();
    let is_shop = |at: usize| in_front(at).is_none_or(|c| !c.is_ascii_lowercase() || c == 'e');
    campaign.contains("shopping") || campaign.match_indices("shop").any(|(at, _)| is_shop(at))
}

/// The kind of each site in `sources.txt`, of which a line lists sites of one kind.
static SITES: LazyLock<HashMap<&'static str, Site>> = LazyLock::new(|| {
    let lines = include_str!("sources.txt").lines().filter(|line| !line.starts_with('#'));
    let mut sites = HashMap::new();
    for line in lines {
        let mut words = line.split_whitespace();
        let site = match words.next() {
            Some("search") => Site::Search,
            Some("social") => Site::Social,
            Some("shopping") => Site::Shopping,
            Some("video") => Site::Video,
            Some("assistant") => Site::Assistant,
            Some(_) | None => continue,
        };
        sites.extend(words.map(|word| (word, site)));
    }
    sites
});

/// Returns the kind of site that a source is: by its whole name, by a domain above it, or by the name
/// before a public suffix (`google` of `google.co.uk` and of `www.google.com`).
fn site(source: &str) -> Option<Site> {
    let sites = &*SITES;
    let mut name = source;
    while let Some((_, above)) = name.split_once('.') {
        if let Some(site) = sites.get(name) {
            return Some(*site);
        }
        name = above;
    }
    let host = ["www.", "m.", "l.", "lm.", "out.", "old.", "amp."]
        .iter()
        .find_map(|prefix| source.strip_prefix(prefix))
        .unwrap_or(source);
    sites.get(host.split('.').next().unwrap_or(host)).copied()
}

#[cfg(test)]
mod tests;
