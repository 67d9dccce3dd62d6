//! The stages of the funnel: the steps that lead to an account, and what goes wrong on the way.

use whence_events::{DeliveryFailure, Refusal};

use super::atom::Atom;

/// A step of the funnel, or an event that leads off it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A landing of a visitor who is no bot, also one that repeats a landing of the hour before.
    Landing,
    CodeRequested,
    /// A code was requested, and its mail did not fail.
    Delivered,
    Verified,
    Registered,
    Attributed,
    Refused(Refusal),
    BotLanding,
    /// A landing that repeats one of the hour before; it is one of [`Stage::Landing`] as well.
    RepeatedLanding,
    LoginThrottled,
    DeliveryFailed(DeliveryFailure),
    CodeRejected,
    LoginLocked,
    AddressLocked,
    LoginExpired,
}

/// The stages that lead to one another.
pub(super) const WAY: [Stage; 6] = [
    Stage::Landing,
    Stage::CodeRequested,
    Stage::Delivered,
    Stage::Verified,
    Stage::Registered,
    Stage::Attributed,
];

impl Stage {
    /// Returns every stage, in order.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let refused = Refusal::ALL.iter().copied().map(Self::Refused);
        let landings = [Self::BotLanding, Self::RepeatedLanding, Self::LoginThrottled];
        let failed = DeliveryFailure::ALL.iter().copied().map(Self::DeliveryFailed);
        let logins =
            [Self::CodeRejected, Self::LoginLocked, Self::AddressLocked, Self::LoginExpired];
        WAY.into_iter().chain(refused).chain(landings).chain(failed).chain(logins)
    }

    /// Returns the name of its row.
    pub(super) fn name(self) -> String {
        match self {
            Self::Landing => "landing".to_owned(),
            Self::CodeRequested => "code_requested".to_owned(),
            Self::Delivered => "delivered".to_owned(),
            Self::Verified => "verified".to_owned(),
            Self::Registered => "registered".to_owned(),
            Self::Attributed => "attributed".to_owned(),
            Self::Refused(reason) => format!("refused: {reason}"),
            Self::BotLanding => "landing of a bot".to_owned(),
            Self::RepeatedLanding => "landing again within the hour".to_owned(),
            Self::LoginThrottled => "login throttled".to_owned(),
            Self::DeliveryFailed(reason) => format!("delivery failed: {reason}"),
            Self::CodeRejected => "wrong code".to_owned(),
            Self::LoginLocked => "login locked".to_owned(),
            Self::AddressLocked => "address locked".to_owned(),
            Self::LoginExpired => "login expired".to_owned(),
        }
    }

    pub(super) fn atom(self) -> Atom {
        let place = match self {
            Self::Refused(reason) => WAY.len() + index(Refusal::ALL, &reason),
            Self::DeliveryFailed(reason) => {
                WAY.len() + Refusal::ALL.len() + 3 + index(DeliveryFailure::ALL, &reason)
            }
            Self::Landing
            | Self::CodeRequested
            | Self::Delivered
            | Self::Verified
            | Self::Registered
            | Self::Attributed
            | Self::BotLanding
            | Self::RepeatedLanding
            | Self::LoginThrottled
            | Self::CodeRejected
            | Self::LoginLocked
            | Self::AddressLocked
            | Self::LoginExpired => Self::all().position(|stage| stage == self).unwrap_or(0),
        };
        Atom::at(place)
    }
}

fn index<T: PartialEq>(all: &[T], one: &T) -> usize {
    all.iter().position(|known| known == one).unwrap_or(0)
}
