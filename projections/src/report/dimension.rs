//! Dimensions: the columns that rows of a report are grouped by.

use whence_events::{Country, DeviceClass};

use super::atom::Atom;
use super::channel::Channel;
use super::facts::Facts;
use super::stage::Stage;
use super::table::{Cell, Column, Kind};
use super::zone;

/// A column that rows are grouped by and filtered by.
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
    /// The kind of traffic.
    Channel,
    /// The country of the request that registered.
    Country,
    /// The kind of device of the request that registered.
    Device,
    /// The path of the first touch.
    LandingPage,
    /// The registrable domain of the `Referer`; `(none)` when there was no foreign one.
    ReferrerDomain,
    /// A stage of the funnel.
    Stage,
    /// The owner of a referral code.
    Referrer,
    /// The creator on whose page a touch was.
    Creator,
    /// A part of the view of the tree.
    Part,
    /// The row of that part: a depth, the root of a subtree, or all.
    Which,
    /// The Monday of the week of registration.
    Cohort,
    /// The number of weeks since that one.
    WeeksLater,
    /// Whether the first touch is known.
    FirstTouch,
}

/// The values of [`Dimension::Part`].
pub(super) const PARTS: [&str; 3] = ["depth", "subtree", "cycles"];

/// The value of [`Dimension::FirstTouch`] where the first touch is known.
const KNOWN: &str = "known";

impl Dimension {
    /// Returns its name, which is that of its column.
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

    /// Returns its column.
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

    /// Returns whether rows are sorted by it; by other dimensions they run from the most to the least.
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

    /// Returns the values that it can have, where they are a closed set.
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

    /// Returns the cell for a value of this dimension.
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

    /// Returns the value that a text stands for; `None` when no fact has it.
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
