//! An e-mail address: how often codes go out, how often they may be guessed, whose it is.

#[cfg(test)]
mod tests;

use std::time::Duration;

use whence_events::{
    Client, CodeDeliveryFailed, CodeRejected, CodeVerified, DeliveryFailure, EmailAddress, Event,
    LoginExpired, LoginLocked, LoginStarted, LoginThrottled, Mac, MailboxClaimed, MailboxEvent,
    MailboxForgotten, MailboxReleased, Pii, RequestId, Timestamp, UserId, Version,
};

use super::{Decider, Stamp};

/// How long a code is worth something (NIST SP 800-63B-4, 3.1.3.2: at most 10 minutes).
pub const CODE_LIFETIME: Duration = Duration::from_mins(10);

/// Codes an address gets in [`START_WINDOW`].
pub const MAX_STARTS: usize = 5;

/// The window in which codes are counted.
pub const START_WINDOW: Duration = Duration::from_hours(1);

/// Wrong codes that are compared on one request.
pub const MAX_ATTEMPTS: u8 = 5;

/// The state of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// Whose it is.
    pub owner: Option<UserId>,
    /// Whose it was last, when that user was erased.
    pub released_by: Option<UserId>,
    /// The address itself, sealed, and the version of the event it stands in.
    pub email: Option<(Pii<EmailAddress>, Version)>,
    /// When codes went out, the last [`MAX_STARTS`] of them.
    starts: Vec<Timestamp>,
    /// A throttling that is already recorded.
    throttled_until: Option<Timestamp>,
    /// The address as a whole takes no codes before this.
    locked_until: Option<Timestamp>,
    /// Logins that are not long over.
    requests: Vec<(RequestId, Request)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Request {
    Live { code_mac: Mac, expires_at: Timestamp, wrong: u8 },
    Consumed,
    Locked,
    Expired,
}

/// What can be asked of an address.
#[derive(Clone, Debug)]
pub enum MailboxCommand {
    /// Make a code.
    StartLogin(StartLogin),
    /// The code did not go out.
    FailDelivery {
        /// The login.
        request_id: RequestId,
        /// In which way.
        reason: DeliveryFailure,
    },
    /// Try a code.
    VerifyCode(VerifyCode),
    /// Its owner is gone or moved on.
    Release {
        /// The owner until now.
        user_id: UserId,
    },
    /// Nobody's, and nobody proved it to be theirs: its key is destroyed.
    Forget(ForgetMailbox),
}

/// Make a code.
#[derive(Clone, Debug)]
pub struct StartLogin {
    /// Now.
    pub now: Timestamp,
    /// A fresh id.
    pub request_id: RequestId,
    /// The address.
    pub email: EmailAddress,
    /// MAC of a fresh code.
    pub code_mac: Mac,
    /// Who asks.
    pub client: Client,
}

/// Try a code.
#[derive(Clone, Debug)]
pub struct VerifyCode {
    /// Now.
    pub now: Timestamp,
    /// The login.
    pub request_id: RequestId,
    /// MAC of the code that came.
    pub code_mac: Mac,
    /// A fresh id, for an address that belongs to nobody yet.
    pub fresh_user: UserId,
}

/// Forget an address that nobody verified.
#[derive(Clone, Copy, Debug)]
pub struct ForgetMailbox {
    /// Now.
    pub now: Timestamp,
    /// How long an address is kept after its last code was asked for.
    pub keep: Duration,
}

/// Why an address says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailboxRejection {
    /// Too many codes; the refusal is already on record.
    #[error("too many codes were asked for; the next one at {until}")]
    Throttled {
        /// When the next code may be asked for.
        until: Timestamp,
    },
    /// No such login, or long over.
    #[error("there is no such login")]
    UnknownRequest,
    /// Too late.
    #[error("the login expired")]
    Expired,
    /// Too many wrong codes.
    #[error("the login is locked")]
    Locked,
    /// The code worked once.
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

    fn evolve(mut self, event: &MailboxEvent, stamp: Stamp) -> Self {
        match event {
            MailboxEvent::LoginStarted(started) => {
                self.email = Some((started.email.clone(), stamp.version));
                self.start(started, stamp.at);
            }
            MailboxEvent::LoginThrottled(throttled) => self.throttled_until = Some(throttled.until),
            MailboxEvent::CodeDeliveryFailed(_) => {}
            MailboxEvent::CodeRejected(rejected) => {
                if let Some(Request::Live { wrong, .. }) = self.request_mut(rejected.request_id) {
                    *wrong = rejected.attempt;
                }
            }
            MailboxEvent::LoginLocked(locked) => match locked.request_id {
                Some(request) => self.close(request, Request::Locked),
                None => {
                    self.locked_until = locked.until.or(Some(Timestamp::from_micros(i64::MAX)));
                }
            },
            MailboxEvent::LoginExpired(expired) => self.close(expired.request_id, Request::Expired),
            MailboxEvent::CodeVerified(done) => {
                self.close(done.request_id, Request::Consumed);
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
            // Somebody else's by now, or nobody's: then there is nothing to release.
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
            // On record once a window, so that nobody can fill the log by asking.
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
        let (code_mac, expires_at, wrong) = match self.request(request_id) {
            None => return Err(MailboxRejection::UnknownRequest),
            Some(Request::Consumed) => return Err(MailboxRejection::AlreadyConsumed),
            Some(Request::Locked) => return Err(MailboxRejection::Locked),
            Some(Request::Expired) => return Err(MailboxRejection::Expired),
            Some(Request::Live { code_mac, expires_at, wrong }) => (code_mac, *expires_at, *wrong),
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

    /// When a code was last asked for, if the address is to be forgotten: it belongs to nobody, was
    /// kept for as long as it may be, and is not forgotten yet.
    #[must_use]
    pub fn forgettable(&self, command: &ForgetMailbox) -> Option<Timestamp> {
        self.email.as_ref().filter(|_| self.owner.is_none())?;
        self.starts.last().copied().filter(|asked_at| *asked_at + command.keep <= command.now)
    }

    /// Logins under way are sealed under a key that goes: they end, so that their codes are answered
    /// with "start again".
    fn ended_by(&self, last: impl Into<MailboxEvent>) -> Vec<MailboxEvent> {
        let live = self.requests.iter().filter(|(_, request)| match request {
            Request::Live { .. } => true,
            Request::Consumed | Request::Locked | Request::Expired => false,
        });
        let ended = live.map(|(request_id, _)| LoginExpired { request_id: *request_id }.into());
        ended.chain([last.into()]).collect()
    }

    fn start(&mut self, started: &LoginStarted, at: Timestamp) {
        // Whoever asks for one that was dropped is told the same as for one that is over.
        self.requests.retain(|(_, request)| match request {
            Request::Live { expires_at, .. } => *expires_at + START_WINDOW > at,
            Request::Consumed | Request::Locked | Request::Expired => true,
        });
        // A start is dropped with its request: the limit keeps both lists this short.
        if self.requests.len() > 2 * MAX_STARTS {
            self.requests.remove(0);
        }
        if self.starts.len() >= MAX_STARTS {
            self.starts.remove(0);
        }
        self.starts.push(at);
        let (code_mac, expires_at) = (started.code_mac, started.expires_at);
        let live = Request::Live { code_mac, expires_at, wrong: 0 };
        self.requests.push((started.request_id, live));
    }

    fn request(&self, id: RequestId) -> Option<&Request> {
        self.requests.iter().find(|(known, _)| *known == id).map(|(_, request)| request)
    }

    fn request_mut(&mut self, id: RequestId) -> Option<&mut Request> {
        self.requests.iter_mut().find(|(known, _)| *known == id).map(|(_, request)| request)
    }

    fn close(&mut self, id: RequestId, end: Request) {
        if let Some(request) = self.request_mut(id) {
            *request = end;
        }
    }
}
