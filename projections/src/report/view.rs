//! The views, and the dimensions that each of them can be grouped by.

use super::dimension::Dimension as D;
use super::error::InvalidQuery;
use super::table::{Column, Kind};

/// A question that a report answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// Accounts by where they came from.
    Signups,
    /// The sites that visitors came from.
    Domains,
    /// The way from landing to attribution, with all that went wrong.
    Funnel,
    /// The referrers, and the accounts that came by their codes.
    Referrers,
    /// The pages of creators, and the accounts that began there.
    Creators,
    /// The shape of the referral tree.
    Tree,
    /// How many accounts each account brings, and how fast.
    Viral,
    /// How long a visitor takes to become an account.
    TimeToSignup,
    /// The accounts that come back, week by week.
    Retention,
    /// How models share the credit for accounts among their touches.
    Models,
}

/// The description of a view.
struct Spec {
    name: &'static str,
    title: &'static str,
    about: &'static str,
    /// The dimensions that it is grouped by when a query names none.
    by: &'static [D],
    /// The other dimensions that it can be grouped by and filtered by.
    more: &'static [D],
    /// The dimension that it is grouped by in any case: without it, unlike things would be summed.
    always: Option<D>,
    measures: &'static [Column],
}

/// The dimensions that every view of accounts can be grouped by.
const ORIGIN: &[D] = &[
    D::Day,
    D::Week,
    D::Source,
    D::Medium,
    D::Campaign,
    D::Channel,
    D::Country,
    D::Device,
    D::LandingPage,
    D::ReferrerDomain,
];

const fn count(name: &'static str) -> Column {
    Column::new(name, Kind::Count)
}

const fn credit(name: &'static str) -> Column {
    Column::new(name, Kind::Credit)
}

const fn ratio(name: &'static str) -> Column {
    Column::new(name, Kind::Ratio)
}

const fn seconds(name: &'static str) -> Column {
    Column::new(name, Kind::Seconds)
}

const SIGNUPS: Spec = Spec {
    name: "signups",
    title: "Signups",
    about: "accounts by day, source, medium, campaign, channel, country, device and landing page",
    by: &[
        D::Day,
        D::Source,
        D::Medium,
        D::Campaign,
        D::Channel,
        D::Country,
        D::Device,
        D::LandingPage,
    ],
    more: &[D::Week, D::ReferrerDomain],
    always: None,
    measures: &[count("signups")],
};

const DOMAINS: Spec = Spec {
    name: "domains",
    title: "Referrer domains",
    about: "landings, clicks, visitors and accounts by the registrable domain of the site they came from",
    by: &[D::ReferrerDomain],
    more: &[D::Day, D::Week],
    always: None,
    measures: &[count("landings"), count("signups"), count("clicks"), count("visitors")],
};

const FUNNEL: Spec = Spec {
    name: "funnel",
    title: "Funnel",
    about: "landing, code requested, delivered, verified, registered, attributed; every refusal",
    by: &[D::Stage],
    more: &[D::Day, D::Week],
    always: Some(D::Stage),
    measures: &[count("count"), ratio("of_previous")],
};

/// The measures of what clicks led to.
const CLICKS: &[Column] = &[
    count("clicks"),
    count("signups"),
    count("attributed"),
    ratio("rate"),
    count("landings"),
    count("visitors"),
];

const REFERRERS: Spec = Spec {
    name: "referrers",
    title: "Referrers",
    about: "clicks on each user's codes, accounts that came with one, and those attributed",
    by: &[D::Referrer],
    more: &[D::Day, D::Week],
    always: None,
    measures: CLICKS,
};

const CREATORS: Spec = Spec {
    name: "creators",
    title: "Creators",
    about: "clicks on each creator's pages, accounts that began there, and those attributed",
    by: &[D::Creator],
    more: &[D::Day, D::Week],
    always: None,
    measures: CLICKS,
};

const TREE: Spec = Spec {
    name: "tree",
    title: "Referral tree",
    about: "accounts by depth in the referral tree, the largest subtrees, accounts on a cycle",
    by: &[D::Part, D::Which],
    more: &[],
    always: Some(D::Which),
    measures: &[count("users")],
};

const VIRAL: Spec = Spec {
    name: "viral",
    title: "Viral coefficient",
    about: "by week of registration: attributed invitees per account (k), and how long they took",
    by: &[D::Cohort],
    more: ORIGIN,
    always: None,
    measures: &[
        count("users"),
        count("inviters"),
        count("invitees"),
        ratio("k"),
        seconds("cycle_p50"),
    ],
};

const TIME_TO_SIGNUP: Spec = Spec {
    name: "time-to-signup",
    title: "Time from first touch to signup",
    about: "from first touch to account: p50, p90, p99, share in the last tenth of the window",
    by: &[D::FirstTouch],
    more: ORIGIN,
    always: None,
    measures: &[
        count("signups"),
        seconds("p50"),
        seconds("p90"),
        seconds("p99"),
        ratio("last_tenth"),
    ],
};

const RETENTION: Spec = Spec {
    name: "retention",
    title: "Weekly retention",
    about: "by week of registration: accounts with a session that was in use n weeks later",
    by: &[D::Cohort, D::WeeksLater],
    more: ORIGIN,
    always: Some(D::WeeksLater),
    measures: &[count("users"), count("active"), ratio("rate"), count("known")],
};

const MODELS: Spec = Spec {
    name: "models",
    title: "Attribution models",
    about: "accounts by what led to them, as eight models share the credit among their touches",
    by: &[D::Channel],
    more: &[D::Source, D::Medium, D::Campaign, D::LandingPage, D::Creator],
    always: None,
    measures: &[
        count("first_touch"),
        count("last_touch"),
        ratio("first_touch_share"),
        ratio("last_touch_share"),
        count("last_non_direct"),
        credit("linear"),
        credit("position_based"),
        credit("time_decay"),
        credit("markov"),
        credit("shapley"),
    ],
};

impl View {
    /// Every view, in reading order.
    pub const ALL: [Self; 10] = [
        Self::Signups,
        Self::Domains,
        Self::Funnel,
        Self::Referrers,
        Self::Creators,
        Self::Tree,
        Self::Viral,
        Self::TimeToSignup,
        Self::Retention,
        Self::Models,
    ];

    /// Returns the view of this name; the error lists the views.
    pub fn parse(name: &str) -> Result<Self, InvalidQuery> {
        let known = Self::ALL.into_iter().find(|view| view.name() == name);
        known.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|view| view.name()).collect();
            InvalidQuery(format!("there is no view {name:?}; there are {}", names.join(", ")))
        })
    }

    /// Returns its name, as queries use it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// Returns its title, for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.spec().title
    }

    /// Returns a line that describes it.
    #[must_use]
    pub const fn about(self) -> &'static str {
        self.spec().about
    }

    /// Returns the dimensions that it is grouped by when a query names none.
    #[must_use]
    pub const fn default_by(self) -> &'static [D] {
        self.spec().by
    }

    /// Returns all dimensions that it can be grouped by.
    pub fn dimensions(self) -> impl Iterator<Item = D> {
        let spec = self.spec();
        spec.by.iter().chain(spec.more).copied()
    }

    /// Returns its measures: the columns after those it is grouped by.
    #[must_use]
    pub const fn measures(self) -> &'static [Column] {
        self.spec().measures
    }

    /// Returns the dimension that it is grouped by in any case.
    pub(super) const fn always(self) -> Option<D> {
        self.spec().always
    }

    const fn spec(self) -> &'static Spec {
        match self {
            Self::Signups => &SIGNUPS,
            Self::Domains => &DOMAINS,
            Self::Funnel => &FUNNEL,
            Self::Referrers => &REFERRERS,
            Self::Creators => &CREATORS,
            Self::Tree => &TREE,
            Self::Viral => &VIRAL,
            Self::TimeToSignup => &TIME_TO_SIGNUP,
            Self::Retention => &RETENTION,
            Self::Models => &MODELS,
        }
    }
}
