//! An e-mail address: how often codes go out, how often they may be guessed, whose it is.

use std::time::Duration;

use whence_events::{
    Client, CodeDeliveryFailed, CodeRejected, CodeVerified, DeliveryFailure, EmailAddress, Event,
    LoginExpired, LoginLocked, LoginStarted, LoginThrottled, Mac, MailboxClaimed, MailboxEvent,
    MailboxReleased, Pii, RequestId, Timestamp, UserId, Version,
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
            MailboxEvent::MailboxReleased(_) => self.owner = None,
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
                Ok(vec![MailboxReleased { user_id: *user_id }.into()])
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::{START, after, given, request, user};

    const RIGHT: Mac = Mac([1; 16]);
    const WRONG: Mac = Mac([2; 16]);

    fn start(n: u8, now: Timestamp) -> MailboxCommand {
        MailboxCommand::StartLogin(StartLogin {
            now,
            request_id: request(n),
            email: EmailAddress::parse("ada@example.com").unwrap(),
            code_mac: RIGHT,
            client: Client::default(),
        })
    }

    fn started(n: u8, at: Timestamp) -> MailboxEvent {
        LoginStarted {
            request_id: request(n),
            email: Pii::Clear(EmailAddress::parse("ada@example.com").unwrap()),
            code_mac: RIGHT,
            expires_at: at + CODE_LIFETIME,
            known_device: false,
            client: Pii::Clear(Client::default()),
        }
        .into()
    }

    fn verify(n: u8, code_mac: Mac, now: Timestamp) -> MailboxCommand {
        let request_id = request(n);
        MailboxCommand::VerifyCode(VerifyCode { now, request_id, code_mac, fresh_user: user(7) })
    }

    fn rejected(n: u8, attempt: u8) -> MailboxEvent {
        CodeRejected { request_id: request(n), attempt }.into()
    }

    fn locked(n: u8) -> MailboxEvent {
        LoginLocked { request_id: Some(request(n)), until: None }.into()
    }

    fn verified(n: u8) -> MailboxEvent {
        CodeVerified { request_id: request(n) }.into()
    }

    fn claimed(by: u8) -> MailboxEvent {
        MailboxClaimed { user_id: user(by) }.into()
    }

    fn throttled(until: Timestamp) -> MailboxEvent {
        LoginThrottled { until }.into()
    }

    #[test]
    fn a_code_is_made() {
        given::<Mailbox>([]).when(start(1, START)).then([started(1, START)]);
    }

    #[test]
    fn the_sixth_code_of_an_hour_is_refused_and_recorded_once() {
        let five = || (1..=5).map(|n| started(n, START));
        let until = START + START_WINDOW;
        given::<Mailbox>(five()).when(start(6, after(60))).then([throttled(until)]);
        given::<Mailbox>(five())
            .and([throttled(until)])
            .when(start(6, after(61)))
            .rejected(MailboxRejection::Throttled { until });
    }

    #[test]
    fn an_hour_after_the_first_code_there_is_another() {
        let five = (1..=5).map(|n| started(n, START));
        given::<Mailbox>(five)
            .and([throttled(START + START_WINDOW)])
            .when(start(6, after(3600)))
            .then([started(6, after(3600))]);
    }

    #[test]
    fn the_limit_slides() {
        let history = given::<Mailbox>((1..=5).map(|n| started(n, START)))
            .at(after(3600))
            .and([started(6, after(3600))]);
        let until = after(3600 + 1);
        history.when(start(7, after(3600))).then([throttled(until)]);
    }

    #[test]
    fn a_failed_delivery_is_on_record() {
        let failed = MailboxCommand::FailDelivery {
            request_id: request(1),
            reason: DeliveryFailure::TimedOut,
        };
        let event =
            CodeDeliveryFailed { request_id: request(1), reason: DeliveryFailure::TimedOut };
        given::<Mailbox>([started(1, START)]).when(failed).then([event.into()]);
    }

    #[test]
    fn the_right_code_claims_the_address() {
        given::<Mailbox>([started(1, START)])
            .when(verify(1, RIGHT, after(599)))
            .then([verified(1), claimed(7)]);
    }

    #[test]
    fn an_address_keeps_its_owner() {
        given::<Mailbox>([started(1, START), verified(1), claimed(3), started(2, START)])
            .when(verify(2, RIGHT, after(9)))
            .then([verified(2)]);
    }

    #[test]
    fn only_its_owner_releases_an_address() {
        let release = |by| MailboxCommand::Release { user_id: user(by) };
        let released = MailboxReleased { user_id: user(3) };
        given::<Mailbox>([claimed(3)]).when(release(3)).then([released.into()]);
        given::<Mailbox>([claimed(3)]).when(release(4)).then([]);
        given::<Mailbox>([]).when(release(3)).then([]);
    }

    #[test]
    fn a_released_address_can_be_claimed_again() {
        let released = MailboxReleased { user_id: user(3) }.into();
        given::<Mailbox>([claimed(3), released, started(2, START)])
            .when(verify(2, RIGHT, after(9)))
            .then([verified(2), claimed(7)]);
    }

    #[test]
    fn a_code_works_once() {
        given::<Mailbox>([started(1, START), verified(1)])
            .when(verify(1, RIGHT, after(2)))
            .rejected(MailboxRejection::AlreadyConsumed);
    }

    #[test]
    fn a_wrong_code_is_counted() {
        given::<Mailbox>([started(1, START), rejected(1, 1)])
            .when(verify(1, WRONG, after(2)))
            .then([rejected(1, 2)]);
    }

    #[test]
    fn the_fifth_wrong_code_locks_the_login() {
        let four = (1..=4).map(|n| rejected(1, n));
        given::<Mailbox>([started(1, START)])
            .and(four)
            .when(verify(1, WRONG, after(9)))
            .then([rejected(1, 5), locked(1)]);
    }

    #[test]
    fn a_locked_login_compares_nothing_more() {
        given::<Mailbox>([started(1, START), rejected(1, 5), locked(1)])
            .when(verify(1, RIGHT, after(9)))
            .rejected(MailboxRejection::Locked);
    }

    #[test]
    fn wrong_codes_elsewhere_do_not_void_this_login() {
        given::<Mailbox>([started(1, START), started(2, START), rejected(2, 5), locked(2)])
            .and([claimed(3)])
            .when(verify(1, RIGHT, after(9)))
            .then([verified(1)]);
    }

    #[test]
    fn a_locked_address_compares_nothing_until_then() {
        let locked = || LoginLocked { request_id: None, until: Some(after(100)) }.into();
        let history = || given::<Mailbox>([started(1, START), claimed(3), locked()]);
        history().when(verify(1, RIGHT, after(99))).rejected(MailboxRejection::Locked);
        history().when(verify(1, RIGHT, after(100))).then([verified(1)]);
    }

    #[test]
    fn an_expired_login_is_closed_for_good() {
        let expired = || LoginExpired { request_id: request(1) }.into();
        given::<Mailbox>([started(1, START)]).when(verify(1, RIGHT, after(600))).then([expired()]);
        // The clock went back to where the code would still be good.
        given::<Mailbox>([started(1, START), expired()])
            .when(verify(1, RIGHT, after(10)))
            .rejected(MailboxRejection::Expired);
    }

    #[test]
    fn an_unknown_login_is_refused() {
        given::<Mailbox>([started(1, START)])
            .when(verify(2, RIGHT, after(1)))
            .rejected(MailboxRejection::UnknownRequest);
    }

    #[test]
    fn the_state_stays_small() {
        let mut history = given::<Mailbox>([]);
        for n in 0..1000 {
            let at = after(n * 3600);
            history = history.at(at).and([started(u8::try_from(n % 256).unwrap(), at)]);
        }
        let state = history.state();
        assert!(state.requests.len() <= 2 * MAX_STARTS + 1 && state.starts.len() <= MAX_STARTS);
    }
}
