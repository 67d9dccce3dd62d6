//! What rows are told apart by.

use whence_events::{Country, DeviceClass};

use super::atom::Atom;
use super::channel::Channel;
use super::facts::Facts;
use super::stage::Stage;
use super::table::{Cell, Column, Kind};
use super::zone;

/// Something that rows are told apart by, and filtered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// The day in the report's time zone.
    Day,
    /// The Monday of the week in the report's time zone.
    Week,
    /// `utm_source` of the first touch.
    Source,
    /// `utm_medium` of the first touch.
    Medium,
    /// `utm_campaign` of the first touch.
    Campaign,
    /// Kind of traffic.
    Channel,
    /// Country of the request that registered.
    Country,
    /// Kind of device of the request that registered.
    Device,
    /// Path of the first touch.
    LandingPage,
    /// Registrable domain of the `Referer`; `(none)`: there was no foreign one.
    ReferrerDomain,
    /// Step of the funnel.
    Stage,
    /// The owner of a referral code.
    Referrer,
    /// The creator on whose page a touch was.
    Creator,
    /// Part of the view of the tree.
    Part,
    /// What of that part.
    Which,
    /// The Monday of the week of registration.
    Cohort,
    /// Weeks since that one.
    WeeksLater,
    /// Whether the first touch is known.
    FirstTouch,
}

/// What [`Dimension::Part`] says.
pub(super) const PARTS: [&str; 3] = ["depth", "subtree", "cycles"];

/// What [`Dimension::FirstTouch`] says, when it does.
const KNOWN: &str = "known";

impl Dimension {
    /// Its name: that of its column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Source => "source",
            Self::Medium => "medium",
            Self::Campaign => "campaign",
            Self::Channel => "channel",
            Self::Country => "country",
            Self::Device => "device",
            Self::LandingPage => "landing_page",
            Self::ReferrerDomain => "referrer_domain",
            Self::Stage => "stage",
            Self::Referrer => "referrer",
            Self::Creator => "creator",
            Self::Part => "part",
            Self::Which => "which",
            Self::Cohort => "cohort",
            Self::WeeksLater => "weeks_later",
            Self::FirstTouch => "first_touch",
        }
    }

    /// Its column.
    #[must_use]
    pub const fn column(self) -> Column {
        let kind = match self {
            Self::Day | Self::Week | Self::Cohort => Kind::Day,
            Self::WeeksLater => Kind::Count,
            Self::Source
            | Self::Medium
            | Self::Campaign
            | Self::Channel
            | Self::Country
            | Self::Device
            | Self::LandingPage
            | Self::ReferrerDomain
            | Self::Stage
            | Self::Referrer
            | Self::Creator
            | Self::Part
            | Self::Which
            | Self::FirstTouch => Kind::Text,
        };
        Column::new(self.name(), kind)
    }

    /// Whether rows run in its order; by other ones they run from the most to the least.
    pub(super) const fn has_an_order(self) -> bool {
        match self {
            Self::Day | Self::Week | Self::Cohort | Self::WeeksLater | Self::Stage | Self::Part => {
                true
            }
            Self::Source
            | Self::Medium
            | Self::Campaign
            | Self::Channel
            | Self::Country
            | Self::Device
            | Self::LandingPage
            | Self::ReferrerDomain
            | Self::Referrer
            | Self::Creator
            | Self::Which
            | Self::FirstTouch => false,
        }
    }

    /// The words it takes, where they are a closed set.
    pub(super) fn words(self) -> Option<Vec<String>> {
        match self {
            Self::Channel => Some(Channel::ALL.iter().map(|c| c.as_str().to_owned()).collect()),
            Self::Device => Some(DeviceClass::ALL.iter().map(|d| d.as_str().to_owned()).collect()),
            Self::Stage => Some(Stage::all().map(Stage::name).collect()),
            Self::Part => Some(PARTS.map(str::to_owned).to_vec()),
            Self::FirstTouch => Some(vec![KNOWN.to_owned()]),
            Self::Day
            | Self::Week
            | Self::Cohort
            | Self::WeeksLater
            | Self::Source
            | Self::Medium
            | Self::Campaign
            | Self::Country
            | Self::LandingPage
            | Self::ReferrerDomain
            | Self::Referrer
            | Self::Creator
            | Self::Which => None,
        }
    }

    /// What a value of it looks like to people.
    pub(super) fn cell(self, atom: Atom, facts: &Facts) -> Cell {
        if atom == Atom::UNKNOWN {
            return Cell::Unknown;
        }
        let index = atom.0 as usize;
        match self {
            Self::Day | Self::Week | Self::Cohort => Cell::Day(atom.day()),
            Self::Source
            | Self::Medium
            | Self::Campaign
            | Self::LandingPage
            | Self::ReferrerDomain => Cell::Text(facts.texts.name(atom).to_owned()),
            Self::Referrer | Self::Creator => Cell::Text(facts.users.id(atom).to_string()),
            Self::Country => Cell::from(atom.country().as_ref().map(Country::as_str)),
            Self::Channel => Cell::from(Channel::ALL.get(index).map(|channel| channel.as_str())),
            Self::Device => Cell::from(DeviceClass::ALL.get(index).map(|device| device.as_str())),
            Self::Stage => Stage::all().nth(index).map_or(Cell::Unknown, |s| Cell::Text(s.name())),
            Self::Part => Cell::from(PARTS.get(index).copied()),
            Self::FirstTouch => Cell::Text(KNOWN.to_owned()),
            Self::WeeksLater | Self::Which => Cell::Count(atom.0.into()),
        }
    }

    /// The value that people write so; `None` when no fact has it.
    pub(super) fn atom(self, text: &str, facts: &Facts) -> Option<Atom> {
        match self {
            Self::Day | Self::Week | Self::Cohort => Some(Atom::of_day(zone::parse_day(text)?)),
            Self::WeeksLater | Self::Which => text.parse().ok().map(Atom),
            Self::Source
            | Self::Medium
            | Self::Campaign
            | Self::LandingPage
            | Self::ReferrerDomain => facts.texts.find(text),
            Self::Referrer | Self::Creator => facts.users.find(text.parse().ok()?),
            Self::Country => Country::parse(text).map(|country| Atom::of_country(Some(country))),
            Self::Channel | Self::Device | Self::Stage | Self::Part | Self::FirstTouch => {
                let words = self.words().unwrap_or_default();
                let index = words.iter().position(|word| word == text)?;
                Some(Atom(u32::try_from(index).ok()?))
            }
        }
    }
}
