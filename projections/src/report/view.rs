//! Which views there are, and what each of them can be grouped by.

use super::dimension::Dimension as D;
use super::error::InvalidQuery;
use super::table::{Column, Kind};

/// A view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// Accounts, by whence they came.
    Signups,
    /// The sites that visitors came from.
    Domains,
    /// From landing to attribution, with all that went wrong on the way.
    Funnel,
    /// Who refers, and what comes of it.
    Referrers,
    /// Creators' pages, and what comes of them.
    Creators,
    /// The shape of the referral tree.
    Tree,
    /// How many accounts each account brings, and how fast.
    Viral,
    /// How long a visitor takes to become an account.
    TimeToSignup,
    /// Who comes back, week by week.
    Retention,
    /// First touch against last touch.
    Models,
}

/// What there is to know about a view.
struct Spec {
    name: &'static str,
    title: &'static str,
    about: &'static str,
    /// What it is grouped by unless asked otherwise.
    by: &'static [D],
    /// What else it can be grouped by, and what `where` takes besides.
    more: &'static [D],
    /// Is grouped by this whatever is asked: without it the numbers would be sums of unlike things.
    always: Option<D>,
    measures: &'static [Column],
}

/// What every view of accounts can be grouped by.
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
    about: "landings and accounts by the registrable domain of the site they came from",
    by: &[D::ReferrerDomain],
    more: &[D::Day, D::Week],
    always: None,
    measures: &[count("landings"), count("signups")],
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

const REFERRERS: Spec = Spec {
    name: "referrers",
    title: "Referrers",
    about: "clicks on each user's codes, accounts that came with one, and those attributed",
    by: &[D::Referrer],
    more: &[D::Day, D::Week],
    always: None,
    measures: &[count("clicks"), count("signups"), count("attributed"), ratio("rate")],
};

const CREATORS: Spec = Spec {
    name: "creators",
    title: "Creators",
    about: "clicks on each creator's pages, accounts that began there, and those attributed",
    by: &[D::Creator],
    more: &[D::Day, D::Week],
    always: None,
    measures: &[count("clicks"), count("signups"), count("attributed"), ratio("rate")],
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
    about: "by week of registration: accounts with a session opened or extended n weeks later",
    by: &[D::Cohort, D::WeeksLater],
    more: ORIGIN,
    always: Some(D::WeeksLater),
    measures: &[count("users"), count("active"), ratio("rate")],
};

const MODELS: Spec = Spec {
    name: "models",
    title: "First touch against last touch",
    about: "accounts by channel when the first touch counts, and when the last one does",
    by: &[D::Channel],
    more: &[],
    always: None,
    measures: &[
        count("first_touch"),
        count("last_touch"),
        ratio("first_touch_share"),
        ratio("last_touch_share"),
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

    /// The view of this name.
    ///
    /// # Errors
    /// One sentence that lists the views.
    pub fn parse(name: &str) -> Result<Self, InvalidQuery> {
        let known = Self::ALL.into_iter().find(|view| view.name() == name);
        known.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|view| view.name()).collect();
            InvalidQuery(format!("there is no view {name:?}; there are {}", names.join(", ")))
        })
    }

    /// Its name, as it is asked for.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// Its title, for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.spec().title
    }

    /// What it shows, in a line.
    #[must_use]
    pub const fn about(self) -> &'static str {
        self.spec().about
    }

    /// What it is grouped by unless asked otherwise.
    #[must_use]
    pub const fn default_by(self) -> &'static [D] {
        self.spec().by
    }

    /// All that it can be grouped by.
    pub fn dimensions(self) -> impl Iterator<Item = D> {
        let spec = self.spec();
        spec.by.iter().chain(spec.more).copied()
    }

    /// What it counts: the columns behind those it is grouped by.
    #[must_use]
    pub const fn measures(self) -> &'static [Column] {
        self.spec().measures
    }

    /// What it is grouped by whatever is asked.
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
