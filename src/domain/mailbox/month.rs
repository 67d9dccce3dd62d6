//! The best attack on a code, played against the decisions for a month and for a year: the figures in
//! `docs/security.md` are the comparisons that it got.

use uuid::Uuid;
use whence_events::{Client, Mac};

use super::*;
use crate::spec::{START, device, user};

const SECURITY: &str = include_str!("../../../docs/security.md");

const DAY: Duration = Duration::from_hours(24);

/// The default of `--guess-lock-days`.
const LOCK_TIME: Duration = Duration::from_hours(30 * 24);

/// An attacker who has as many networks as there are codes, knows the address, and is at it without
/// a pause. Every code that is compared is wrong, which is the longest that an attack can last.
struct Attack {
    mailbox: Mailbox,
    now: Timestamp,
    requests: u128,
    compared: u32,
    /// Whether all codes that are to be had are asked for before the first one is tried.
    in_waves: bool,
}

impl Attack {
    fn new(in_waves: bool) -> Self {
        let mut attack =
            Self { mailbox: Mailbox::default(), now: START, requests: 0, compared: 0, in_waves };
        attack.owner_logs_in();
        attack
    }

    fn run(&mut self, command: &MailboxCommand) -> Result<Vec<MailboxEvent>, MailboxRejection> {
        let events = self.mailbox.decide(command)?;
        for event in &events {
            let context = EventContext { at: self.now, version: 0 };
            self.mailbox = std::mem::take(&mut self.mailbox).evolve(event, context);
        }
        Ok(events)
    }

    fn start(&mut self, devices: &[u8]) -> Result<RequestId, Timestamp> {
        self.requests += 1;
        let request_id = RequestId(Uuid::from_u128(self.requests));
        let command = MailboxCommand::StartLogin(StartLogin {
            touch_id: None,
            change_of: None,
            now: self.now,
            request_id,
            email: EmailAddress::parse("ada@example.com").unwrap(),
            code_mac: Mac([1; 16]),
            client: Client::default(),
            devices: devices.iter().map(|n| device(*n)).collect(),
            network: Some(Mac(self.requests.to_be_bytes())),
        });
        match self.run(&command) {
            Ok(events) => match &events[..] {
                [MailboxEvent::LoginThrottled(throttled)] => Err(throttled.until),
                _ => Ok(request_id),
            },
            Err(MailboxRejection::Throttled { until, .. }) => Err(until),
            Err(other) => panic!("{other}"),
        }
    }

    /// Returns whether the code was compared.
    fn verify(&mut self, request_id: RequestId, code_mac: Mac) -> bool {
        let command = MailboxCommand::VerifyCode(VerifyCode {
            change_of: None,
            now: self.now,
            request_id,
            code_mac,
            fresh_user: user(7),
            device: DeviceFacts { proven: vec![device(50)], fresh: device(50), class: None },
            lock_time: Some(LOCK_TIME),
        });
        let compared = |event: &MailboxEvent| {
            matches!(event, MailboxEvent::CodeRejected(_) | MailboxEvent::CodeVerified(_))
        };
        self.run(&command).is_ok_and(|events| events.iter().any(compared))
    }

    /// The owner logs in, and gets in at once: the device is known from the first login on.
    fn owner_logs_in(&mut self) {
        let login = self.start(&[50]).expect("a known device gets a code");
        assert!(self.verify(login, Mac([1; 16])), "and its code is good");
    }

    fn guess_all(&mut self, logins: &mut Vec<RequestId>) {
        for login in logins.drain(..) {
            while self.verify(login, Mac([2; 16])) {
                self.compared += 1;
            }
        }
    }

    /// Attacks for some days, the owner logging in every `login_every` days, and returns the number of
    /// codes that were compared.
    fn of_days(in_waves: bool, days: u32, login_every: Option<u32>) -> u32 {
        let mut attack = Self::new(in_waves);
        let end = START + DAY * days;
        let every = login_every.map(|days| DAY * days);
        let mut next_login = every.map(|every| START + every);
        let mut logins = vec![];
        while attack.now < end {
            let refused_until = loop {
                match attack.start(&[]) {
                    Ok(login) => logins.push(login),
                    Err(until) => break until,
                }
                if !attack.in_waves {
                    attack.guess_all(&mut logins);
                }
            };
            attack.guess_all(&mut logins);
            match next_login.filter(|login| *login <= refused_until) {
                Some(login) if login < end => {
                    attack.now = login;
                    attack.owner_logs_in();
                    next_login = every.map(|every| login + every);
                }
                Some(_) | None => attack.now = refused_until,
            }
        }
        attack.compared
    }

    /// Returns the best of the attacks.
    fn best(days: u32, login_every: Option<u32>) -> u32 {
        Self::of_days(true, days, login_every).max(Self::of_days(false, days, login_every))
    }
}

/// Returns the odds of having guessed a code of six digits, in percent.
fn odds(guesses: u32) -> String {
    let percent = 100.0 * (1.0 - (1.0 - 1e-6_f64).powf(f64::from(guesses)));
    match percent {
        99.5.. => "over 99 %".to_owned(),
        0.0..0.1 => format!("{percent:.4} %"),
        0.1..10.0 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

#[test]
fn the_documented_odds_are_those_of_the_best_attack() {
    let habits =
        [("never", None), ("once a month", Some(30)), ("once a week", Some(7)), ("daily", Some(1))];
    let mut wanted = vec![];
    for (habit, every) in habits {
        let figures = [1, 30, 365].map(|days| Attack::best(days, every));
        let [day, month, year] = figures;
        wanted.push(format!("| {habit} | {day} | {month} | {year} |"));
        let [one_day, one_month, one_year] = figures.map(odds);
        wanted.push(format!("| one address, {habit} | {one_day} | {one_month} | {one_year} |"));
        let [day, month, year] = figures.map(|guesses| odds(guesses * 10_000));
        wanted.push(format!("| any of 10 000, {habit} | {day} | {month} | {year} |"));
    }
    let missing: Vec<_> = wanted.iter().filter(|row| !SECURITY.contains(*row)).collect();
    assert!(missing.is_empty(), "docs/security.md lacks\n{}", wanted.join("\n"));
}

#[test]
fn no_attack_gets_more_than_the_budget_in_a_row() {
    // Without a lock that ends, and without the owner, the hundredth comparison is the last one.
    let before_it_ends = (LONGEST_WAIT * 100).as_secs() / DAY.as_secs();
    for in_waves in [true, false] {
        let days = u32::try_from(before_it_ends).unwrap();
        assert_eq!(Attack::of_days(in_waves, days, None), u32::from(MAX_GUESSES));
    }
    // 200 resends of five guesses each, in one hour and in a month.
    assert!(Attack::best(1, None) < 25);
    assert!(Attack::best(30, None) < u32::from(MAX_GUESSES));
}
