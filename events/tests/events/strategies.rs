//! Strategies for any event that can be stored.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use whence_events::*;

/// Returns a strategy for every stored type, by its name.
pub(crate) fn all() -> Vec<(&'static str, BoxedStrategy<Event>)> {
    [mailbox(), account(), leaving(), sessions(), referrals(), onboarding(), others()].concat()
}

/// Returns a strategy for any event.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    proptest::strategy::Union::new(all().into_iter().map(|(_, strategy)| strategy))
}

type Named = Vec<(&'static str, BoxedStrategy<Event>)>;

/// Returns the stored type of a struct: one without a number is the newest version of its name.
fn stored_type(name: &str) -> &'static str {
    let (name, version) = match name.rsplit_once('V').filter(|(_, number)| number.len() == 1) {
        Some((name, number)) => (name, format!(".v{number}")),
        None => (name, String::new()),
    };
    let mut known: Vec<_> = whence_events::codec::known_types().collect();
    known.sort_unstable();
    let of_name = |known: &&str| known.split('.').next() == Some(name) && known.ends_with(&version);
    known.into_iter().rfind(of_name).expect("a stored type of this name")
}

/// Pairs types with strategies, which are made of the fields of each type.
macro_rules! events {
    ($($name:ident { $($field:ident: $strategy:expr,)+ })+) => {
        vec![$((
            stored_type(stringify!($name)),
            events!(@pairs $($strategy,)+)
                .prop_map(|events!(@names $($field,)+)| $name { $($field,)+ }.into_event())
                .boxed(),
        ),)+]
    };
    // Pairs in pairs: a tuple that is a strategy has at most twelve fields.
    (@pairs $strategy:expr,) => { $strategy };
    (@pairs $strategy:expr, $($rest:expr,)+) => { ($strategy, events!(@pairs $($rest,)+)) };
    (@names $field:ident,) => { $field };
    (@names $field:ident, $($rest:ident,)+) => { ($field, events!(@names $($rest,)+)) };
}

/// Makes a strategy for an event of the strategies for its fields.
trait IntoEvent {
    fn into_event(self) -> Event;
}

macro_rules! into_event {
    ($($family:ident: $($name:ident)+;)+) => {$($(
        impl IntoEvent for $name {
            fn into_event(self) -> Event {
                $family::from(self).into()
            }
        }
    )+)+};
}

into_event! {
    MailboxEvent: LoginStarted LoginThrottled CodeDeliveryFailed CodeRejected LoginLocked
        LoginExpired CodeVerified MailboxClaimed MailboxReleased MailboxForgotten
        StartCounted StartReturned DeviceForgotten LockCleared MailboxMoved MailboxReclaimed;
    UserEvent: UserRegistered AttributionCapturedV1 AttributionCaptured ReferralAttributed ReferralRefused SessionOpened
        SessionExtended RefreshRotated SessionRevoked ReferralCodeIssued ReferralCodeDisabled
        SubscriptionProvisioned WelcomeEmailSent WelcomeEmailFailed ProfileUpdated
        CreatorHandleClaimed BillingCustomerLinked SessionsRevoked UserSuspended UserReinstated
        ReferralCodeBlocked ReferralCodeUnblocked EmailChanged EmailChangeUndone EmailChangeNoticed
        ErasureRequested ErasureCancelled UserErased ErasureCompleted;
    NameEvent: NameReserved;
    TouchEvent: TouchRecordedV1 TouchRecorded;
    RulesEvent: RulesAdopted;
    AuditEvent: AuditRead;
    ApiKeyEvent: ApiKeyIssued ApiKeyRotated ApiKeyGraceEnded ApiKeyRevoked ApiKeyUsed;
}

fn mailbox() -> Named {
    events! {
        LoginStarted {
            request_id: uuid().prop_map(RequestId),
            email: sealed(),
            code_mac: mac(),
            expires_at: time(),
            known_device: any::<bool>(),
            client: sealed(),
            device_id: option::of(device()),
            network: option::of(mac()),
            change_of: option::of(user()),
            touch_id: option::of(uuid().prop_map(TouchId)),
        }
        LoginThrottled { until: time(), device_id: option::of(device()), }
        CodeDeliveryFailed {
            request_id: uuid().prop_map(RequestId),
            reason: select(DeliveryFailure::ALL),
        }
        CodeRejected { request_id: uuid().prop_map(RequestId), attempt: any::<u8>(), }
        LoginLocked {
            request_id: option::of(uuid().prop_map(RequestId)),
            until: option::of(time()),
        }
        LoginExpired { request_id: uuid().prop_map(RequestId), }
        CodeVerified {
            request_id: uuid().prop_map(RequestId),
            device_id: option::of(device()),
            device_class: option::of(select(DeviceClass::ALL)),
        }
        MailboxClaimed {
            user_id: user(),
            by_change: any::<bool>(),
            email: option::of(sealed()),
            reason: option::of(sealed()),
        }
        MailboxReleased { user_id: user(), }
        MailboxForgotten { asked_at: time(), }
        StartCounted {
            request_id: uuid().prop_map(RequestId),
            network: option::of(mac()),
        }
        StartReturned { request_id: uuid().prop_map(RequestId), }
        DeviceForgotten { device_id: device(), }
        LockCleared { wrong: any::<u16>(), reason: option::of(sealed()), }
        MailboxReclaimed { user_id: user(), }
        MailboxMoved { user_id: user(), held_until: time(), }
    }
}

fn account() -> Named {
    events! {
        UserRegistered {
            email: sealed(),
            email_key: any::<[u8; 16]>().prop_map(EmailKey),
            display_name: option::of(sealed()),
            provider: select(Provider::ALL),
        }
        AttributionCapturedV1 {
            first_referrer_url: option::of(sealed()),
            first_landing_page: option::of(any::<String>()),
            utm_source: option::of(any::<String>()),
            utm_medium: option::of(any::<String>()),
            utm_campaign: option::of(any::<String>()),
            utm_term: option::of(any::<String>()),
            utm_content: option::of(any::<String>()),
            click_ids: click_ids(),
            acquired_via_creator_id: option::of(user()),
            registration_device: option::of(select(DeviceClass::ALL)),
            registration_country: option::of(country()),
            touch_id: option::of(uuid().prop_map(TouchId)),
            touched_at: option::of(time()),
            consent: select(Consent::ALL),
            rules_version: any::<u16>(),
        }
        AttributionCaptured {
            first_referrer_url: option::of(sealed()),
            referrer_domain: option::of(any::<String>()),
            first_landing_page: option::of(any::<String>()),
            utm_source: option::of(any::<String>()),
            utm_medium: option::of(any::<String>()),
            utm_campaign: option::of(any::<String>()),
            utm_term: option::of(any::<String>()),
            utm_content: option::of(any::<String>()),
            click_ids: click_ids(),
            acquired_via_creator_id: option::of(user()),
            registration_device: option::of(select(DeviceClass::ALL)),
            registration_country: option::of(country()),
            touch_id: option::of(uuid().prop_map(TouchId)),
            touched_at: option::of(time()),
            consent: select(Consent::ALL),
            rules_version: any::<u16>(),
            referrer_site: option::of(any::<String>()),
            said_by_client: any::<bool>(),
        }
        ProfileUpdated {
            display_name: option::of(sealed()),
            avatar_url: option::of(sealed()),
        }
        CreatorHandleClaimed { handle: handle(), }
        BillingCustomerLinked { billing_customer_id: any::<String>(), }
        UserSuspended { reason: sealed(), }
        UserReinstated { reason: sealed(), }
        ErasureCompleted { touches: any::<u64>(), }
        UserErased { requested_by: any::<String>(), mode: any::<String>(), }
    }
}

fn leaving() -> Named {
    events! {
        EmailChanged {
            email: sealed(),
            email_key: any::<[u8; 16]>().prop_map(EmailKey),
            previous_key: any::<[u8; 16]>().prop_map(EmailKey),
            objection_until: time(),
            objection_hash: hash(),
            reason: option::of(sealed()),
        }
        EmailChangeUndone {
            email: sealed(),
            email_key: any::<[u8; 16]>().prop_map(EmailKey),
            voided_key: any::<[u8; 16]>().prop_map(EmailKey),
        }
        EmailChangeNoticed {
            previous_key: any::<[u8; 16]>().prop_map(EmailKey),
            attempt: any::<u8>(),
            failed: option::of(select(DeliveryFailure::ALL)),
            again_at: time(),
        }
        ErasureRequested { due_at: time(), }
        ErasureCancelled { due_at: time(), }
    }
}

fn sessions() -> Named {
    events! {
        SessionOpened {
            session_id: session(),
            token_hash: hash(),
            kind: select(SessionKind::ALL),
            expires_at: time(),
            absolute_expires_at: time(),
            device: sealed(),
            device_class: option::of(select(DeviceClass::ALL)),
            country: option::of(country()),
        }
        SessionExtended { session_id: session(), expires_at: time(), }
        RefreshRotated { session_id: session(), refresh_hash: hash(), expires_at: time(), }
        SessionRevoked { session_id: session(), reason: select(RevokeReason::ALL), }
        SessionsRevoked { count: any::<u64>(), reason: sealed(), }
    }
}

fn referrals() -> Named {
    events! {
        ReferralAttributed {
            referrer_id: user(),
            code: code(),
            code_kind: select(CodeKind::ALL),
            touched_at: option::of(time()),
            touch_id: option::of(uuid().prop_map(TouchId)),
            via: select(Via::ALL),
            rules_version: any::<u16>(),
            rules_digest: mac(),
            signals: vec(select(Signal::ALL), 0..4),
        }
        ReferralRefused {
            code: option::of(code()),
            reason: select(Refusal::ALL),
            via: select(Via::ALL),
            rules_version: any::<u16>(),
            rules_digest: mac(),
            signals: vec(select(Signal::ALL), 0..4),
            evidence: evidence(),
        }
        ReferralCodeIssued { code: code(), kind: select(CodeKind::ALL), }
        ReferralCodeDisabled { code: code(), reason: any::<String>(), }
        ReferralCodeBlocked { code: code(), reason: sealed(), }
        ReferralCodeUnblocked { code: code(), reason: sealed(), }
    }
}

fn onboarding() -> Named {
    events! {
        SubscriptionProvisioned { plan: any::<String>(), }
        WelcomeEmailSent { attempt: any::<u8>(), }
        WelcomeEmailFailed { reason: select(DeliveryFailure::ALL), attempt: any::<u8>(), }
    }
}

fn others() -> Named {
    events! {
        NameReserved { owner: user(), }
        TouchRecordedV1 {
            code: option::of(code()),
            code_status: select(CodeStatus::ALL),
            owner: option::of(user()),
            other_codes: vec(code(), 0..3),
            landing_page: any::<String>(),
            referrer_url: option::of(sealed()),
            referrer_kind: select(ReferrerKind::ALL),
            utm: utm(),
            click_ids: click_ids(),
            creator_id: option::of(user()),
            device_class: option::of(select(DeviceClass::ALL)),
            country: option::of(country()),
            bot: any::<bool>(),
            bot_rules_version: any::<u16>(),
            consent: select(Consent::ALL),
            deduplicated: any::<bool>(),
            fetch_site: option::of(select(FetchSite::ALL)),
        }
        TouchRecorded {
            code: option::of(code()),
            code_status: select(CodeStatus::ALL),
            owner: option::of(user()),
            other_codes: vec(code(), 0..3),
            landing_page: any::<String>(),
            referrer_url: option::of(sealed()),
            referrer_domain: option::of(any::<String>()),
            referrer_kind: select(ReferrerKind::ALL),
            first_touch_id: option::of(uuid().prop_map(TouchId)),
            utm: utm(),
            click_ids: click_ids(),
            creator_id: option::of(user()),
            device_class: option::of(select(DeviceClass::ALL)),
            country: option::of(country()),
            bot: any::<bool>(),
            bot_rules_version: any::<u16>(),
            consent: select(Consent::ALL),
            deduplicated: any::<bool>(),
            fetch_site: option::of(select(FetchSite::ALL)),
            referrer_site: option::of(any::<String>()),
            agent: option::of(sealed()),
            said_by_client: any::<bool>(),
        }
        RulesAdopted { digest: mac(), settings: settings(), }
        AuditRead {
            subject: select(AuditSubject::ALL),
            user_id: option::of(user()),
            code: option::of(code()),
            personal_data: any::<bool>(),
        }
        ApiKeyIssued {
            name: any::<String>(),
            scopes: vec(select(ApiKeyScope::ALL), 0..4),
            secret_hash: hash(),
            expires_at: option::of(time()),
        }
        ApiKeyRotated { secret_hash: hash(), previous_until: time(), }
        ApiKeyGraceEnded { ended_at: time(), }
        ApiKeyRevoked { reason: any::<String>(), }
        ApiKeyUsed { day: any::<String>(), }
    }
}

/// Returns any ciphertext: the codec does not read the content of a sealed field.
fn sealed<T: std::fmt::Debug + 'static>() -> impl Strategy<Value = Pii<T>> {
    vec(any::<u8>(), 0..80).prop_map(|bytes| Pii::Sealed(Sealed(bytes.into())))
}

fn uuid() -> impl Strategy<Value = uuid::Uuid> {
    any::<u128>().prop_map(uuid::Uuid::from_u128)
}

fn device() -> impl Strategy<Value = DeviceId> {
    uuid().prop_map(DeviceId)
}

fn user() -> impl Strategy<Value = UserId> {
    uuid().prop_map(UserId)
}

fn session() -> impl Strategy<Value = SessionId> {
    uuid().prop_map(SessionId)
}

fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 16]>().prop_map(Mac)
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

/// Returns times within the years of RFC 3339, 0000 to 9999.
fn time() -> impl Strategy<Value = Timestamp> {
    (-62_167_219_200_000_000_i64..253_402_300_800_000_000).prop_map(Timestamp::from_micros)
}

fn code() -> impl Strategy<Value = ReferralCode> {
    "[A-Za-z0-9][A-Za-z0-9-]{1,31}".prop_map(|text| text.parse().expect("a code"))
}

fn handle() -> impl Strategy<Value = Handle> {
    "[a-z0-9][a-z0-9_.-]{1,31}".prop_map(|text| text.parse().expect("a handle"))
}

fn country() -> impl Strategy<Value = Country> {
    "[A-Z]{2}".prop_filter_map("an unknown country", |text| Country::parse(&text))
}

fn click_ids() -> impl Strategy<Value = ClickIds> {
    btree_map(any::<String>(), any::<String>(), 0..3)
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let touch = option::of(uuid().prop_map(TouchId));
    (option::of(user()), touch, option::of(time()))
        .prop_map(|(owner, touch_id, touched_at)| Evidence { owner, touch_id, touched_at })
}

fn utm() -> impl Strategy<Value = Utm> {
    proptest::array::uniform5(option::of(any::<String>())).prop_map(
        |[source, medium, campaign, term, content]| Utm { source, medium, campaign, term, content },
    )
}

fn settings() -> impl Strategy<Value = RuleSettings> {
    let numbers = (any::<u16>(), any::<u64>(), any::<u64>(), any::<bool>(), any::<u32>());
    let rest = (vec(country(), 0..3), option::of(mac()));
    (numbers, rest).prop_map(|(numbers, (blocked_countries, disposable_domains))| {
        let (rules_version, window_seconds, grace_seconds, strict, velocity_cap) = numbers;
        RuleSettings {
            rules_version,
            window_seconds,
            grace_seconds,
            strict,
            velocity_cap,
            blocked_countries,
            disposable_domains,
        }
    })
}
