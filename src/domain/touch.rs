//! The landing table of the attribution rules, as a pure function.
//!
//! It runs in three steps, so that the many requests that are not landings cost next to nothing:
//! [`Navigation::check`] examines the kind of request, [`arrive`] the page and the visitor's
//! cookies, and [`Arrival::touch`] adds what had to be looked up or generated.

mod link;
mod page;
pub mod planting;
mod referrer;
pub mod stream;
#[cfg(test)]
mod tests;
mod written_code;

use std::time::Duration;

use whence_events::{
    ClickIds, Consent, Country, DeviceClass, FetchSite, Handle, ReferralCode, ReferrerKind,
    Timestamp, TouchId, Utm,
};

pub use link::BroughtBy;
pub use page::address::ReferrerDetail;
pub use page::{KEPT, MAX_OTHER_CODES, is_called, segments};
use planting::{HeldCode, held_code};
pub use referrer::{Hosts, registrable_domain, same_host};

/// Returns the codes that the text of a short link can mean, the most literal one first.
#[must_use]
pub fn codes_of_link(text: &str) -> Vec<ReferralCode> {
    written_code::readings(text, written_code::Place::ShortLink)
}

/// Returns the handle of a path `/creators/{handle}`; `None` for pages below it and all others.
#[must_use]
pub fn creator_of_path(path: &str) -> Option<Handle> {
    page::creator_of(path)
}

/// The parts of a request that tell for what purpose it was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Navigation<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The `Sec-Fetch-Mode` header.
    pub fetch_mode: Option<&'a str>,
    /// The `Sec-Fetch-Dest` header.
    pub fetch_dest: Option<&'a str>,
    /// The `Sec-Fetch-Site` header.
    pub fetch_site: Option<&'a str>,
    /// The headers `Sec-Purpose`, `Purpose`, `X-Purpose` and `X-Moz`, in any order.
    pub purposes: [Option<&'a str>; 4],
}

/// A request for a page, which may be a landing.
#[derive(Clone, Debug)]
pub struct PageRequest<'a> {
    /// The parts that tell for what purpose it was made.
    pub navigation: Navigation<'a>,
    /// The path of the page.
    pub path: &'a str,
    /// The query of the page, without the question mark.
    pub query: &'a str,
    /// The fragment of the page, without the `#`, when a script of the page reported it.
    pub fragment: &'a str,
    /// The `Referer` header.
    pub referrer: Option<&'a str>,
    /// The host that the request was sent to.
    pub host: Option<&'a str>,
    /// The visitor's `ref_code` cookie.
    pub ref_code: Option<RefCode>,
    /// The visitor's `whence_touch` cookie, when its signature is valid.
    pub first_touch: Option<FirstTouch>,
    /// The consent of the visitor.
    pub consent: Consent,
    /// The current time.
    pub now: Timestamp,
}

/// The content of a `ref_code` cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefCode {
    /// A code that whence planted and signed.
    Signed(PlantedCode),
    /// A bare code, as other systems plant it: it is accepted, and marked as unsigned.
    Bare(ReferralCode),
    /// A cookie with a bad shape or a bad signature.
    Invalid,
}

impl RefCode {
    /// Returns the code, when it is well-formed.
    #[must_use]
    pub fn code(&self) -> Option<&ReferralCode> {
        match self {
            Self::Signed(planted) => Some(&planted.code),
            Self::Bare(code) => Some(code),
            Self::Invalid => None,
        }
    }

    /// Returns the planted code, when it is signed.
    #[must_use]
    pub fn planted(&self) -> Option<&PlantedCode> {
        match self {
            Self::Signed(planted) => Some(planted),
            Self::Bare(_) | Self::Invalid => None,
        }
    }
}

/// A referral code that was planted in a visitor's cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlantedCode {
    /// The code in the spelling of the link.
    pub code: ReferralCode,
    /// The time of the touch, at which the attribution window begins.
    pub touched_at: Timestamp,
    /// The id of the touch that the code came from.
    pub touch_id: TouchId,
}

/// The first touch of a visitor, as the `whence_touch` cookie holds it. The fields belong together:
/// one that was unknown at that touch stays unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstTouch {
    /// The id of the touch.
    pub touch_id: TouchId,
    /// The time of the touch.
    pub touched_at: Timestamp,
    /// The path of the page.
    pub landing_page: String,
    /// The referring page, when it was of another site, as far as it is kept.
    pub referrer_url: Option<String>,
    /// The campaign parameters.
    pub utm: Utm,
    /// The ids of clicks and campaigns of advertisers.
    pub click_ids: ClickIds,
    /// The creator whose page it was.
    pub creator: Option<Handle>,
    /// The country of the IP address.
    pub country: Option<Country>,
    /// The consent of the visitor at that time.
    pub consent: Consent,
}

/// The operator's settings for landings.
#[derive(Clone, Debug, Default)]
pub struct LandingRules {
    /// The attribution model, which tells which code wins.
    pub model: Model,
    /// The attribution window.
    pub window: Window,
    /// The landings that are recorded as events.
    pub record: Record,
    /// The hosts of the platform itself.
    pub own_hosts: Hosts,
    /// The hosts that visitors pass through on their way back (payment, OAuth).
    pub excluded_hosts: Hosts,
    /// How much of a referring page is kept.
    pub referrer_detail: ReferrerDetail,
}

/// The attribution model: which code wins when a visitor who carries one brings another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Model {
    /// The code that the visitor carries.
    #[default]
    First,
    /// The new code.
    Last,
}

/// The landings that are recorded as events. The cookies are the same in each case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Record {
    /// All landings, direct first visits included.
    All,
    /// The landings with a code, a campaign, a creator or a link from another site.
    #[default]
    Campaign,
    /// No landing.
    None,
}

/// The attribution window, for which a touch counts: 1 to 400 whole days (browsers keep no cookie
/// longer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(u16);

impl Window {
    /// Returns a window of `days` days; `None` outside of 1 to 400.
    #[must_use]
    pub const fn from_days(days: u16) -> Option<Self> {
        match days {
            1..=400 => Some(Self(days)),
            _ => None,
        }
    }

    /// Returns the length of the window.
    #[must_use]
    pub const fn length(self) -> Duration {
        Duration::from_secs(self.0 as u64 * 86_400)
    }

    fn holds(self, touched_at: Timestamp, now: Timestamp) -> bool {
        now.since(touched_at) <= self.length()
    }
}

impl Default for Window {
    fn default() -> Self {
        Self(30)
    }
}

/// The reason why a request is not a touch. There is a counter for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// The method is not GET.
    NotGet,
    /// The browser fetched the page ahead of a visit that may never happen.
    Speculative,
    /// The request is for a frame, an image or a script: planting a code there is cookie stuffing.
    NotTopLevel,
    /// A visitor with a live first touch viewed an ordinary page.
    PageView,
    /// The visitor denied consent.
    Refused,
}

impl Ignored {
    /// All reasons, in order of declaration.
    pub const ALL: [Self; 5] =
        [Self::NotGet, Self::Speculative, Self::NotTopLevel, Self::PageView, Self::Refused];

    /// Returns the name of the counter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotGet => "not_get",
            Self::Speculative => "speculative",
            Self::NotTopLevel => "not_top_level",
            Self::PageView => "page_view",
            Self::Refused => "refused",
        }
    }
}

/// The `?ref=` parameter of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefParam {
    /// The parameter is absent.
    Absent,
    /// The parameter is not a well-formed code.
    Malformed,
    /// A well-formed code, issued or not.
    Code(ReferralCode),
}

impl RefParam {
    /// Returns the code, when it is well-formed.
    #[must_use]
    pub fn code(&self) -> Option<&ReferralCode> {
        match self {
            Self::Code(code) => Some(code),
            Self::Absent | Self::Malformed => None,
        }
    }
}

/// The facts about a visitor that are only worth looking up for a touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// The kind of device.
    pub device_class: Option<DeviceClass>,
    /// The country of the IP address.
    pub country: Option<Country>,
    /// Whether the visitor is a bot.
    pub bot: bool,
    /// The version of the rules that say so; 0: there were none.
    pub bot_rules_version: u16,
}

/// A touch that is to be recorded. Before it is written to the log, the status and the owner of its
/// code and the creator are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedTouch {
    /// The id of the touch.
    pub touch_id: TouchId,
    /// The visitor's first touch: this one, or the one in the visitor's cookie.
    pub first_touch_id: TouchId,
    /// The time of the touch.
    pub occurred_at: Timestamp,
    /// The `?ref=` parameter of a page.
    pub referral: RefParam,
    /// Further well-formed codes of the same query, at most [`MAX_OTHER_CODES`].
    pub other_codes: Vec<ReferralCode>,
    /// The creator whose page it was.
    pub creator: Option<Handle>,
    /// The path of the page.
    pub landing_page: String,
    /// The referring page in the clear, when it is of another site, as far as it is kept.
    pub referrer_url: Option<String>,
    /// The kind of the `Referer`.
    pub referrer_kind: ReferrerKind,
    /// The campaign parameters.
    pub utm: Utm,
    /// The ids of clicks and campaigns of advertisers.
    pub click_ids: ClickIds,
    /// The facts about the visitor.
    pub visitor: Visitor,
    /// The consent of the visitor.
    pub consent: Consent,
    /// Whether it is a repetition that is not counted as a click. The caller decides that, because
    /// it takes a memory of the last hour.
    pub deduplicated: bool,
    /// The `Sec-Fetch-Site` header.
    pub fetch_site: Option<FetchSite>,
    /// The `User-Agent` header in the clear, at most 512 bytes.
    pub agent: Option<String>,
    /// Whether the client said the landing itself at the start of a login.
    pub said_by_client: bool,
}

/// The effects of a touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The content of the `ref_code` cookie to set.
    pub plant_code: Option<PlantedCode>,
    /// The content of the `whence_touch` cookie to set.
    pub plant_first: Option<FirstTouch>,
    /// The touch to record.
    pub record: Option<RecordedTouch>,
}

impl Navigation<'_> {
    /// Checks that the request is a visitor's navigation to a whole page.
    pub fn check(&self) -> Result<(), Ignored> {
        if self.method != "GET" {
            return Err(Ignored::NotGet);
        }
        let ahead = |purpose: &str| {
            let purpose = purpose.to_ascii_lowercase();
            ["prefetch", "prerender", "preview"].iter().any(|word| purpose.contains(word))
        };
        if self.purposes.into_iter().flatten().any(ahead) {
            return Err(Ignored::Speculative);
        }
        match (self.fetch_mode, self.fetch_dest) {
            // Browsers before 2020 (Safari: 2023), and all of them over plain http, send neither.
            (Some("navigate"), Some("document")) | (None, None) => Ok(()),
            _ => Err(Ignored::NotTopLevel),
        }
    }
}

/// A landing that is decided, before the facts about the visitor are looked up.
#[derive(Clone, Debug)]
pub struct Arrival {
    found: page::PageFacts,
    referrer: referrer::Referrer,
    landing_page: String,
    fetch_site: Option<FetchSite>,
    consent: Consent,
    now: Timestamp,
    model: Model,
    /// The code that the visitor carries, while it is live.
    held: Option<HeldCode>,
    /// Whether the new code is planted, once that was decided by what is on record.
    settled: Option<bool>,
    /// The visitor's first touch, while it is live.
    known: Option<TouchId>,
    recorded: bool,
}

/// Decides what a request means: a landing, or the reason why it is ignored.
pub fn arrive(request: &PageRequest<'_>, rules: &LandingRules) -> Result<Arrival, Ignored> {
    request.navigation.check()?;
    if request.consent == Consent::Denied {
        return Err(Ignored::Refused);
    }
    let landing_page = page::address::landing_path(request.path);
    let found = page::find(&landing_page, request.query, request.fragment);
    let referrer = referrer::judge(request.referrer, request.host, rules);
    let says_something = found.says_something() || referrer.kind == ReferrerKind::Foreign;
    let now = request.now;
    let first = request.first_touch.as_ref();
    let known = first.filter(|first| rules.window.holds(first.touched_at, now));
    if known.is_some() && !says_something {
        return Err(Ignored::PageView);
    }
    Ok(Arrival {
        model: rules.model,
        held: held_code(request, rules),
        settled: None,
        known: known.map(|first| first.touch_id),
        recorded: match rules.record {
            Record::All => true,
            Record::Campaign => says_something,
            Record::None => false,
        },
        landing_page,
        fetch_site: request.navigation.fetch_site.and_then(FetchSite::parse),
        consent: request.consent,
        found,
        referrer,
        now,
    })
}

impl Arrival {
    /// Returns the code of the link, when it is well-formed.
    #[must_use]
    pub fn code(&self) -> Option<&ReferralCode> {
        self.found.referral.code()
    }

    /// Returns the first touch of the visitor, when they were here before.
    #[must_use]
    pub fn known_visitor(&self) -> Option<TouchId> {
        self.known
    }

    /// Returns whether the touch is to be recorded.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// Has the touch recorded whatever the settings say, because no cookie carries it.
    pub fn keep_record(&mut self) {
        self.recorded = true;
    }

    /// Takes the visitor for somebody who was never here, because what was known of them is erased.
    pub fn forget_visitor(&mut self) {
        self.known = None;
    }

    /// Returns the cookies to set and the touch to record. A bot gets the same cookies: a person
    /// misjudged as a bot must not cost the referrer the credit.
    #[must_use]
    pub fn touch(self, touch_id: TouchId, visitor: Visitor) -> Touch {
        let wins = self.plants_code();
        let code = self.found.referral.code().filter(|_| wins);
        let plant_code =
            code.map(|code| PlantedCode { code: code.clone(), touched_at: self.now, touch_id });
        let plant_first = self.known.is_none().then(|| FirstTouch {
            touch_id,
            touched_at: self.now,
            landing_page: self.landing_page.clone(),
            referrer_url: self.referrer.url.clone(),
            utm: self.found.utm.clone(),
            click_ids: self.found.click_ids.clone(),
            creator: self.found.creator.clone(),
            country: visitor.country,
            consent: self.consent,
        });
        let record = self.recorded.then_some(RecordedTouch {
            touch_id,
            first_touch_id: self.known.unwrap_or(touch_id),
            occurred_at: self.now,
            referral: self.found.referral,
            other_codes: self.found.other_codes,
            creator: self.found.creator,
            landing_page: self.landing_page,
            referrer_url: self.referrer.url,
            referrer_kind: self.referrer.kind,
            utm: self.found.utm,
            click_ids: self.found.click_ids,
            visitor,
            consent: self.consent,
            deduplicated: false,
            fetch_site: self.fetch_site,
            agent: None,
            said_by_client: false,
        });
        Touch { plant_code, plant_first, record }
    }
}
