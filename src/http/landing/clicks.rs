//! Repeated clicks: a visitor whom the same link brought again within an hour counts once.
//!
//! A visitor is known by the landing cookie; one without it by address and user agent. At a landing
//! without a cookie both are remembered, so that the visitor who returns with the cookie that was
//! planted there is the same one. Two people behind one address, each with a cookie, are two.

use std::time::Duration;

use quick_cache::sync::{Cache, EntryAction, EntryResult};
use whence_events::{Mac, Timestamp, TouchId};

use super::LandingClient;
use crate::domain::touch::BroughtBy;
use crate::infra::keys::MacKey;

/// The time in which landings of one visitor by the same link are one click.
const CLICK_WINDOW: Duration = Duration::from_hours(1);

/// The number of visitors and links that are remembered, two for a landing without a cookie: about
/// 20 MB when full. A click that is evicted early counts twice.
const MAX_REMEMBERED: usize = 200_000;

/// The clicks of the last hour, on this node. They hold no address, only a MAC under a key that is
/// made at start and never leaves the process.
pub(super) struct Clicks {
    key: MacKey,
    seen: Cache<Mac, Timestamp>,
}

/// The visitor of a landing, in all the ways in which they may be known again.
#[derive(Clone, Copy)]
pub(super) struct Clicker<'a> {
    /// The client behind the landing.
    pub(super) client: &'a LandingClient,
    /// The first touch of the visitor's cookie.
    pub(super) first: Option<TouchId>,
    /// The id of this landing, which the cookie of a new visitor is going to name.
    pub(super) touch_id: TouchId,
}

impl Clicks {
    /// Returns an empty memory of clicks with a new key.
    pub(super) fn new() -> Self {
        Self { key: MacKey::generate(), seen: Cache::new(MAX_REMEMBERED) }
    }

    /// Returns whether the same link brought this visitor within the hour; if not, their hour
    /// begins now. Later landings do not extend the hour, so that a steady visitor counts once an
    /// hour. A bot repeats nothing, and nobody repeats a bot.
    pub(super) fn seen(&self, link: &BroughtBy, by: Clicker<'_>, now: Timestamp) -> bool {
        let client = by.client;
        if client.visitor.bot {
            return false;
        }
        if let Some(first) = by.first {
            return self.begin(&self.of_cookie(first, link), now).again;
        }
        // Without an address all clients of one browser version would be one.
        let hour = match client.address.ip() {
            Some(ip) => {
                let agent = client.user_agent.as_deref().unwrap_or("");
                let text = format!("{ip}\n{agent}\n{}", link.as_str());
                self.begin(&self.key.sign("client", &text), now)
            }
            None => ClickHour { began: now, again: false },
        };
        self.seen.insert(self.of_cookie(by.touch_id, link), hour.began);
        hour.again
    }

    /// Returns the key of a visitor with a cookie and a link.
    fn of_cookie(&self, first: TouchId, link: &BroughtBy) -> Mac {
        self.key.sign("visitor", &format!("{first}\n{}", link.as_str()))
    }

    /// Returns the hour of a visitor and a link, which begins now unless one is running.
    fn begin(&self, click: &Mac, now: Timestamp) -> ClickHour {
        // Atomic: of two clicks at once, one is the first.
        let entry = self.seen.entry(click, None, |_, began| {
            let again = now.since(*began) < CLICK_WINDOW;
            if !again {
                *began = now;
            }
            EntryAction::Retain(ClickHour { began: *began, again })
        });
        match entry {
            EntryResult::Retained(hour) => hour,
            EntryResult::Vacant(guard) | EntryResult::Replaced(guard, _) => {
                let _ = guard.insert(now);
                ClickHour { began: now, again: false }
            }
            EntryResult::Removed(..) | EntryResult::Timeout => {
                ClickHour { began: now, again: false }
            }
        }
    }
}

/// The hour in which a visitor counts once for a link.
#[derive(Clone, Copy)]
struct ClickHour {
    began: Timestamp,
    /// Whether it was running already.
    again: bool,
}

#[cfg(test)]
mod tests;
