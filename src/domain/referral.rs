//! The referral decision, rules version 2: one table, first match wins.
//!
//! A wrong refusal costs a referrer money and causes a dispute; a doubtful acceptance can be held
//! for review. Signals are therefore recorded and, outside strict mode, never refuse.

use std::sync::Arc;
use std::time::Duration;

use whence_events::{
    CodeKind, Country, Evidence, ReferralAttributed, ReferralCode, ReferralRefused, Refusal,
    Signal, Timestamp, TouchId, UserEvent, UserId, Via,
};

use super::rules::{RULES_VERSION, Rules};
use super::touch::RefCode;

/// The time between touch and registration below which a signal is recorded.
const FAST_CONVERSION: Duration = Duration::from_secs(10);

/// The result of looking a code up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeLookup {
    /// The code was never issued, or there was none to look up.
    Unknown,
    /// The lookup failed.
    Failed,
    /// The code was issued.
    Found(CodeFacts),
}

/// The facts about a code, its owner, and the relation of owner and user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "facts, each of them yes or no")]
pub struct CodeFacts {
    /// The code in the spelling in which it was issued.
    pub code: ReferralCode,
    /// The kind of the code.
    pub kind: CodeKind,
    /// The owner of the code.
    pub owner: UserId,
    /// The time at which the code was issued: no touch of it can be older.
    pub issued_at: Timestamp,
    /// The time at which the code was disabled.
    pub disabled_at: Option<Timestamp>,
    /// Whether an operator disabled the code.
    pub blocked: bool,
    /// Whether the owner can be credited, being neither erased nor suspended.
    pub owner_eligible: bool,
    /// Whether owner and user have the same normalised address.
    pub same_person: bool,
    /// Whether the user referred the owner, directly or through others.
    pub user_is_ancestor: bool,
    /// Whether owner and user share a network.
    pub same_network: bool,
    /// Whether owner and user share an IP address and a user agent.
    pub same_ip_and_ua: bool,
    /// The number of attributions of the owner in the last 24 hours.
    pub credited_today: u32,
}

/// One attempt to attribute a user, with all the facts that it is decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The current time.
    pub now: Timestamp,
    /// The call that makes the attempt.
    pub via: Via,
    /// The rules in force.
    pub rules: Arc<Rules>,
    /// The visitor's `ref_code` cookie; `None` when the request carried none.
    pub cookie: Option<RefCode>,
    /// The result of looking its code up.
    pub lookup: CodeLookup,
    /// The country of the request that makes the attempt.
    pub country: Option<Country>,
    /// The country of the touch.
    pub touch_country: Option<Country>,
    /// Whether the touch carried an advertiser's click id.
    pub paid_click: bool,
    /// Whether the touch was made by a bot.
    pub bot_touch: bool,
    /// Whether the mail domain of the user is disposable.
    pub disposable_email: bool,
}

impl Attempt {
    fn code(&self) -> Option<&ReferralCode> {
        self.cookie.as_ref().and_then(RefCode::code)
    }

    fn touched_at(&self) -> Option<Timestamp> {
        self.cookie.as_ref().and_then(RefCode::planted).map(|planted| planted.touched_at)
    }

    fn touch_id(&self) -> Option<TouchId> {
        self.cookie.as_ref().and_then(RefCode::planted).map(|planted| planted.touch_id)
    }
}

/// The user that an attempt is about.
#[derive(Clone, Copy, Debug)]
pub struct Referee {
    /// The id of the user.
    pub user_id: UserId,
    /// The time of the registration.
    pub registered_at: Timestamp,
    /// Whether the user was attributed before.
    pub attributed: bool,
}

/// Decides an attempt: returns the event to record, or the refusal that is not recorded.
///
/// [`Refusal::NoCookie`], and [`Refusal::AlreadyAttributed`] without a code, are not recorded,
/// because no attempt was made.
pub fn decide(referee: Referee, attempt: &Attempt) -> Result<UserEvent, Refusal> {
    match verdict(referee, attempt) {
        Ok(facts) => Ok(ReferralAttributed {
            referrer_id: facts.owner,
            code: facts.code.clone(),
            code_kind: facts.kind,
            touched_at: attempt.touched_at(),
            touch_id: attempt.touch_id(),
            via: attempt.via,
            rules_version: RULES_VERSION,
            rules_digest: attempt.rules.digest,
            signals: signals(referee, attempt),
        }
        .into()),
        Err(reason @ Refusal::NoCookie) => Err(reason),
        Err(reason @ Refusal::AlreadyAttributed) if attempt.code().is_none() => Err(reason),
        Err(reason) => Ok(refused(referee, attempt, reason).into()),
    }
}

fn refused(referee: Referee, attempt: &Attempt, reason: Refusal) -> ReferralRefused {
    let owner = match &attempt.lookup {
        CodeLookup::Found(facts) => Some(facts.owner),
        CodeLookup::Unknown | CodeLookup::Failed => None,
    };
    ReferralRefused {
        code: attempt.code().cloned(),
        reason,
        via: attempt.via,
        rules_version: RULES_VERSION,
        rules_digest: attempt.rules.digest,
        signals: signals(referee, attempt),
        evidence: Evidence {
            owner,
            touch_id: attempt.touch_id(),
            touched_at: attempt.touched_at(),
        },
    }
}

/// Returns the facts of the code, or the first rule of the table that refuses.
fn verdict(referee: Referee, attempt: &Attempt) -> Result<&CodeFacts, Refusal> {
    if referee.attributed {
        return Err(Refusal::AlreadyAttributed);
    }
    match attempt.cookie {
        None => return Err(Refusal::NoCookie),
        Some(RefCode::Invalid) => return Err(Refusal::InvalidCookie),
        Some(RefCode::Bare(_) | RefCode::Signed(_)) => {}
    }
    let facts = match &attempt.lookup {
        CodeLookup::Unknown => return Err(Refusal::UnknownCode),
        CodeLookup::Failed => return Err(Refusal::InternalError),
        CodeLookup::Found(facts) => facts,
    };
    let settings = &attempt.rules.settings;
    let touched_at = attempt.touched_at();
    // What an owner gave up still counts for those who had picked it up; what an operator disabled
    // counts for nobody.
    let given_up = facts.disabled_at.is_some_and(|at| at <= touched_at.unwrap_or(attempt.now));
    if given_up || facts.blocked {
        return Err(Refusal::CodeInactive);
    }
    if !facts.owner_eligible {
        return Err(Refusal::ReferrerIneligible);
    }
    let window = Duration::from_secs(settings.window_seconds);
    if touched_at.is_some_and(|touched| attempt.now.since(touched) > window) {
        return Err(Refusal::WindowExpired);
    }
    // A bare cookie does not say when it was planted, but not before its code was issued. This also
    // keeps the tree of referrals free of cycles however attempts race: an edge always leads to an
    // account that is older than the one it starts from.
    let touched_after = touched_at.unwrap_or(facts.issued_at);
    let grace = Duration::from_secs(settings.grace_seconds);
    if referee.registered_at < touched_after || attempt.now.since(referee.registered_at) > grace {
        return Err(Refusal::NotNewUser);
    }
    if facts.owner == referee.user_id || facts.same_person {
        return Err(Refusal::SelfReferral);
    }
    if facts.user_is_ancestor {
        return Err(Refusal::CircularReferral);
    }
    if settings.strict && blocked_by_policy(attempt, facts) {
        return Err(Refusal::BlockedByPolicy);
    }
    Ok(facts)
}

fn blocked_by_policy(attempt: &Attempt, facts: &CodeFacts) -> bool {
    let settings = &attempt.rules.settings;
    facts.credited_today >= settings.velocity_cap
        || attempt.disposable_email
        || attempt.country.is_some_and(|country| settings.blocked_countries.contains(&country))
}

fn signals(referee: Referee, attempt: &Attempt) -> Vec<Signal> {
    let fast = attempt.touched_at().is_some_and(|touched| {
        touched <= referee.registered_at && referee.registered_at.since(touched) < FAST_CONVERSION
    });
    let countries = attempt.country.zip(attempt.touch_country);
    let mut signals = vec![];
    let mut note = |seen: bool, signal| {
        if seen {
            signals.push(signal);
        }
    };
    if let CodeLookup::Found(facts) = &attempt.lookup {
        let cap = attempt.rules.settings.velocity_cap;
        note(facts.same_network, Signal::SameNetwork);
        note(facts.same_ip_and_ua, Signal::SameIpAndUa);
        note(facts.credited_today >= cap, Signal::Velocity);
    }
    note(attempt.disposable_email, Signal::DisposableEmail);
    note(attempt.paid_click, Signal::PaidClickId);
    note(attempt.bot_touch, Signal::BotTouch);
    note(fast, Signal::FastConversion);
    note(countries.is_some_and(|(here, there)| here != there), Signal::CountryMismatch);
    note(matches!(attempt.cookie, Some(RefCode::Bare(_))), Signal::UnsignedCookie);
    signals
}

#[cfg(test)]
pub(super) mod tests {
    use whence_events::{Mac, RuleSettings};

    use super::*;
    use crate::spec::{START, after, touch, user};
    use crate::touch::PlantedCode;

    const DAY: u64 = 86_400;

    /// Returns an attempt of a user who registered a day after [`START`], an hour after the touch.
    pub(crate) fn attempt() -> Attempt {
        Attempt {
            now: after(DAY),
            via: Via::Verify,
            rules: Arc::new(Rules {
                settings: RuleSettings {
                    rules_version: RULES_VERSION,
                    window_seconds: 30 * DAY,
                    grace_seconds: DAY,
                    strict: false,
                    velocity_cap: 50,
                    blocked_countries: vec![],
                    disposable_domains: None,
                },
                digest: Mac([9; 16]),
            }),
            cookie: Some(signed(after(DAY - 3600))),
            lookup: CodeLookup::Found(facts()),
            country: Country::parse("TR"),
            touch_country: Country::parse("TR"),
            paid_click: false,
            bot_touch: false,
            disposable_email: false,
        }
    }

    fn facts() -> CodeFacts {
        CodeFacts {
            code: "ABCD1234".parse().unwrap(),
            kind: CodeKind::Primary,
            owner: user(2),
            issued_at: START,
            disabled_at: None,
            blocked: false,
            owner_eligible: true,
            same_person: false,
            user_is_ancestor: false,
            same_network: false,
            same_ip_and_ua: false,
            credited_today: 0,
        }
    }

    fn referee() -> Referee {
        Referee { user_id: user(1), registered_at: after(DAY), attributed: false }
    }

    fn found(change: impl FnOnce(&mut CodeFacts)) -> Attempt {
        let mut facts = facts();
        change(&mut facts);
        Attempt { lookup: CodeLookup::Found(facts), ..attempt() }
    }

    fn with(change: impl FnOnce(&mut Attempt)) -> Attempt {
        let mut attempt = attempt();
        change(&mut attempt);
        attempt
    }

    fn strict(change: impl FnOnce(&mut RuleSettings)) -> Attempt {
        let mut attempt = attempt();
        let mut rules = Rules::clone(&attempt.rules);
        rules.settings.strict = true;
        change(&mut rules.settings);
        attempt.rules = Arc::new(rules);
        attempt
    }

    fn bare() -> RefCode {
        RefCode::Bare("abcd1234".parse().unwrap())
    }

    fn signed(touched_at: Timestamp) -> RefCode {
        let code = "abcd1234".parse().unwrap();
        RefCode::Signed(PlantedCode { code, touched_at, touch_id: touch(5) })
    }

    #[track_caller]
    fn refuses(reason: Refusal, referee: Referee, attempt: &Attempt) {
        assert_eq!(verdict(referee, attempt), Err(reason));
        match decide(referee, attempt) {
            Ok(UserEvent::ReferralRefused(refused)) => {
                assert_eq!((refused.reason, &refused.code), (reason, &attempt.code().cloned()));
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn attributes(referee: Referee, attempt: &Attempt) -> ReferralAttributed {
        match decide(referee, attempt) {
            Ok(UserEvent::ReferralAttributed(attributed)) => attributed,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn notices(signal: Signal, attempt: &Attempt) {
        assert_eq!(attributes(referee(), attempt).signals, [signal]);
    }

    #[test]
    fn attributed_to_the_owner_with_the_code_as_issued() {
        let attributed = attributes(referee(), &attempt());
        assert_eq!(
            attributed,
            ReferralAttributed {
                referrer_id: user(2),
                code: "ABCD1234".parse().unwrap(),
                code_kind: CodeKind::Primary,
                touched_at: Some(after(DAY - 3600)),
                touch_id: Some(touch(5)),
                via: Via::Verify,
                rules_version: RULES_VERSION,
                rules_digest: Mac([9; 16]),
                signals: vec![],
            }
        );
    }

    #[test]
    fn row_10_already_attributed_comes_before_everything() {
        let attributed = Referee { attributed: true, ..referee() };
        refuses(Refusal::AlreadyAttributed, attributed, &found(|f| f.owner_eligible = false));
        // A second call without a cookie gets the same answer, and is not recorded.
        let again = with(|a| a.cookie = None);
        assert_eq!(decide(attributed, &again), Err(Refusal::AlreadyAttributed));
    }

    #[test]
    fn row_20_no_cookie_is_not_recorded() {
        let attempt = with(|a| a.cookie = None);
        assert_eq!(decide(referee(), &attempt), Err(Refusal::NoCookie));
    }

    #[test]
    fn row_21_invalid_cookie() {
        refuses(Refusal::InvalidCookie, referee(), &with(|a| a.cookie = Some(RefCode::Invalid)));
    }

    #[test]
    fn row_30_unknown_code() {
        refuses(Refusal::UnknownCode, referee(), &with(|a| a.lookup = CodeLookup::Unknown));
    }

    #[test]
    fn row_31_a_code_disabled_before_the_touch_is_inactive() {
        let touched = DAY - 3600;
        let inactive = found(|f| f.disabled_at = Some(after(touched)));
        refuses(Refusal::CodeInactive, referee(), &inactive);
        attributes(referee(), &found(|f| f.disabled_at = Some(after(touched + 1))));
        // A bare cookie does not say when it was planted: it counts as of now.
        let mut bare_cookie = found(|f| f.disabled_at = Some(after(touched + 1)));
        bare_cookie.cookie = Some(bare());
        refuses(Refusal::CodeInactive, referee(), &bare_cookie);
    }

    #[test]
    fn row_32_referrer_ineligible() {
        refuses(Refusal::ReferrerIneligible, referee(), &found(|f| f.owner_eligible = false));
    }

    #[test]
    fn row_40_window_expired() {
        let touched_at = after(DAY - 3600);
        let last = touched_at + Duration::from_secs(30 * DAY);
        let referee = |at| Referee { registered_at: at, ..referee() };
        attributes(referee(last), &with(|a| a.now = last));
        let late = last + Duration::from_micros(1);
        refuses(Refusal::WindowExpired, referee(late), &with(|a| a.now = late));
    }

    #[test]
    fn row_41_not_new_user() {
        let registered = |at| Referee { registered_at: at, ..referee() };
        // Older than the touch.
        let touched = DAY - 3600;
        refuses(Refusal::NotNewUser, registered(after(touched - 1)), &attempt());
        attributes(registered(after(touched)), &attempt());
        // Older than the grace.
        attributes(referee(), &with(|a| a.now = after(2 * DAY)));
        refuses(Refusal::NotNewUser, referee(), &with(|a| a.now = after(2 * DAY + 1)));
        // Older than the code, when the touch has no date.
        let mut undated = found(|f| f.issued_at = after(DAY + 1));
        undated.cookie = Some(bare());
        refuses(Refusal::NotNewUser, referee(), &undated);
    }

    #[test]
    fn row_50_self_referral() {
        refuses(Refusal::SelfReferral, referee(), &found(|f| f.owner = user(1)));
        refuses(Refusal::SelfReferral, referee(), &found(|f| f.same_person = true));
    }

    #[test]
    fn row_51_circular_referral() {
        refuses(Refusal::CircularReferral, referee(), &found(|f| f.user_is_ancestor = true));
    }

    #[test]
    fn row_60_blocked_by_policy_in_strict_mode_only() {
        let blocked = |settings: &mut RuleSettings| {
            settings.blocked_countries = vec![Country::parse("TR").unwrap()];
        };
        refuses(Refusal::BlockedByPolicy, referee(), &strict(blocked));
        refuses(Refusal::BlockedByPolicy, referee(), &strict(|s| s.velocity_cap = 0));
        let disposable = Attempt { disposable_email: true, ..strict(|_| {}) };
        refuses(Refusal::BlockedByPolicy, referee(), &disposable);
        attributes(referee(), &strict(|_| {}));
        attributes(referee(), &with(|a| a.disposable_email = true));
    }

    #[test]
    fn row_90_what_could_not_be_looked_up_is_kept_for_later() {
        refuses(Refusal::InternalError, referee(), &with(|a| a.lookup = CodeLookup::Failed));
    }

    #[test]
    fn signals_are_recorded_and_do_not_refuse() {
        notices(Signal::SameNetwork, &found(|f| f.same_network = true));
        notices(Signal::SameIpAndUa, &found(|f| f.same_ip_and_ua = true));
        notices(Signal::Velocity, &found(|f| f.credited_today = 50));
        notices(Signal::DisposableEmail, &with(|a| a.disposable_email = true));
        notices(Signal::PaidClickId, &with(|a| a.paid_click = true));
        notices(Signal::BotTouch, &with(|a| a.bot_touch = true));
        notices(Signal::CountryMismatch, &with(|a| a.touch_country = Country::parse("DE")));
        notices(Signal::UnsignedCookie, &with(|a| a.cookie = Some(bare())));
        notices(Signal::FastConversion, &with(|a| a.cookie = Some(signed(after(DAY - 9)))));
    }
}
