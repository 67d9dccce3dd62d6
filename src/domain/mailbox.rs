//! An e-mail address: how often codes are sent, how often they may be tried, which devices are known
//! to it, and who owns it.
//!
//! What strangers do is counted in one budget for all of them, what a known device does in one of its
//! own. A code that was sent may be tried once whatever happens to the address meanwhile: it is the
//! next code that has to wait. So the number of wrong codes is bounded, and nobody voids the code of
//! another.

mod budget;
mod command;
mod logins;
#[cfg(test)]
mod month;
mod ownership;
#[cfg(test)]
mod tests;

use std::time::Duration;

use whence_events::{
    CodeDeliveryFailed, CodeRejected, CodeVerified, DeviceClass, DeviceForgotten, DeviceId,
    EmailAddress, Event, LockCleared, LoginExpired, LoginLocked, LoginStarted, LoginThrottled,
    MailboxClaimed, MailboxEvent, MailboxForgotten, MailboxReclaimed, MailboxReleased, Pii,
    RequestId, StartCounted, StartReturned, Timestamp, TouchId, UserId, Version,
};

use super::{Decider, EventContext};
use budget::{Budget, Start};
pub use budget::{
    FIRST_WAIT, FREE_GUESSES, LONGEST_WAIT, MAX_GUESSES, MAX_STARTS, MAX_STARTS_OF_NETWORK,
    START_WINDOW,
};
pub use command::{
    ClaimMailbox, CountStart, DeviceFacts, ForgetMailbox, LeaveMailbox, MailboxCommand,
    MailboxRejection, StartLogin, VerifyCode,
};
use logins::{LoginState, Logins};

/// The time for which a code is valid (NIST SP 800-63B-4, 3.1.3.2: at most 10 minutes).
pub const CODE_LIFETIME: Duration = Duration::from_mins(10);

/// The number of wrong codes that can be tried on one login.
pub const MAX_ATTEMPTS: u8 = 5;

/// The number of devices that are known to an address.
pub const MAX_DEVICES: usize = 10;

/// The state of an e-mail address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// The user who owns the address.
    pub owner: Option<UserId>,
    /// The user who moved to another address, while nobody else can have this one, and the end of that.
    pub held: Option<(UserId, Timestamp)>,
    /// The time at which an account moved here.
    pub moved_here_at: Option<Timestamp>,
    /// The reason of the operator who moved it here, sealed, and the version of the event that holds
    /// it: nobody has proven the address by that.
    pub moved_because: Option<(Pii<String>, Version)>,
    /// The last owner, when the address was released because that user was erased.
    pub released_by: Option<UserId>,
    /// The address itself, sealed, and the version of the event that holds it.
    pub email: Option<(Pii<EmailAddress>, Version)>,
    /// The devices that are known to the address, at most [`MAX_DEVICES`].
    devices: Vec<Device>,
    /// The budget of all unknown devices.
    unknown: Budget,
    /// The logins that are live or ended recently.
    logins: Logins,
    /// The time at which a code was last requested.
    asked_at: Option<Timestamp>,
}

/// A device that is known to an address, because the right code was entered on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The id of the device.
    pub id: DeviceId,
    /// The class of the device.
    pub class: Option<DeviceClass>,
    /// The time of the first login on it.
    pub first_login: Timestamp,
    /// The time of the last login on it.
    pub last_login: Timestamp,
    /// Its budget, which nobody else can touch.
    budget: Budget,
}

impl Decider for Mailbox {
    type Command = MailboxCommand;
    type Event = MailboxEvent;
    type Rejection = MailboxRejection;

    fn event(event: &Event) -> Option<&MailboxEvent> {
        if let Event::Mailbox(event) = event { Some(event) } else { None }
    }

    fn evolve(mut self, event: &MailboxEvent, context: EventContext) -> Self {
        let at = context.at;
        match event {
            MailboxEvent::LoginStarted(started) => {
                self.email = Some((started.email.clone(), context.version));
                self.started(started, at);
            }
            MailboxEvent::StartCounted(counted) => {
                let (request_id, network) = (counted.request_id, counted.network);
                self.unknown.count(Start { at, request_id, network });
            }
            MailboxEvent::StartReturned(returned) => {
                self.unknown.give_back(returned.request_id);
            }
            MailboxEvent::LoginThrottled(throttled) => {
                if let Some(budget) = self.budget_mut(throttled.device_id) {
                    budget.throttled_until = Some(throttled.until);
                }
            }
            MailboxEvent::CodeDeliveryFailed(failed) => {
                if failed.reason.certainly_not_sent() {
                    self.not_sent(failed.request_id);
                }
            }
            MailboxEvent::CodeRejected(rejected) => self.rejected(rejected, at),
            MailboxEvent::LoginLocked(locked) => {
                if let Some(request_id) = locked.request_id {
                    self.logins.close(request_id, LoginState::Locked);
                } else {
                    let no_end = Timestamp::from_micros(i64::MAX);
                    self.unknown.locked_until = locked.until.or(Some(no_end));
                }
            }
            MailboxEvent::LoginExpired(expired) => {
                self.logins.close(expired.request_id, LoginState::Expired);
            }
            MailboxEvent::CodeVerified(verified) => self.verified(verified, at),
            MailboxEvent::DeviceForgotten(forgotten) => {
                self.devices.retain(|device| device.id != forgotten.device_id);
            }
            MailboxEvent::LockCleared(_) => self.unknown = Budget::default(),
            MailboxEvent::MailboxClaimed(claimed) => self.claimed(claimed, context),
            MailboxEvent::MailboxReclaimed(reclaimed) => {
                self.owner = Some(reclaimed.user_id);
                self.held = None;
            }
            MailboxEvent::MailboxReleased(released) => {
                self.owner = None;
                self.held = None;
                self.released_by = Some(released.user_id);
                self.moved_because = None;
                self.email = None;
                self.devices.clear();
            }
            MailboxEvent::MailboxMoved(moved) => {
                self.owner = None;
                self.held = Some((moved.user_id, moved.held_until));
            }
            MailboxEvent::MailboxForgotten(_) => {
                self.email = None;
                self.devices.clear();
            }
        }
        self
    }

    fn decide(&self, command: &MailboxCommand) -> Result<Vec<MailboxEvent>, MailboxRejection> {
        match command {
            MailboxCommand::StartLogin(command) => self.start_login(command),
            MailboxCommand::CountStart(command) => self.count_start(*command),
            MailboxCommand::ReturnStart { request_id } => Ok(self.return_start(*request_id)),
            MailboxCommand::FailDelivery { request_id, reason } => {
                Ok(vec![CodeDeliveryFailed { request_id: *request_id, reason: *reason }.into()])
            }
            MailboxCommand::VerifyCode(command) => self.verify_code(command),
            MailboxCommand::ForgetDevice { device_id } => Ok(self.forget_device(*device_id)),
            MailboxCommand::ClearLock { .. } if self.unknown.is_untouched() => Ok(vec![]),
            MailboxCommand::ClearLock { reason } => Ok(vec![self.clear_lock(reason)]),
            // The address has another owner by now, or none: then there is nothing to release.
            MailboxCommand::Release { user_id } if !self.is_kept_by(*user_id) => Ok(vec![]),
            MailboxCommand::Release { user_id } => {
                Ok(self.ended_by(MailboxReleased { user_id: *user_id }))
            }
            MailboxCommand::Claim(command) => self.claim(command),
            MailboxCommand::Move(command) => Ok(self.leave(*command)),
            MailboxCommand::Reclaim { user_id } => Ok(match self.held {
                Some((held_by, _)) if held_by == *user_id => {
                    vec![MailboxReclaimed { user_id: *user_id }.into()]
                }
                _ => vec![],
            }),
            MailboxCommand::Forget(command) => Ok(match self.forgettable(command) {
                Some(asked_at) => self.ended_by(MailboxForgotten { asked_at }),
                None => vec![],
            }),
        }
    }
}

/// The decisions.
impl Mailbox {
    fn start_login(&self, command: &StartLogin) -> Result<Vec<MailboxEvent>, MailboxRejection> {
        let now = command.now;
        let device_id = self.known_of(&command.devices).map(|device| device.id);
        let (budget, network) = match device_id.and_then(|id| self.device(id)) {
            Some(device) => (&device.budget, None),
            None => (&self.unknown, command.network),
        };
        let untried = self.logins.untried(device_id, None, now);
        if let Some(until) = budget.closed_until(network, untried, now) {
            return throttle(budget, until, device_id, now);
        }
        Ok(vec![
            LoginStarted {
                request_id: command.request_id,
                email: Pii::Clear(command.email.clone()),
                code_mac: command.code_mac,
                expires_at: now + CODE_LIFETIME,
                known_device: device_id.is_some(),
                client: Pii::Clear(command.client.clone()),
                device_id,
                network,
                change_of: command.change_of,
                touch_id: command.touch_id,
            }
            .into(),
        ])
    }

    fn count_start(&self, command: CountStart) -> Result<Vec<MailboxEvent>, MailboxRejection> {
        let CountStart { now, request_id, network } = command;
        match self.unknown.starts_used_until(network, now) {
            Some(until) => throttle(&self.unknown, until, None, now),
            None => Ok(vec![StartCounted { request_id, network }.into()]),
        }
    }

    fn return_start(&self, request_id: RequestId) -> Vec<MailboxEvent> {
        let counted = self.unknown.counts(request_id);
        counted.then(|| StartReturned { request_id }.into()).into_iter().collect()
    }

    fn verify_code(&self, command: &VerifyCode) -> Result<Vec<MailboxEvent>, MailboxRejection> {
        let (now, request_id) = (command.now, command.request_id);
        let login = self.logins.get(request_id).ok_or(MailboxRejection::UnknownRequest)?;
        // A code that moves an account logs nobody in, and one that logs in moves nothing.
        if login.change_of != command.change_of {
            return Err(MailboxRejection::UnknownRequest);
        }
        let (code_mac, expires_at, wrong) = match &login.state {
            LoginState::Consumed => return Err(MailboxRejection::AlreadyConsumed),
            LoginState::Locked => return Err(MailboxRejection::Locked),
            LoginState::Expired => return Err(MailboxRejection::Expired),
            LoginState::Live { code_mac, expires_at, wrong } => (code_mac, *expires_at, *wrong),
        };
        // The device was forgotten while its login was under way.
        let budget = self.budget(login.device_id).ok_or(MailboxRejection::Locked)?;
        if budget.locked_until.is_some_and(|until| now < until) {
            return Err(MailboxRejection::Locked);
        }
        if now >= expires_at {
            return Ok(vec![LoginExpired { request_id }.into()]);
        }
        let untried = self.logins.untried(login.device_id, Some(request_id), now);
        if wrong > 0 && !budget.another_guess(untried) {
            return Err(MailboxRejection::Locked);
        }
        if code_mac.same_as(&command.code_mac) {
            return self.right_code(command);
        }
        let (attempt, in_a_row) = (wrong + 1, budget.next_wrong());
        let mut events = vec![CodeRejected { request_id, attempt }.into()];
        if attempt >= MAX_ATTEMPTS || in_a_row >= FREE_GUESSES {
            events.push(LoginLocked { request_id: Some(request_id), until: None }.into());
        }
        if in_a_row >= MAX_GUESSES {
            events.push(if let Some(device_id) = login.device_id {
                DeviceForgotten { device_id }.into()
            } else {
                let until = command.lock_time.map(|time| now + time);
                LoginLocked { request_id: None, until }.into()
            });
        }
        Ok(events)
    }

    fn right_code(&self, command: &VerifyCode) -> Result<Vec<MailboxEvent>, MailboxRejection> {
        let claimed = match command.change_of {
            None if self.held.is_some() => return Err(MailboxRejection::Moved),
            None => self.owner.is_none().then_some(command.fresh_user),
            Some(user_id) if !self.can_be_of(user_id) => return Err(MailboxRejection::Taken),
            Some(user_id) => (self.owner != Some(user_id)).then_some(user_id),
        };
        let facts = &command.device;
        let device_id = self.known_of(&facts.proven).map_or(facts.fresh, |device| device.id);
        let verified = CodeVerified {
            request_id: command.request_id,
            device_id: Some(device_id),
            device_class: facts.class,
        };
        let mut events = vec![verified.into()];
        if let Some(user_id) = claimed {
            let by_change = command.change_of.is_some();
            events.push(MailboxClaimed { user_id, by_change, email: None, reason: None }.into());
        }
        Ok(events)
    }

    fn forget_device(&self, device_id: DeviceId) -> Vec<MailboxEvent> {
        if self.device(device_id).is_none() {
            return vec![];
        }
        let live = self.logins.live(|login| login.device_id == Some(device_id));
        let ended = live.map(|request_id| LoginExpired { request_id }.into());
        ended.chain([DeviceForgotten { device_id }.into()]).collect()
    }

    fn clear_lock(&self, reason: &str) -> MailboxEvent {
        // What is said about nobody's address would be kept under a key that nothing destroys.
        let kept = self.email.is_some() && !reason.is_empty();
        let reason = kept.then(|| Pii::Clear(reason.to_owned()));
        LockCleared { wrong: self.unknown.wrong(), reason }.into()
    }

    /// Returns the time at which a code was last requested, if the address is to be forgotten: it
    /// has no owner and is held for nobody, was kept for as long as it may be, and is not forgotten yet.
    #[must_use]
    pub fn forgettable(&self, command: &ForgetMailbox) -> Option<Timestamp> {
        self.email.as_ref().filter(|_| self.owner.is_none() && self.held.is_none())?;
        self.asked_at.filter(|asked_at| *asked_at + command.keep <= command.now)
    }

    /// Returns the events that end all live logins, followed by `last`.
    ///
    /// The live logins are sealed under a key that is destroyed: they end, so that their codes are
    /// answered with "start again".
    fn ended_by(&self, last: impl Into<MailboxEvent>) -> Vec<MailboxEvent> {
        let live = self.logins.live(|_| true);
        let ended = live.map(|request_id| LoginExpired { request_id }.into());
        ended.chain([last.into()]).collect()
    }

    /// Returns the devices that are known to the address, the one that logged in last first.
    #[must_use]
    pub fn devices(&self) -> Vec<&Device> {
        let mut devices: Vec<_> = self.devices.iter().collect();
        devices.sort_by_key(|device| std::cmp::Reverse(device.last_login));
        devices
    }

    /// Returns the landing that the client said when a login was started.
    #[must_use]
    pub fn said_touch(&self, request_id: RequestId) -> Option<TouchId> {
        self.logins.get(request_id)?.touch_id
    }

    /// Returns whether one of these devices is known to the address.
    #[must_use]
    pub fn knows(&self, devices: &[DeviceId]) -> bool {
        self.known_of(devices).is_some()
    }

    fn known_of(&self, devices: &[DeviceId]) -> Option<&Device> {
        devices.iter().find_map(|id| self.device(*id))
    }

    fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == id)
    }

    /// Returns the budget of a device, or that of all unknown ones; `None` for a forgotten device.
    fn budget(&self, device: Option<DeviceId>) -> Option<&Budget> {
        match device {
            Some(id) => self.device(id).map(|device| &device.budget),
            None => Some(&self.unknown),
        }
    }
}

/// What events change.
impl Mailbox {
    fn started(&mut self, started: &LoginStarted, at: Timestamp) {
        let (request_id, network) = (started.request_id, started.network);
        if let Some(budget) = self.budget_mut(started.device_id) {
            budget.count(Start { at, request_id, network });
        }
        self.logins.start(started, at);
        self.asked_at = Some(at);
    }

    /// Takes a code out of all counts that certainly did not go out, and ends its login, so that the
    /// code is not there to be guessed either.
    fn not_sent(&mut self, request_id: RequestId) {
        let device = self.logins.get(request_id).and_then(|login| login.device_id);
        if let Some(budget) = self.budget_mut(device) {
            budget.give_back(request_id);
        }
        self.logins.close(request_id, LoginState::Expired);
    }

    fn rejected(&mut self, rejected: &CodeRejected, at: Timestamp) {
        let login = self.logins.count_wrong(rejected.request_id, rejected.attempt);
        let (device, network) =
            login.map_or((None, None), |login| (login.device_id, login.network));
        if let Some(budget) = self.budget_mut(device) {
            budget.count_wrong(network, at);
        }
    }

    /// A right code starts the counts of wrong ones anew, of the unknown devices and of the device
    /// that asked for it. Its own start is the device's from now on: strangers do not see from what
    /// is left to them that the owner was here.
    fn verified(&mut self, verified: &CodeVerified, at: Timestamp) {
        let asked = self.logins.get(verified.request_id).and_then(|login| login.device_id);
        self.logins.close(verified.request_id, LoginState::Consumed);
        self.unknown.reset_guesses();
        let start = self.unknown.give_back(verified.request_id);
        if let Some(budget) = self.budget_mut(asked) {
            budget.reset_guesses();
        }
        let Some(id) = verified.device_id else { return };
        if let Some(device) = self.devices.iter_mut().find(|device| device.id == id) {
            device.last_login = at;
            device.class = verified.device_class.or(device.class);
            if let Some(start) = start {
                device.budget.count(start);
            }
        } else {
            let mut budget = Budget::default();
            if let Some(start) = start {
                budget.count(start);
            }
            let class = verified.device_class;
            self.remember(Device { id, class, first_login: at, last_login: at, budget });
        }
    }

    /// Adds a device; the one that has not logged in for the longest time makes room.
    fn remember(&mut self, device: Device) {
        if self.devices.len() >= MAX_DEVICES {
            let oldest = self.devices.iter().enumerate().min_by_key(|(_, known)| known.last_login);
            if let Some((place, _)) = oldest {
                self.devices.remove(place);
            }
        }
        self.devices.push(device);
    }

    fn budget_mut(&mut self, device: Option<DeviceId>) -> Option<&mut Budget> {
        match device {
            Some(id) => {
                let known = self.devices.iter_mut().find(|device| device.id == id);
                known.map(|device| &mut device.budget)
            }
            None => Some(&mut self.unknown),
        }
    }
}

/// Refuses a start. It is recorded once, so that repeated requests cannot fill the log.
fn throttle(
    budget: &Budget,
    until: Timestamp,
    device_id: Option<DeviceId>,
    now: Timestamp,
) -> Result<Vec<MailboxEvent>, MailboxRejection> {
    let on_record = budget.throttled_until.max(budget.locked_until);
    if on_record.is_some_and(|recorded| recorded > now) {
        Err(MailboxRejection::Throttled { until, device_id })
    } else {
        Ok(vec![LoginThrottled { until, device_id }.into()])
    }
}
