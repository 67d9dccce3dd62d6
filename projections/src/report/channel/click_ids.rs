//! What the parameters of advertisers and mailings say of a visit: where it came from, and whether
//! somebody paid for the click.
//!
//! The parameters that are kept at all are listed with their sources in
//! `src/domain/touch/page/parameters.rs`. Those that are missing here say nothing of the source:
//! ids of campaigns (`utm_id`), and companions of other parameters (`gclsrc`).

/// What a parameter says of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClickId {
    /// The name of the parameter, in lower case.
    pub(super) name: &'static str,
    /// The source; empty when it is the referring site.
    pub(super) source: &'static str,
    /// The medium, as in `utm_medium`.
    pub(super) medium: &'static str,
    /// The campaign; empty when the parameter does not say it.
    pub(super) campaign: &'static str,
    /// Whether it overrides the campaign parameters, as Google's auto-tagging does.
    pub(super) overrides: bool,
}

const fn says(name: &'static str, source: &'static str, medium: &'static str) -> ClickId {
    ClickId { name, source, medium, campaign: "", overrides: false }
}

const fn overrides(name: &'static str, source: &'static str, medium: &'static str) -> ClickId {
    ClickId { overrides: true, ..says(name, source, medium) }
}

/// The parameters that say something. Of several in one address the first of this list counts.
pub(super) const CLICK_IDS: &[ClickId] = &[
    overrides("gclid", "google", "cpc"),
    overrides("gbraid", "google", "cpc"),
    overrides("wbraid", "google", "cpc"),
    overrides("dclid", "dfa", "cpm"),
    // They are on the address of every advertisement of Google, also where the click has no id.
    says("gad_source", "google", "cpc"),
    says("gad_campaignid", "google", "cpc"),
    says("gad", "google", "cpc"),
    says("msclkid", "bing", "cpc"),
    says("yclid", "yandex", "cpc"),
    says("sznclid", "seznam", "cpc"),
    says("bd_vid", "baidu", "cpc"),
    says("ttclid", "tiktok", "cpc"),
    says("twclid", "twitter", "cpc"),
    says("li_fat_id", "linkedin", "cpc"),
    says("epik", "pinterest", "cpc"),
    says("rdt_cid", "reddit", "cpc"),
    says("sccid", "snapchat", "cpc"),
    says("qclid", "quora", "cpc"),
    says("tblci", "taboola", "cpc"),
    says("dicbo", "outbrain", "cpc"),
    says("auctid", "teads", "cpc"),
    // Tools that manage the advertisements of several sites: the site is the referring one.
    says("ef_id", "", "cpc"),
    says("s_kwcid", "", "cpc"),
    says("mkwid", "", "cpc"),
    says("hsa_cam", "", "cpc"),
    says("hsa_grp", "", "cpc"),
    says("hsa_ad", "", "cpc"),
    says("irclickid", "impact", "affiliate"),
    says("irclid", "impact", "affiliate"),
    says("cjevent", "cj", "affiliate"),
    says("awc", "awin", "affiliate"),
    says("ransiteid", "rakuten", "affiliate"),
    says("sscid", "shareasale", "affiliate"),
    says("tduid", "tradedoubler", "affiliate"),
    says("clickref", "partnerize", "affiliate"),
    says("admitad_uid", "admitad", "affiliate"),
    says("mc_cid", "mailchimp", "email"),
    says("_hsmi", "hubspot", "email"),
    says("vero_conv", "vero", "email"),
    says("nm_delivery", "adobe campaign", "email"),
    // Listings in Google's shopping results are free: support.google.com/analytics/answer/11479699
    // names their source, medium and campaign.
    ClickId { campaign: "shopping free listings", ..says("srsltid", "google", "organic") },
    // A result of Yandex's search, not an advertisement there.
    says("ysclid", "yandex", "organic"),
    // Meta puts its id on every link, paid or not, so that it gives the site alone.
    says("fbclid", "facebook", "referral"),
];

impl ClickId {
    /// Returns what the first of some parameters says; `None` when none says anything.
    pub(super) fn of(names: &[&str]) -> Option<&'static Self> {
        CLICK_IDS.iter().find(|id| names.contains(&id.name))
    }

    /// Returns whether somebody paid for the click, a network of affiliates included.
    const fn is_paid(&self) -> bool {
        matches!(self.medium.as_bytes(), b"cpc" | b"cpm" | b"affiliate")
    }
}

/// Returns whether a parameter, by its name in lower case, says that somebody paid for the click.
#[must_use]
pub fn is_paid_click(name: &str) -> bool {
    CLICK_IDS.iter().any(|id| id.name == name && id.is_paid())
}

/// Returns the names of the parameters that say something of a visit.
pub fn telling_parameters() -> impl Iterator<Item = &'static str> {
    CLICK_IDS.iter().map(|id| id.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overrides_comes_first_and_no_name_twice() {
        let first_other = CLICK_IDS.iter().position(|id| !id.overrides).unwrap();
        assert!(CLICK_IDS[first_other..].iter().all(|id| !id.overrides));
        let mut names: Vec<&str> = telling_parameters().collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(names.iter().all(|name| name.to_ascii_lowercase() == *name));
    }

    #[test]
    fn only_what_somebody_paid_for_is_a_paid_click() {
        for (name, paid) in [
            ("gclid", true),
            ("gad_source", true),
            ("dclid", true),
            ("awc", true),
            ("hsa_cam", true),
            ("fbclid", false),
            ("srsltid", false),
            ("ysclid", false),
            ("mc_cid", false),
            ("utm_id", false),
            ("gclsrc", false),
            ("", false),
        ] {
            assert_eq!(is_paid_click(name), paid, "{name}");
        }
    }
}
