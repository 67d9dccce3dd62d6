//! The fold of events into facts.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use whence_events::{
    AttributionCaptured, CodeStatus, Event, Mac, MailboxEvent, Position, Recorded, ReferrerKind,
    RulesEvent, StreamId, Timestamp, TouchId, TouchRecorded, UserEvent, UserId,
};

use super::atom::Atom;
use super::channel::{Channel, NO_REFERRER, Traffic, classify};
use super::facts::{Activity, Evidence, Facts, LandingKind, Origin, Texts, Touch};
use super::stage::Stage;
use super::view::View;

/// The fold reached an event that this version cannot read. All before it is folded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the event at position {position} is of type {event_type}, which this version does not know; a \
     report as of an earlier position is possible"
)]
pub struct Stopped {
    /// The position of the event.
    pub position: Position,
    /// Its stored type.
    pub event_type: String,
}

/// A fold of the log that views are made of.
#[derive(Debug, Default)]
pub struct ReportFold {
    pub(super) facts: Facts,
    needs: Needs,
    pub(super) as_of: Position,
    /// The version of the rules about bots by which touches were judged again.
    pub(super) bot_rules: Option<u16>,
    /// The attribution windows, by the digest of their settings.
    windows: HashMap<Mac, u64>,
    /// The window in force, in seconds; 0 when it is not known.
    window_seconds: u64,
    channels: Channels,
}

/// The facts that only some views need, and of which there are many.
#[derive(Clone, Copy, Debug, Default)]
struct Needs {
    touches: TouchNeed,
    activities: bool,
    steps: bool,
}

/// The facts that the views need of a touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TouchNeed {
    #[default]
    Nothing,
    /// The visitor, and what the touch led to.
    Clicks,
    /// Also where it came from: the touch is on a way to an account.
    Paths,
}

impl Needs {
    fn of(views: &[View]) -> Self {
        let one_of = |some: &[View]| views.iter().any(|view| some.contains(view));
        Self {
            touches: if one_of(&[View::Models]) {
                TouchNeed::Paths
            } else if one_of(&[View::Domains, View::Referrers, View::Creators]) {
                TouchNeed::Clicks
            } else {
                TouchNeed::Nothing
            },
            activities: one_of(&[View::Retention]),
            steps: one_of(&[View::Funnel]),
        }
    }
}

impl ReportFold {
    /// Makes an empty fold that will answer these views and no others.
    #[must_use]
    pub fn new(views: &[View]) -> Self {
        Self { needs: Needs::of(views), ..Self::default() }
    }

    /// Returns the position of the last event that was folded; 0 when there was none.
    #[must_use]
    pub fn as_of(&self) -> Position {
        self.as_of
    }

    /// Notes that the touches which come were judged again, by this version of the rules about bots.
    pub fn judged_again_by(&mut self, version: u16) {
        self.bot_rules = Some(version);
    }

    /// Folds the next events, in log order. It stops at an event of an unknown type, with those before
    /// it folded.
    pub fn apply(&mut self, events: &[Recorded]) -> Result<(), Stopped> {
        for recorded in events {
            self.take(recorded)?;
            self.as_of = recorded.position;
            self.facts.last_at = self.facts.last_at.max(Some(recorded.metadata.occurred_at));
        }
        Ok(())
    }

    fn take(&mut self, recorded: &Recorded) -> Result<(), Stopped> {
        let at = recorded.metadata.occurred_at;
        match (&recorded.stream, &recorded.event) {
            (StreamId::User(user_id), Event::User(event)) => self.user(*user_id, event, at),
            (StreamId::Touch(touch_id), Event::Touch(event)) => {
                self.touch(*touch_id, &event.touch(), at);
            }
            (_, Event::Mailbox(event)) => self.mailbox(event, at),
            (_, Event::Rules(RulesEvent::RulesAdopted(rules))) => {
                self.windows.insert(rules.digest, rules.settings.window_seconds);
                self.window_seconds = rules.settings.window_seconds;
            }
            (_, Event::Unknown { event_type }) => {
                let (position, event_type) = (recorded.position, event_type.clone());
                return Err(Stopped { position, event_type });
            }
            // An event of a user or a touch in a stream of another family would belong to no user or touch.
            (
                _,
                Event::User(_)
                | Event::Touch(_)
                | Event::Name(_)
                | Event::Audit(_)
                | Event::ApiKey(_),
            ) => {}
        }
        Ok(())
    }

    fn user(&mut self, user_id: UserId, event: &UserEvent, at: Timestamp) {
        match event {
            UserEvent::UserRegistered(_) => {
                let window_seconds = self.window_seconds;
                let user = self.facts.users.entry(user_id);
                user.registered_at = Some(at);
                user.window_seconds = window_seconds;
                self.step(Stage::Registered, at);
            }
            UserEvent::AttributionCapturedV1(_) | UserEvent::AttributionCaptured(_) => {
                if let Some(origin) = event.snapshot() {
                    self.origin(user_id, &origin);
                }
            }
            UserEvent::ReferralAttributed(referral) => {
                self.rules_named(user_id, referral.rules_digest, at);
                let owner = self.facts.users.of(referral.referrer_id);
                let user = self.facts.users.entry(user_id);
                user.referrer = Some(owner);
                user.came_with = Some(owner);
                self.evidence(user_id, referral.touch_id, referral.touched_at);
                self.step(Stage::Attributed, at);
            }
            UserEvent::ReferralRefused(refused) => {
                self.rules_named(user_id, refused.rules_digest, at);
                if refused.code.is_some() {
                    let owner = self.facts.users.of_maybe(refused.evidence.owner);
                    let user = self.facts.users.entry(user_id);
                    // The first owner that is known, unless a user is attributed to a referrer already.
                    let better = user.came_with.is_none_or(|known| known == Atom::UNKNOWN);
                    if better && user.referrer.is_none() {
                        user.came_with = Some(owner);
                    }
                }
                if refused.evidence.owner.is_some() {
                    let evidence = &refused.evidence;
                    self.evidence(user_id, evidence.touch_id, evidence.touched_at);
                }
                self.step(Stage::Refused(refused.reason), at);
            }
            UserEvent::SessionOpened(_)
            | UserEvent::SessionExtended(_)
            | UserEvent::RefreshRotated(_)
            | UserEvent::SessionRevoked(_) => {
                if self.needs.activities {
                    self.session(user_id, event, at);
                }
            }
            UserEvent::ReferralCodeIssued(_)
            | UserEvent::ReferralCodeDisabled(_)
            | UserEvent::ReferralCodeBlocked(_)
            | UserEvent::ReferralCodeUnblocked(_)
            | UserEvent::SessionsRevoked(_)
            | UserEvent::UserSuspended(_)
            | UserEvent::UserReinstated(_)
            | UserEvent::SubscriptionProvisioned(_)
            | UserEvent::WelcomeEmailSent(_)
            | UserEvent::WelcomeEmailFailed(_)
            | UserEvent::ProfileUpdated(_)
            | UserEvent::CreatorHandleClaimed(_)
            | UserEvent::BillingCustomerLinked(_)
            | UserEvent::EmailChanged(_)
            | UserEvent::EmailChangeUndone(_)
            | UserEvent::EmailChangeNoticed(_)
            | UserEvent::ErasureRequested(_)
            | UserEvent::ErasureCancelled(_)
            | UserEvent::ErasureCompleted(_)
            | UserEvent::UserErased(_) => {}
        }
    }

    fn session(&mut self, user_id: UserId, event: &UserEvent, at: Timestamp) {
        let uses = &mut self.facts.uses;
        if let UserEvent::SessionOpened(opened) = event {
            uses.opened(opened);
        } else if let UserEvent::SessionExtended(extended) = event {
            uses.extended(extended, at);
        } else if let UserEvent::RefreshRotated(rotated) = event {
            uses.rotated(rotated);
        } else {
            if let UserEvent::SessionRevoked(revoked) = event {
                uses.ended(revoked.session_id);
            }
            return;
        }
        self.facts.activities.push(Activity::new(self.facts.users.of(user_id), at));
    }

    fn origin(&mut self, user_id: UserId, origin: &AttributionCaptured) {
        let Facts { texts, users, touch_ids, .. } = &mut self.facts;
        let creator = users.of_maybe(origin.acquired_via_creator_id);
        let user = users.entry(user_id);
        user.creator = creator;
        user.origin = Origin {
            source: texts.of_maybe(origin.utm_source.as_deref()),
            medium: texts.of_maybe(origin.utm_medium.as_deref()),
            campaign: texts.of_maybe(origin.utm_campaign.as_deref()),
            landing_page: texts.of_maybe(origin.first_landing_page.as_deref()),
        };
        user.on_creator_page = is_creator_page(origin.first_landing_page.as_deref());
        user.country = Atom::of_country(origin.registration_country);
        user.device = Atom::of_device(origin.registration_device);
        user.touched_at = origin.touched_at;
        if let Some(touch_id) = origin.touch_id
            && self.needs.touches == TouchNeed::Paths
        {
            user.touch = touch_ids.of(touch_id);
        }
        // Without a touch nothing is known; with one that had no referrer, that is.
        let known = origin.touched_at.is_some();
        let no_referrer = known && origin.first_referrer_url.is_none();
        let domain = origin.referrer_domain.as_deref().or(no_referrer.then_some(NO_REFERRER));
        user.referrer_domain = texts.of_maybe(domain);
        let visit = VisitKey {
            source: user.origin.source,
            medium: user.origin.medium,
            campaign: user.origin.campaign,
            domain: user.referrer_domain,
            site: texts.of_maybe(origin.referrer_site.as_deref()),
            known,
        };
        user.channel = self.channels.of(visit, origin.click_ids.keys(), texts);
    }

    fn touch(&mut self, touch_id: TouchId, touch: &TouchRecorded, at: Timestamp) {
        self.step(if touch.bot { Stage::BotLanding } else { Stage::Landing }, at);
        if touch.deduplicated && !touch.bot {
            self.step(Stage::RepeatedLanding, at);
        }
        if self.needs.touches == TouchNeed::Nothing {
            return;
        }
        let Facts { texts, users, touch_ids, touches, .. } = &mut self.facts;
        let foreign = touch.referrer_kind == ReferrerKind::Foreign;
        let domain = touch.referrer_domain.as_deref().or((!foreign).then_some(NO_REFERRER));
        let referrer_domain = texts.of_maybe(domain);
        let first = touch.first_touch_id.map_or(Atom::UNKNOWN, |first| touch_ids.of(first));
        let (mut number, mut channel, mut origin) = (Atom::UNKNOWN, None, Origin::UNKNOWN);
        if self.needs.touches == TouchNeed::Paths {
            number = touch_ids.of(touch_id);
            origin = Origin {
                source: texts.of_maybe(touch.utm.source.as_deref()),
                medium: texts.of_maybe(touch.utm.medium.as_deref()),
                campaign: texts.of_maybe(touch.utm.campaign.as_deref()),
                landing_page: texts.of(&touch.landing_page),
            };
            let visit = VisitKey {
                source: origin.source,
                medium: origin.medium,
                campaign: origin.campaign,
                domain: referrer_domain,
                site: texts.of_maybe(touch.referrer_site.as_deref()),
                known: true,
            };
            channel = if touch.code_status == CodeStatus::Known {
                Some(Channel::ReferralProgramme)
            } else {
                self.channels.of(visit, touch.click_ids.keys(), texts)
            };
        }
        touches.push(Touch {
            at,
            number,
            first,
            referrer_domain,
            origin,
            with_code: touch.code_status != CodeStatus::None,
            // What a code that is not in use any more brings is nobody's.
            owner: users.of_maybe(touch.owner.filter(|_| touch.code_status == CodeStatus::Known)),
            on_creator_page: is_creator_page(Some(&touch.landing_page)),
            creator: users.of_maybe(touch.creator_id),
            channel,
            kind: LandingKind::of(touch),
        });
    }

    fn mailbox(&mut self, event: &MailboxEvent, at: Timestamp) {
        if !self.needs.steps {
            return;
        }
        let (open, requested) = (&mut self.facts.open_requests, &mut self.facts.requested);
        match event {
            MailboxEvent::LoginStarted(started) => {
                open.insert(started.request_id, requested.len());
                requested.push((at, false));
            }
            MailboxEvent::CodeDeliveryFailed(failed) => {
                if let Some(place) = open.get(&failed.request_id) {
                    requested[*place].1 = true;
                }
                self.step(Stage::DeliveryFailed(failed.reason), at);
            }
            MailboxEvent::CodeVerified(verified) => {
                open.remove(&verified.request_id);
                self.step(Stage::Verified, at);
            }
            MailboxEvent::LoginExpired(expired) => {
                open.remove(&expired.request_id);
                self.step(Stage::LoginExpired, at);
            }
            MailboxEvent::LoginLocked(locked) => {
                let whole = locked.request_id.is_none();
                self.step(if whole { Stage::AddressLocked } else { Stage::LoginLocked }, at);
            }
            MailboxEvent::LoginThrottled(_) => self.step(Stage::LoginThrottled, at),
            MailboxEvent::CodeRejected(_) => self.step(Stage::CodeRejected, at),
            MailboxEvent::MailboxClaimed(_)
            | MailboxEvent::MailboxReleased(_)
            | MailboxEvent::MailboxForgotten(_)
            | MailboxEvent::StartCounted(_)
            | MailboxEvent::StartReturned(_)
            | MailboxEvent::DeviceForgotten(_)
            | MailboxEvent::MailboxMoved(_)
            | MailboxEvent::MailboxReclaimed(_)
            | MailboxEvent::LockCleared(_) => {}
        }
    }

    fn step(&mut self, stage: Stage, at: Timestamp) {
        if self.needs.steps {
            self.facts.steps.push((stage, at));
        }
    }

    /// Takes note of the rules that a decision names as those in force. A decision made while the account
    /// was registered replaces what was known before.
    fn rules_named(&mut self, user_id: UserId, digest: Mac, at: Timestamp) {
        self.window_seconds = self.windows.get(&digest).copied().unwrap_or(0);
        let user = self.facts.users.entry(user_id);
        if user.registered_at == Some(at) {
            user.window_seconds = self.window_seconds;
        }
    }

    fn evidence(&mut self, user_id: UserId, touch: Option<TouchId>, at: Option<Timestamp>) {
        if let Some(at) = at
            && self.needs.touches == TouchNeed::Paths
        {
            let touch = touch.map_or(Atom::UNKNOWN, |touch| self.facts.touch_ids.of(touch));
            let user = self.facts.users.of(user_id);
            self.facts.evidence.push(Evidence { user, at, touch });
        }
    }
}

fn is_creator_page(path: Option<&str>) -> bool {
    path.is_some_and(|path| path.starts_with("/creators/"))
}

/// The facts that decide a channel, apart from click ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct VisitKey {
    source: Atom,
    medium: Atom,
    campaign: Atom,
    domain: Atom,
    site: Atom,
    known: bool,
}

/// The channels that were decided before: most visits resemble an earlier one.
#[derive(Debug, Default)]
struct Channels {
    known: HashMap<VisitKey, Option<Channel>, RandomState>,
}

impl Channels {
    fn of<'a>(
        &mut self,
        visit: VisitKey,
        click_ids: impl Iterator<Item = &'a String>,
        texts: &Texts,
    ) -> Option<Channel> {
        let click_ids: Vec<&str> = click_ids.map(String::as_str).collect();
        let decide = || {
            classify(&Traffic {
                known: visit.known,
                source: texts.maybe(visit.source),
                medium: texts.maybe(visit.medium),
                campaign: texts.maybe(visit.campaign),
                click_ids: &click_ids,
                referrer_domain: texts.maybe(visit.domain),
                referrer_site: texts.maybe(visit.site),
            })
        };
        if click_ids.is_empty() {
            *self.known.entry(visit).or_insert_with(decide)
        } else {
            decide()
        }
    }
}
