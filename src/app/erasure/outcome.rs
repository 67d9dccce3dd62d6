//! The report of an erasure.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use whence_events::{Position, ReferralCode, SessionId, Timestamp, UserId};

/// What an erasure removed, and what it left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Erasure {
    /// The id of the user, which does not lead to a person any more.
    pub user_id: UserId,
    /// What this run of the erasure did.
    pub run: Run,
    /// When the account ended; `null` when the address was verified and no user registered.
    pub erased_at: Option<Timestamp>,
    /// The name of the party that asked for the erasure.
    pub erased_by: Option<String>,
    /// What was removed, in this run or an earlier one.
    pub removed: Removed,
    /// What stays in the log.
    pub remains: Remains,
    /// The position of the last event of the user.
    pub position: Position,
}

/// What a run of an erasure did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Run {
    /// This run did all of the erasure.
    Now,
    /// This run did what an earlier one had not completed.
    Completed,
    /// This run had nothing to do: the erasure was complete.
    Already,
}

/// What an erasure removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    /// The sessions that the erasure ended.
    pub sessions: Vec<SessionId>,
    /// The number of landings whose referring page cannot be read any more.
    pub touches: usize,
}

/// What stays in the log after an erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Remains {
    /// The referral codes of the user: a name never gets another owner.
    pub codes: Vec<ReferralCode>,
    /// The user who referred the erased one.
    pub referred_by: Option<UserId>,
}

/// Writes the report in words.
impl fmt::Display for Erasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user_id = self.user_id;
        let by = self.erased_by.as_deref().unwrap_or("nobody");
        match (self.run, self.erased_at) {
            (Run::Now, Some(_)) => writeln!(f, "User {user_id} is erased.")?,
            (_, None) => writeln!(f, "User {user_id} never registered; their address is free.")?,
            (Run::Completed, Some(at)) => writeln!(
                f,
                "User {user_id} was erased at {at} by {by}, and not completely: now it is complete."
            )?,
            (Run::Already, Some(at)) => {
                writeln!(f, "User {user_id} was erased already, at {at} by {by}.")?;
            }
        }
        let (sessions, touches) = (self.removed.sessions.len(), self.removed.touches);
        writeln!(f, "\nRemoved:")?;
        writeln!(
            f,
            "  the keys of their e-mail address, name, IP addresses and user agents: what the"
        )?;
        writeln!(
            f,
            "  log holds of these can be read by nobody any more, whoever has the master key"
        )?;
        writeln!(f, "  sessions ended: {sessions}")?;
        writeln!(f, "  landings whose referring page is gone: {touches}")?;
        writeln!(f, "  the address itself is nobody's, and may sign up again as somebody new")?;
        writeln!(f, "\nRemains in the log:")?;
        writeln!(f, "  what happened and when, to user {user_id}, an id that leads to nobody")?;
        writeln!(f, "  campaign, landing page, country and kind of device of their registration")?;
        match self.remains.referred_by {
            Some(referrer) => writeln!(f, "  that user {referrer} referred them")?,
            None => writeln!(f, "  that nobody referred them")?,
        }
        writeln!(f, "  whom they referred, if anybody")?;
        for code in &self.remains.codes {
            writeln!(f, "  their code {}, which nobody else can have", code.as_str())?;
        }
        writeln!(f, "\nNot reached: backups made before, mails, exports, the logs of proxies.")
    }
}
