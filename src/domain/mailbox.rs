//! An e-mail address: how often codes are sent, how often they may be tried, and who owns it.

#[cfg(test)]
mod tests;

use std::time::Duration;

use whence_events::{
    Client, CodeDeliveryFailed, CodeRejected, CodeVerified, DeliveryFailure, EmailAddress, Event,
    LoginExpired, LoginLocked, LoginStarted, LoginThrottled, Mac, MailboxClaimed, MailboxEvent,
    MailboxForgotten, MailboxReleased, Pii, RequestId, Timestamp, UserId, Version,
};

use super::{Decider, EventContext};

/// The time for which a code is valid (NIST SP 800-63B-4, 3.1.3.2: at most 10 minutes).
pub const CODE_LIFETIME: Duration = Duration::from_mins(10);

/// The number of codes that an address gets within [`START_WINDOW`].
pub const MAX_STARTS: usize = 5;

/// The window in which codes are counted.
pub const START_WINDOW: Duration = Duration::from_hours(1);

/// The number of wrong codes that can be tried on one login.
pub const MAX_ATTEMPTS: u8 = 5;

/// The state of an e-mail address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// The user who owns the address.
    pub owner: Option<UserId>,
    /// The last owner, when the address was released because that user was erased.
    pub released_by: Option<UserId>,
    /// The address itself, sealed, and the version of the event that holds it.
    pub email: Option<(Pii<EmailAddress>, Version)>,
    /// The times of the last [`MAX_STARTS`] codes.
    starts: Vec<Timestamp>,
    /// The end of the throttling that is already recorded.
    throttled_until: Option<Timestamp>,
    /// The end of the lock of the whole address.
    locked_until: Option<Timestamp>,
    /// The logins that are live or ended recently.
    logins: Vec<(RequestId, LoginState)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum LoginState {
    Live { code_mac: Mac, expires_at: Timestamp, wrong: u8 },
    Consumed,
    Locked,
    Expired,
}

/// A command on an address.
#[derive(Clone, Debug)]
pub enum MailboxCommand {
    /// Starts a login with a fresh code.
    StartLogin(StartLogin),
    /// Records that the code could not be sent.
    FailDelivery {
        /// The id of the login.
        request_id: RequestId,
        /// The class of the failure.
        reason: DeliveryFailure,
    },
    /// Tries a code.
    VerifyCode(VerifyCode),
    /// Releases the address from its owner.
    Release {
        /// The owner of the address until now.
        user_id: UserId,
    },
    /// Forgets an address that has no owner and was not verified in time; its key is destroyed.
    Forget(ForgetMailbox),
}

/// The command that starts a login with a fresh code.
#[derive(Clone, Debug)]
pub struct StartLogin {
    /// The current time.
    pub now: Timestamp,
    /// A fresh id for the login.
    pub request_id: RequestId,
    /// The address that the code is sent to.
    pub email: EmailAddress,
    /// The MAC of the fresh code.
    pub code_mac: Mac,
    /// The network client that asks for the code.
    pub client: Client,
}

/// The command that tries a code.
#[derive(Clone, Debug)]
pub struct VerifyCode {
    /// The current time.
    pub now: Timestamp,
    /// The id of the login.
    pub request_id: RequestId,
    /// The MAC of the code that was entered.
    pub code_mac: Mac,
    /// A fresh user id, which is used when the address has no owner yet.
    pub fresh_user: UserId,
}

/// The command that forgets an address which was not verified in time.
#[derive(Clone, Copy, Debug)]
pub struct ForgetMailbox {
    /// The current time.
    pub now: Timestamp,
    /// The time for which an address is kept after its last code was requested.
    pub keep: Duration,
}

/// The reason why an address rejects a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailboxRejection {
    /// Too many codes were requested, and that is already recorded.
    #[error("too many codes were asked for; the next one at {until}")]
    Throttled {
        /// The time from which the next code may be requested.
        until: Timestamp,
    },
    /// The login does not exist, or ended long ago.
    #[error("there is no such login")]
    UnknownRequest,
    /// The login has expired.
    #[error("the login expired")]
    Expired,
    /// The login is locked after too many wrong codes.
    #[error("the login is locked")]
    Locked,
    /// The code was used before.
    #[error("the code was used already")]
    AlreadyConsumed,
}

impl Decider for Mailbox {
    type Command = MailboxCommand;
    type Event = MailboxEvent;
    type Rejection = MailboxRejection;

    fn event(event: &Event) -> Option<&MailboxEvent> {
        if let Event::Mailbox(event) = event { Some(event) } else { None }
    }

    fn evolve(mut self, event: &MailboxEvent, context: EventContext) -> Self {
        match event {
            MailboxEvent::LoginStarted(started) => {
                self.email = Some((started.email.clone(), context.version));
                self.start(started, context.at);
            }
            MailboxEvent::LoginThrottled(throttled) => self.throttled_until = Some(throttled.until),
            MailboxEvent::CodeDeliveryFailed(_) => {}
            MailboxEvent::CodeRejected(rejected) => {
                if let Some(LoginState::Live { wrong, .. }) = self.login_mut(rejected.request_id) {
                    *wrong = rejected.attempt;
                }
            }
            MailboxEvent::LoginLocked(locked) => match locked.request_id {
                Some(request_id) => self.close(request_id, LoginState::Locked),
                None => {
                    self.locked_until = locked.until.or(Some(Timestamp::from_micros(i64::MAX)));
                }
            },
            MailboxEvent::LoginExpired(expired) => {
                self.close(expired.request_id, LoginState::Expired);
            }
            MailboxEvent::CodeVerified(verified) => {
                self.close(verified.request_id, LoginState::Consumed);
                self.locked_until = None;
            }
            MailboxEvent::MailboxClaimed(claimed) => self.owner = Some(claimed.user_id),
            MailboxEvent::MailboxReleased(released) => {
                self.owner = None;
                self.released_by = Some(released.user_id);
                self.email = None;
            }
            MailboxEvent::MailboxForgotten(_) => self.email = None,
        }
        self
    }

    fn decide(&self, command: &MailboxCommand) -> Result<Vec<MailboxEvent>, MailboxRejection> {
        match command {
            MailboxCommand::StartLogin(command) => self.start_login(command),
            MailboxCommand::FailDelivery { request_id, reason } => {
                Ok(vec![CodeDeliveryFailed { request_id: *request_id, reason: *reason }.into()])
            }
            MailboxCommand::VerifyCode(command) => self.verify_code(command),
            // The address has another owner by now, or none: then there is nothing to release.
            MailboxCommand::Release { user_id } if self.owner != Some(*user_id) => Ok(vec![]),
            MailboxCommand::Release { user_id } => {
                Ok(self.ended_by(MailboxReleased { user_id: *user_id }))
            }
            MailboxCommand::Forget(command) => Ok(match self.forgettable(command) {
                Some(asked_at) => self.ended_by(MailboxForgotten { asked_at }),
                None => vec![],
            }),
        }
    }
}

impl Mailbox {
    fn start_login(&self, command: &StartLogin) -> Result<Vec<MailboxEvent>, MailboxRejection> {
        let now = command.now;
        let mut recent = self.starts.iter().filter(|start| **start + START_WINDOW > now);
        if recent.clone().count() >= MAX_STARTS {
            let until = recent.next().map_or(now, |first| *first + START_WINDOW);
            // Recorded once per window, so that repeated requests cannot fill the log.
            return match self.throttled_until {
                Some(recorded) if recorded > now => Err(MailboxRejection::Throttled { until }),
                _ => Ok(vec![LoginThrottled { until }.into()]),
            };
        }
        Ok(vec![
            LoginStarted {
                request_id: command.request_id,
                email: Pii::Clear(command.email.clone()),
                code_mac: command.code_mac,
                expires_at: now + CODE_LIFETIME,
                known_device: false,
                client: Pii::Clear(command.client.clone()),
            }
            .into(),
        ])
    }

    fn verify_code(&self, command: &VerifyCode) -> Result<Vec<MailboxEvent>, MailboxRejection> {
        let request_id = command.request_id;
        let (code_mac, expires_at, wrong) = match self.login(request_id) {
            None => return Err(MailboxRejection::UnknownRequest),
            Some(LoginState::Consumed) => return Err(MailboxRejection::AlreadyConsumed),
            Some(LoginState::Locked) => return Err(MailboxRejection::Locked),
            Some(LoginState::Expired) => return Err(MailboxRejection::Expired),
            Some(LoginState::Live { code_mac, expires_at, wrong }) => {
                (code_mac, *expires_at, *wrong)
            }
        };
        if self.locked_until.is_some_and(|until| command.now < until) {
            return Err(MailboxRejection::Locked);
        }
        if command.now >= expires_at {
            return Ok(vec![LoginExpired { request_id }.into()]);
        }
        if code_mac.same_as(&command.code_mac) {
            let mut events = vec![CodeVerified { request_id }.into()];
            if self.owner.is_none() {
                events.push(MailboxClaimed { user_id: command.fresh_user }.into());
            }
            return Ok(events);
        }
        let attempt = wrong + 1;
        let mut events = vec![CodeRejected { request_id, attempt }.into()];
        if attempt >= MAX_ATTEMPTS {
            events.push(LoginLocked { request_id: Some(request_id), until: None }.into());
        }
        Ok(events)
    }

    /// Returns the time at which a code was last requested, if the address is to be forgotten: it
    /// has no owner, was kept for as long as it may be, and is not forgotten yet.
    #[must_use]
    pub fn forgettable(&self, command: &ForgetMailbox) -> Option<Timestamp> {
        self.email.as_ref().filter(|_| self.owner.is_none())?;
        self.starts.last().copied().filter(|asked_at| *asked_at + command.keep <= command.now)
    }

    /// Returns the events that end all live logins, followed by `last`.
    ///
    /// The live logins are sealed under a key that is destroyed: they end, so that their codes are
    /// answered with "start again".
    fn ended_by(&self, last: impl Into<MailboxEvent>) -> Vec<MailboxEvent> {
        let live = self.logins.iter().filter(|(_, login)| match login {
            LoginState::Live { .. } => true,
            LoginState::Consumed | LoginState::Locked | LoginState::Expired => false,
        });
        let ended = live.map(|(request_id, _)| LoginExpired { request_id: *request_id }.into());
        ended.chain([last.into()]).collect()
    }

    fn start(&mut self, started: &LoginStarted, at: Timestamp) {
        // A dropped login and one that ended long ago get the same answer.
        self.logins.retain(|(_, login)| match login {
            LoginState::Live { expires_at, .. } => *expires_at + START_WINDOW > at,
            LoginState::Consumed | LoginState::Locked | LoginState::Expired => true,
        });
        // A start is dropped together with its login: the limit bounds both lists.
        if self.logins.len() > 2 * MAX_STARTS {
            self.logins.remove(0);
        }
        if self.starts.len() >= MAX_STARTS {
            self.starts.remove(0);
        }
        self.starts.push(at);
        let (code_mac, expires_at) = (started.code_mac, started.expires_at);
        let live = LoginState::Live { code_mac, expires_at, wrong: 0 };
        self.logins.push((started.request_id, live));
    }

    fn login(&self, id: RequestId) -> Option<&LoginState> {
        self.logins.iter().find(|(known, _)| *known == id).map(|(_, login)| login)
    }

    fn login_mut(&mut self, id: RequestId) -> Option<&mut LoginState> {
        self.logins.iter_mut().find(|(known, _)| *known == id).map(|(_, login)| login)
    }

    fn close(&mut self, id: RequestId, end: LoginState) {
        if let Some(login) = self.login_mut(id) {
            *login = end;
        }
    }
}
