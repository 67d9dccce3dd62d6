//! Helpers of the plain loops: what is asked, what a table says, and accounts as the log tells them.
//! None of it uses the code under test.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, Days, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use whence_events::*;
use whence_projections::report::{Cell, Query, QueryText, ReportFold, Table, View};

use whence_test_histories::{TRAFFIC, Traffic};

/// A cell as text; `None`: unknown.
pub(crate) type Text = Option<String>;

/// Dimensions to measures.
pub(crate) type Rows = BTreeMap<Vec<Text>, Vec<Text>>;

pub(crate) const ZONES: [Tz; 4] =
    [Tz::UTC, Tz::America__New_York, Tz::Asia__Kathmandu, Tz::Pacific__Kiritimati];

/// A time and a zone to ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
    pub(crate) zone: Tz,
}

pub(crate) fn asks() -> impl Strategy<Value = Ask> {
    let days = || prop::option::weighted(0.4, 0_i64..150);
    (days(), days(), 0..ZONES.len()).prop_map(|(a, b, zone)| {
        let at = |day: i64| Timestamp::from_micros(1_772_300_000_000_000 + day * 86_400_000_000);
        let (from, to) = match (a, b) {
            (Some(a), Some(b)) => (Some(at(a.min(b))), Some(at(a.max(b)))),
            (a, b) => (a.map(at), b.map(at)),
        };
        Ask { from, to, zone: ZONES[zone] }
    })
}

impl Ask {
    pub(crate) fn covers(self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at < to)
    }

    pub(crate) fn asked(self) -> QueryText {
        QueryText {
            from: self.from.map(|at| at.to_string()),
            to: self.to.map(|at| at.to_string()),
            timezone: Some(self.zone.name().to_owned()),
            ..QueryText::default()
        }
    }

    pub(crate) fn day(self, at: Timestamp) -> Text {
        Some(self.date(at).to_string())
    }

    pub(crate) fn week(self, at: Timestamp) -> Text {
        let date = self.date(at);
        let monday = date - Days::new(date.weekday().num_days_from_monday().into());
        Some(monday.to_string())
    }

    pub(crate) fn is_midnight(self, at: Timestamp) -> bool {
        let at = DateTime::<Utc>::from_timestamp_micros(at.as_micros()).unwrap();
        at.with_timezone(&self.zone).time() == chrono::NaiveTime::MIN
    }

    pub(crate) fn date(self, at: Timestamp) -> chrono::NaiveDate {
        let at = DateTime::<Utc>::from_timestamp_micros(at.as_micros()).unwrap();
        at.with_timezone(&self.zone).date_naive()
    }
}

/// The table of a view, by the code under test.
pub(crate) fn table(view: View, events: &[Recorded], asked: &QueryText) -> Table {
    let mut analytics = ReportFold::new(&[view]);
    for batch in events.chunks(37) {
        analytics.apply(batch).unwrap();
    }
    analytics.table(view, &Query::parse(view, asked).unwrap())
}

/// Its rows, of which the first so many columns are dimensions. No row is there twice.
pub(crate) fn rows(table: &Table, dimensions: usize) -> Rows {
    let mut rows = Rows::new();
    for row in &table.rows {
        assert_eq!(row.len(), table.columns.len());
        let mut texts: Vec<Text> = row.iter().map(Cell::to_text).collect();
        let measures = texts.split_off(dimensions);
        assert!(rows.insert(texts, measures).is_none(), "a row is there twice: {row:?}");
    }
    rows
}

pub(crate) fn count(n: u64) -> Text {
    Some(n.to_string())
}

pub(crate) fn ratio(part: u64, whole: u64) -> Text {
    (whole > 0).then(|| format!("{:.4}", part as f64 / whole as f64))
}

/// The smallest length that at least so many percent are not longer than.
pub(crate) fn percentile(lengths: &[f64], percent: f64) -> Text {
    let mut sorted = lengths.to_vec();
    sorted.sort_by(f64::total_cmp);
    let enough = |at: &f64| {
        let below = sorted.iter().filter(|one| *one <= at).count();
        below as f64 * 100.0 >= percent * sorted.len() as f64
    };
    sorted.iter().find(|at| enough(at)).map(|at| format!("{at:.1}"))
}

pub(crate) fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_micros() - from.as_micros()).max(0) as f64 / 1e6
}

/// An account.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) id: UserId,
    pub(crate) at: Timestamp,
    pub(crate) origin: AttributionCaptured,
    /// Written without a domain.
    pub(crate) old: bool,
    pub(crate) attributed_to: Option<UserId>,
    /// A code was looked at; whose it was.
    pub(crate) came_with: Option<Option<UserId>>,
}

/// All accounts, in order of registration.
pub(crate) fn accounts(events: &[Recorded]) -> Vec<Account> {
    let of = |id: UserId| user_events(events, id);
    let mut accounts = Vec::new();
    for recorded in events {
        let (StreamId::User(id), Event::User(event)) = (&recorded.stream, &recorded.event) else {
            continue;
        };
        if !matches!(**event, UserEvent::UserRegistered(_)) {
            continue;
        }
        let origin = of(*id).find_map(|(event, _)| event.snapshot().map(Cow::into_owned)).unwrap();
        let old = of(*id).any(|(event, _)| matches!(event, UserEvent::AttributionCapturedV1(_)));
        let attributed_to = of(*id).find_map(|(event, _)| match event {
            UserEvent::ReferralAttributed(event) => Some(event.referrer_id),
            _ => None,
        });
        let refused: Vec<_> = of(*id)
            .filter_map(|(event, _)| match event {
                UserEvent::ReferralRefused(event) if event.code.is_some() => {
                    Some(event.evidence.owner)
                }
                _ => None,
            })
            .collect();
        let refused_with = refused.iter().flatten().next().copied();
        let came_with = match (attributed_to, refused.is_empty()) {
            (Some(referrer), _) => Some(Some(referrer)),
            (None, false) => Some(refused_with),
            (None, true) => None,
        };
        let at = recorded.metadata.occurred_at;
        accounts.push(Account { id: *id, at, origin, old, attributed_to, came_with });
    }
    accounts
}

pub(crate) fn user_events(
    events: &[Recorded],
    id: UserId,
) -> impl Iterator<Item = (&UserEvent, Timestamp)> {
    events.iter().filter_map(move |recorded| match &recorded.event {
        Event::User(event) if recorded.stream == StreamId::User(id) => {
            Some((&**event, recorded.metadata.occurred_at))
        }
        _ => None,
    })
}

pub(crate) fn touches(
    events: &[Recorded],
) -> impl Iterator<Item = (TouchId, TouchRecorded, Timestamp)> {
    events.iter().filter_map(|recorded| match (&recorded.stream, &recorded.event) {
        (StreamId::Touch(id), Event::Touch(event)) => {
            Some((*id, event.touch().into_owned(), recorded.metadata.occurred_at))
        }
        _ => None,
    })
}

/// The channel that stands in the list of kinds for such traffic; unknown when only a domain could
/// have told, and was not written.
pub(crate) fn channel_of(
    source: &Text,
    medium: &Text,
    clicks: &ClickIds,
    domain: &Text,
    old: bool,
) -> Text {
    let click = clicks.keys().next().map(String::as_str);
    let same = |(s, m, _, c, d, _): &&Traffic| {
        let told = s.is_some() || c.is_some();
        *s == source.as_deref()
            && *m == medium.as_deref()
            && *c == click
            && (told || *d == domain.as_deref())
    };
    if old && source.is_none() && click.is_none() && domain.is_none() {
        return None;
    }
    Some(TRAFFIC.iter().find(same).unwrap().5.to_owned())
}

impl Account {
    /// The channel of the first touch alone.
    pub(crate) fn first_channel(&self) -> Text {
        let origin = &self.origin;
        origin.touched_at?;
        let had_referrer = origin.first_referrer_url.is_some();
        channel_of(
            &origin.utm_source,
            &origin.utm_medium,
            &origin.click_ids,
            &origin.referrer_domain,
            self.old && had_referrer,
        )
    }

    pub(crate) fn channel(&self) -> Text {
        match self.attributed_to {
            Some(_) => Some("Referral programme".to_owned()),
            None => self.first_channel(),
        }
    }

    pub(crate) fn domain(&self) -> Text {
        let origin = &self.origin;
        origin.touched_at?;
        match (&origin.first_referrer_url, &origin.referrer_domain) {
            (None, _) => Some("(none)".to_owned()),
            (Some(_), domain) => domain.clone(),
        }
    }
}
