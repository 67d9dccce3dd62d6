//! Attempts to attribute, with the facts that a handler would have looked up.

use std::sync::Arc;
use std::time::Duration;

use whence::domain::referral::{Attempt, CodeFacts, CodeLookup};
use whence::domain::rules::Rules;
use whence::domain::touch::{PlantedCode, RefCode};
use whence::infra::random::new_touch_id;
use whence_events::{Mac, RuleSettings, UserId, Via};

use super::{SLUGS, World, code};

/// An attempt of `user_id`, of a kind that `what` chooses.
pub(super) fn attempt(world: &World, user_id: UserId, what: u8, via: Via) -> Attempt {
    let now = world.log.now;
    let code = code(SLUGS[usize::from(what) % SLUGS.len()]);
    let touched_at = now - Duration::from_secs(u64::from(what));
    let cookie = match what % 7 {
        0 => None,
        1 => Some(RefCode::Invalid),
        2 => Some(RefCode::Bare(code.clone())),
        _ => Some(RefCode::Signed(PlantedCode {
            code: code.clone(),
            touched_at,
            touch_id: new_touch_id(),
        })),
    };
    let found = world.users.iter().find_map(|owner| {
        let issued = owner.stream.state.code(&code)?;
        Some(CodeFacts {
            code: issued.code.clone(),
            kind: issued.kind,
            owner: owner.user_id,
            issued_at: issued.issued_at,
            disabled_at: issued.disabled_at,
            blocked: owner.stream.state.is_blocked(&code),
            owner_eligible: owner.stream.state.is_active(),
            same_person: owner.user_id == user_id,
            user_is_ancestor: false,
            same_network: what.is_multiple_of(2),
            same_ip_and_ua: false,
            credited_today: 0,
        })
    });
    let lookup = match found {
        _ if what.is_multiple_of(5) => CodeLookup::Failed,
        Some(facts) => CodeLookup::Found(facts),
        None => CodeLookup::Unknown,
    };
    Attempt {
        now,
        via,
        rules: Arc::new(rules()),
        cookie,
        lookup,
        country: None,
        touch_country: None,
        paid_click: false,
        bot_touch: false,
        disposable_email: false,
    }
}

fn rules() -> Rules {
    let settings = RuleSettings {
        rules_version: 1,
        window_seconds: 30 * 24 * 3600,
        grace_seconds: 365 * 24 * 3600,
        strict: false,
        velocity_cap: 0,
        blocked_countries: vec![],
        disposable_domains: None,
    };
    Rules { settings, digest: Mac([3; 16]) }
}
