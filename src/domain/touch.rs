//! What a landing means: the landing table of the attribution rules, as a pure function.
//!
//! It runs in three steps, so that the many requests that are no landing cost next to nothing:
//! [`Navigation::check`] looks at the kind of request, [`arrive`] at the page and the visitor's
//! cookies, and [`Arrival::touch`] adds what had to be looked up or made.

mod page;
pub mod recorded;
mod referrer;
#[cfg(test)]
mod tests;

use std::time::Duration;

use whence_events::{
    ClickIds, Consent, Country, DeviceClass, FetchSite, Handle, ReferralCode, ReferrerKind,
    Timestamp, TouchId, Utm,
};

pub use page::MAX_OTHER_CODES;
pub use referrer::{Hosts, registrable_domain, same_host};

/// What a request says about why it was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Navigation<'a> {
    /// The method.
    pub method: &'a str,
    /// `Sec-Fetch-Mode`
    pub fetch_mode: Option<&'a str>,
    /// `Sec-Fetch-Dest`
    pub fetch_dest: Option<&'a str>,
    /// `Sec-Fetch-Site`
    pub fetch_site: Option<&'a str>,
    /// `Sec-Purpose`, `Purpose`, `X-Purpose` and `X-Moz`, in any order.
    pub purposes: [Option<&'a str>; 4],
}

/// The facts of a request that may be a landing.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Why it was made.
    pub navigation: Navigation<'a>,
    /// Path of the page.
    pub path: &'a str,
    /// Query of the page, without the question mark.
    pub query: &'a str,
    /// The `Referer`.
    pub referrer: Option<&'a str>,
    /// Host that the page was asked of.
    pub host: Option<&'a str>,
    /// The visitor's `ref_code` cookie.
    pub ref_code: Option<RefCode>,
    /// The visitor's `whence_touch` cookie, when its signature is right.
    pub first_touch: Option<FirstTouch>,
    /// What the visitor agreed to.
    pub consent: Consent,
    /// Now.
    pub now: Timestamp,
}

/// What a `ref_code` cookie says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefCode {
    /// Planted and signed by whence.
    Signed(PlantedCode),
    /// A bare code, as other systems plant it: believed, and marked as unsigned.
    Bare(ReferralCode),
    /// Bad shape or bad signature.
    Invalid,
}

impl RefCode {
    /// The code, when there is a well-formed one.
    #[must_use]
    pub fn code(&self) -> Option<&ReferralCode> {
        match self {
            Self::Signed(planted) => Some(&planted.code),
            Self::Bare(code) => Some(code),
            Self::Invalid => None,
        }
    }

    /// The landing, as far as whence signed for it.
    #[must_use]
    pub fn planted(&self) -> Option<&PlantedCode> {
        match self {
            Self::Signed(planted) => Some(planted),
            Self::Bare(_) | Self::Invalid => None,
        }
    }
}

/// A code that a visitor carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlantedCode {
    /// As it stood in the link.
    pub code: ReferralCode,
    /// When the window began.
    pub touched_at: Timestamp,
    /// The landing it came from.
    pub touch_id: TouchId,
}

/// Whence a visitor first came: one tuple, what was not known then included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstTouch {
    /// The landing.
    pub touch_id: TouchId,
    /// When it was.
    pub touched_at: Timestamp,
    /// Path of the page.
    pub landing_page: String,
    /// The `Referer`, when it was another site's.
    pub referrer_url: Option<String>,
    /// Campaign parameters.
    pub utm: Utm,
    /// Advertisers' click ids.
    pub click_ids: ClickIds,
    /// The creator whose page it was.
    pub creator: Option<Handle>,
    /// Country of the address.
    pub country: Option<Country>,
    /// What the visitor had agreed to.
    pub consent: Consent,
}

/// The operator's choices.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Which code wins.
    pub model: Model,
    /// How long a touch counts.
    pub window: Window,
    /// Which landings become events.
    pub record: Record,
    /// Hosts of the platform itself.
    pub own_hosts: Hosts,
    /// Hosts that visitors pass through on their way back (payment, OAuth).
    pub excluded_hosts: Hosts,
}

/// Which code wins when another one comes while one is live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Model {
    /// The one that was there.
    #[default]
    First,
    /// The one that came.
    Last,
}

/// Which landings become events. The cookies are the same in each case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Record {
    /// Direct first visits as well.
    All,
    /// Those with a code, a campaign, a creator or another site's link.
    #[default]
    Campaign,
    /// None.
    None,
}

/// How long a touch counts: whole days, 1 to 400 (browsers keep no cookie longer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window(u16);

impl Window {
    /// `None` outside of 1 to 400.
    #[must_use]
    pub const fn from_days(days: u16) -> Option<Self> {
        match days {
            1..=400 => Some(Self(days)),
            _ => None,
        }
    }

    /// Its length.
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

/// Why a request is no touch. Each is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// Not a GET.
    NotGet,
    /// The browser fetched the page ahead of a visit that may never be made.
    Speculative,
    /// A frame, an image, a script: planting a code there is cookie stuffing.
    NotTopLevel,
    /// A visitor who is known already, on an ordinary page.
    PageView,
    /// The visitor refused to be followed.
    Refused,
}

impl Ignored {
    /// Every reason, in order of declaration.
    pub const ALL: [Self; 5] =
        [Self::NotGet, Self::Speculative, Self::NotTopLevel, Self::PageView, Self::Refused];

    /// The name of its counter.
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

/// What stood in `?ref=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefParam {
    /// There was none.
    Absent,
    /// Not a code.
    Malformed,
    /// A code, whether it was issued or not.
    Code(ReferralCode),
}

impl RefParam {
    /// The code, when there is one.
    #[must_use]
    pub fn code(&self) -> Option<&ReferralCode> {
        match self {
            Self::Code(code) => Some(code),
            Self::Absent | Self::Malformed => None,
        }
    }
}

/// What is known of the client, and only worth finding out for a touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// Kind of device.
    pub device_class: Option<DeviceClass>,
    /// Country of the address.
    pub country: Option<Country>,
    /// Whether it is a bot.
    pub bot: bool,
    /// Rules that said so; 0: no bot rules were in force.
    pub bot_rules_version: u16,
}

/// A landing as it goes to whoever writes it into the log, who looks up what the code is, who owns
/// it and who the creator is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedTouch {
    /// The landing.
    pub touch_id: TouchId,
    /// The visitor's first: this one, or the one that they carry.
    pub first_touch_id: TouchId,
    /// When it was.
    pub occurred_at: Timestamp,
    /// What stood in `?ref=`.
    pub referral: RefParam,
    /// Further well-formed codes of the same query, at most [`MAX_OTHER_CODES`].
    pub other_codes: Vec<ReferralCode>,
    /// The creator whose page it was.
    pub creator: Option<Handle>,
    /// Path of the page.
    pub landing_page: String,
    /// The `Referer` in the clear, when it is another site's.
    pub referrer_url: Option<String>,
    /// What the `Referer` was.
    pub referrer_kind: ReferrerKind,
    /// Campaign parameters.
    pub utm: Utm,
    /// Advertisers' click ids.
    pub click_ids: ClickIds,
    /// What is known of the client.
    pub visitor: Visitor,
    /// What the visitor agreed to.
    pub consent: Consent,
    /// Not another click. Decided outside: it takes a memory of the last hour.
    pub deduplicated: bool,
    /// `Sec-Fetch-Site`
    pub fetch_site: Option<FetchSite>,
}

/// What a touch leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The `ref_code` cookie to set.
    pub plant_code: Option<PlantedCode>,
    /// The `whence_touch` cookie to set.
    pub plant_first: Option<FirstTouch>,
    /// The event to record.
    pub record: Option<RecordedTouch>,
}

impl Navigation<'_> {
    /// Whether somebody went to a page with this, and sees it as the whole page.
    ///
    /// # Errors
    /// Why it is no such request.
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

/// A landing whose meaning is clear, before the visitor is looked at.
#[derive(Clone, Debug)]
pub struct Arrival {
    found: page::Found,
    referrer: referrer::Referrer,
    landing_page: String,
    fetch_site: Option<FetchSite>,
    consent: Consent,
    now: Timestamp,
    plants_code: bool,
    /// The visitor's first touch, while it is live.
    known: Option<TouchId>,
    recorded: bool,
}

/// What a request means.
///
/// # Errors
/// Why it is no touch.
pub fn arrive(request: &Request<'_>, rules: &Rules) -> Result<Arrival, Ignored> {
    request.navigation.check()?;
    if request.consent == Consent::Denied {
        return Err(Ignored::Refused);
    }
    let found = page::find(request.path, request.query);
    let referrer = referrer::judge(request.referrer, request.host, rules);
    let says_something = found.says_something() || referrer.kind == ReferrerKind::Foreign;
    let now = request.now;
    let first = request.first_touch.as_ref();
    let known = first.filter(|first| rules.window.holds(first.touched_at, now));
    if known.is_some() && !says_something {
        return Err(Ignored::PageView);
    }
    Ok(Arrival {
        plants_code: plants_code(found.referral.code(), request, rules),
        known: known.map(|first| first.touch_id),
        recorded: match rules.record {
            Record::All => true,
            Record::Campaign => says_something,
            Record::None => false,
        },
        landing_page: page::clean_url(request.path).unwrap_or_else(|| "/".to_owned()),
        fetch_site: request.navigation.fetch_site.and_then(FetchSite::parse),
        consent: request.consent,
        found,
        referrer,
        now,
    })
}

/// A code is planted unless it would take the place of another that is still live.
fn plants_code(code: Option<&ReferralCode>, request: &Request<'_>, rules: &Rules) -> bool {
    let Some(code) = code else {
        return false;
    };
    let held = match &request.ref_code {
        Some(RefCode::Signed(held)) => {
            let live = rules.window.holds(held.touched_at, request.now);
            live.then_some(&held.code)
        }
        // It does not say since when; the browser drops it when its time is over.
        Some(RefCode::Bare(held)) => Some(held),
        Some(RefCode::Invalid) | None => None,
    };
    match rules.model {
        Model::Last => true,
        Model::First => held.is_none_or(|held| held.folded() == code.folded()),
    }
}

impl Arrival {
    /// The code of the link, when it is well-formed.
    #[must_use]
    pub fn code(&self) -> Option<&ReferralCode> {
        self.found.referral.code()
    }

    /// The cookies and the event. A bot gets the same cookies: a person misjudged as a bot must not
    /// lose their referrer the credit.
    #[must_use]
    pub fn touch(self, touch_id: TouchId, visitor: Visitor) -> Touch {
        let code = self.found.referral.code().filter(|_| self.plants_code);
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
        });
        Touch { plant_code, plant_first, record }
    }
}
