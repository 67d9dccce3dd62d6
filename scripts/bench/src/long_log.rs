//! The logs of many users that several measurements run over.

use std::time::Duration;

use anyhow::Context as _;

use crate::args::{Args, Measure};
use crate::kind::StoreKind;
use crate::seed::{self, EVENTS_OF_LOGIN, EVENTS_OF_USER, TokenText};
use crate::service::{self, Log};
use crate::stores::Target;

/// The time in which the read models have to catch up with a fresh log.
pub(crate) const CATCH_UP_TIMEOUT: Duration = Duration::from_mins(10);

/// A log of many users, with read models that have caught up with it.
pub(crate) struct LongLog {
    pub(crate) target: Target,
    pub(crate) events: u64,
    pub(crate) tokens: Vec<TokenText>,
}

/// Fills the log of a store with the users, logins and events that this run needs.
pub(crate) fn make_log(args: &Args, target: Target) -> anyhow::Result<LongLog> {
    let log = Log::open(&target, args)?;
    let logins =
        if args.wants(Measure::Replay) { args.replay.div_ceil(EVENTS_OF_LOGIN) } else { 0 };
    let derived =
        if args.wants(Measure::Derive) { args.derive.div_ceil(EVENTS_OF_LOGIN) } else { 0 };
    let logins = logins.max(derived);
    let start = args.wants(Measure::Start) && target.kind == StoreKind::Sqlite;
    let events = if start { args.events } else { 0 };
    let users = args.sessions.max(logins).max(events.div_ceil(EVENTS_OF_USER)).max(1);
    let mut tokens = Vec::new();
    for (count, logins) in [(logins, logins), (users - logins, 0)] {
        tokens.extend(log.runtime.block_on(seed::seed(&log, count, logins))?);
    }
    let (app, _) = log.serve(1)?;
    let events = service::drain(&log.runtime, &app, CATCH_UP_TIMEOUT)?
        .context("the read models do not catch up")?;
    tokens.truncate(args.sessions);
    Ok(LongLog { target, events, tokens })
}
