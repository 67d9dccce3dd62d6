//! Which channel a visit came by: Google Analytics 4's default channel group, as its help page
//! "Default channel group" defines it for manual traffic, and two more. The rules are data, tried
//! from top to bottom; `sources.txt` has the sites that they call search, social, shopping, video
//! and AI assistant sites.
//!
//! Where a visit carries no campaign parameters, source and medium follow from what it does carry,
//! as Google Analytics does it: an advertiser's click id, else the site it came from, else nothing
//! (`(direct)` and `(none)`).

mod sources;

use Channel as C;
use Is::{CampaignContains, CampaignShops, Direct, Medium, MediumContains, MediumEnds, MediumPaid};
use Is::{Source, SourceIn};
pub use sources::{SOURCE_LIST_DATE, source_entry};
use sources::{Site, site_of_domain, site_of_entry, site_of_name};

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

/// For each click id of an advertiser: its name, the source and the medium that it means, and whether
/// it overrides the campaign parameters, as Google's auto-tagging does. Meta puts its id on every link,
/// paid or not, so that one gives the site alone.
const CLICK_IDS: &[(&str, &str, &str, bool)] = &[
    ("gclid", "google", "cpc", true),
    ("gbraid", "google", "cpc", true),
    ("wbraid", "google", "cpc", true),
    ("dclid", "dfa", "cpm", true),
    ("msclkid", "bing", "cpc", false),
    ("yclid", "yandex", "cpc", false),
    ("ttclid", "tiktok", "cpc", false),
    ("twclid", "twitter", "cpc", false),
    ("li_fat_id", "linkedin", "cpc", false),
    ("epik", "pinterest", "cpc", false),
    ("rdt_cid", "reddit", "cpc", false),
    ("sccid", "snapchat", "cpc", false),
    ("qclid", "quora", "cpc", false),
    ("tblci", "taboola", "cpc", false),
    ("dicbo", "outbrain", "cpc", false),
    ("irclickid", "impact", "affiliate", false),
    ("cjevent", "cj", "affiliate", false),
    ("awc", "awin", "affiliate", false),
    ("fbclid", "facebook", "referral", false),
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
    /// The entry of the source list on record that its host falls under. Without one, or with one that
    /// the list has no more, the domain decides.
    pub referrer_site: Option<&'a str>,
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
        let clicked = CLICK_IDS.iter().find(|(name, ..)| traffic.click_ids.contains(name));
        let tagged = [traffic.source, traffic.medium, traffic.campaign];
        let tagged = tagged.into_iter().flatten().any(|text| !text.trim().is_empty());
        let lower = |text: &str| text.trim().to_lowercase();
        let named = |source: &str, medium: &str| {
            let source = lower(source);
            let site = site_of_name(&source);
            (source, lower(medium), site)
        };
        let (source, medium, site) = match (clicked, traffic.referrer_domain) {
            (Some((_, source, medium, true)), _) => named(source, medium),
            _ if tagged => named(traffic.source.unwrap_or(""), traffic.medium.unwrap_or("")),
            (Some((_, source, medium, false)), _) => named(source, medium),
            (None, Some(NO_REFERRER)) => named("(direct)", "(none)"),
            (None, Some(domain)) => {
                let domain = lower(domain);
                let on_record = traffic.referrer_site.and_then(site_of_entry);
                let site = on_record.or_else(|| site_of_domain(&domain));
                (domain, medium_of(site).to_owned(), site)
            }
            (None, None) => return None,
        };
        let campaign = lower(traffic.campaign.unwrap_or(""));
        Some(Self { source, medium, campaign, site })
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
fn medium_of(site: Option<Site>) -> &'static str {
    match site {
        Some(Site::Search) => "organic",
        Some(Site::Assistant) => "ai-assistant",
        Some(Site::Social | Site::Shopping | Site::Video | Site::Referral) | None => "referral",
    }
}

/// Returns whether a campaign is about shopping: it contains `shopping`, or a `shop` that no letter but
/// `e` precedes: `eshop` is one, `bishop` none.
fn shops(campaign: &str) -> bool {
    let in_front = |at: usize| campaign[..at].chars().next_back();
    let is_shop = |at: usize| in_front(at).is_none_or(|c| !c.is_ascii_lowercase() || c == 'e');
    campaign.contains("shopping") || campaign.match_indices("shop").any(|(at, _)| is_shop(at))
}

#[cfg(test)]
mod tests;
