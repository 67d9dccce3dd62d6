//! Stories as text for people.

use std::fmt;

use whence_events::{Actor, RuleSettings, Timestamp};

use super::attribution::AttributionStory;
use super::code::CodeStory;
use super::decision::{CodeThen, Decision, Explained};
use super::line::EventLine;
use super::sentences;
use super::touch::TouchStory;
use super::user::UserStory;
use crate::infra::plain::plain;
use crate::insight::export::quoted;

impl fmt::Display for UserStory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let email = self.email.as_deref().unwrap_or("no address on record");
        writeln!(f, "User {}, {email}", self.user_id)?;
        writeln!(f, "registered at {}", self.registered_at)?;
        if let Some(at) = self.erased_at {
            writeln!(f, "erased at {at}: what was personal can be read by nobody")?;
        }
        if let Some(at) = self.erasure_due_at {
            writeln!(f, "asked to be erased, which is done from {at} on")?;
        }
        for cut in &self.history_cut {
            writeln!(f, "history cut by the operator of the store: {cut}")?;
        }
        write!(f, "\n{}\nTimeline\n", self.attribution)?;
        lines(f, &self.timeline)
    }
}

impl fmt::Display for AttributionStory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Whence they came")?;
        match &self.origin {
            Some(origin) => {
                writeln!(f, "  {}", origin.text)?;
                if let (Some(touch), Some(at)) = (origin.touch_id, origin.touched_at) {
                    writeln!(f, "  first touch {touch} at {at}")?;
                }
                if let Some(creator) = origin.creator_id {
                    writeln!(f, "  on the page of the creator {creator}")?;
                }
            }
            None => writeln!(f, "  nothing is on record")?,
        }
        writeln!(f, "\nWho brought them, and why")?;
        if self.decisions.is_empty() {
            writeln!(f, "  no referral was ever decided: no code came with them")?;
        }
        for explained in &self.decisions {
            write!(f, "{explained}")?;
        }
        writeln!(f, "\nEvery landing of theirs on record")?;
        if self.touches.is_empty() {
            writeln!(f, "  none")?;
        }
        for touch in &self.touches {
            write!(f, "{touch}")?;
        }
        if !self.later.is_empty() {
            writeln!(f, "\nWhat was done since")?;
            lines(f, &self.later)?;
        }
        Ok(())
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = &self.decision;
        let by = actor(&decision.actor);
        writeln!(f, "  {}", decision.text)?;
        writeln!(f, "    decided at {} for {by}, event {}", decision.at, decision.position)?;
        match (decision.touch_id, decision.touched_at) {
            (Some(touch), Some(at)) => {
                writeln!(f, "    on the touch {touch}, at {at} by the signed cookie")?;
            }
            _ => writeln!(f, "    on a cookie that does not say when it was planted")?,
        }
        if let Some(then) = &self.code_then {
            writeln!(f, "    {then}")?;
        }
        let (version, digest) = (decision.rules_version, decision.rules_digest);
        match &self.rules {
            Some(rules) => {
                writeln!(
                    f,
                    "    by rules version {version}, settings {digest}: {}",
                    settings(rules)
                )?;
            }
            None => {
                writeln!(
                    f,
                    "    by rules version {version}, whose settings {digest} are not here"
                )?;
            }
        }
        if decision.signals.is_empty() {
            writeln!(f, "    nothing was noticed about it")?;
        }
        for signal in &decision.signals {
            writeln!(f, "    noticed: {}", sentences::signal(*signal))?;
        }
        Ok(())
    }
}

impl fmt::Display for CodeThen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.as_str();
        let (Some(owner), Some(issued), Some(kind)) = (self.owner, self.issued_at, self.kind)
        else {
            return write!(f, "code {code} was never issued");
        };
        write!(f, "code {code} ({kind}) was issued to user {owner} at {issued}")?;
        if let Some(at) = self.blocked_at {
            return write!(f, " and had been disabled at {at} by an operator");
        }
        match (self.active, self.disabled_at) {
            (true, None) => write!(f, " and was in use"),
            (true, Some(at)) => write!(f, ", was in use then, and was disabled later, at {at}"),
            (false, Some(at)) => write!(f, " and had been disabled at {at}"),
            (false, None) => write!(f, ", which was later"),
        }
    }
}

impl fmt::Display for TouchStory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.decided_on { '*' } else { ' ' };
        let code = self.code.as_ref().map_or("no code", |code| code.as_str());
        let from = self.referrer_domain.as_deref().map(|site| format!(" from {site}"));
        let (from, page) = (from.unwrap_or_default(), plain(&self.landing_page));
        writeln!(f, "{mark} {} {code} on {page}{from}{}", self.at, self.campaign)?;
        writeln!(f, "    {}", self.why)?;
        writeln!(f, "    touch {}, event {}", self.touch_id, self.position)
    }
}

impl fmt::Display for CodeStory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.code)?;
        if !self.owner_active {
            writeln!(f, "its owner was erased: it credits nobody any more")?;
        }
        writeln!(f, "\nWhom it brought: {}", self.brought.len())?;
        for brought in &self.brought {
            writeln!(f, "  {} user {}", brought.at, brought.user_id)?;
        }
        writeln!(f, "\nTimeline")?;
        lines(f, &self.timeline)
    }
}

/// Returns a decision in one line.
pub(crate) fn decision(decision: &Decision) -> String {
    let user = decision.user_id;
    format!("{} {:>8} user {user}: {}\n", decision.at, decision.position, plain(&decision.text))
}

/// The columns of [`csv`].
pub(crate) const CSV_HEADER: &str = "position,at,user_id,outcome,referrer_id,code,via,touched_at,\
                                     touch_id,signals,rules_version,rules_digest,actor\n";

/// Returns a decision as comma-separated values. None of them holds a comma or a quote.
pub(crate) fn csv(decision: &Decision) -> String {
    let or_empty = |value: Option<String>| value.unwrap_or_default();
    let signals: Vec<_> = decision.signals.iter().map(|signal| signal.as_str()).collect();
    let fields = [
        decision.position.to_string(),
        decision.at.to_string(),
        decision.user_id.to_string(),
        decision.refused.map_or_else(|| "attributed".into(), |reason| reason.to_string()),
        or_empty(decision.referrer_id.map(|id| id.to_string())),
        or_empty(decision.code.as_ref().map(|code| code.as_str().to_owned())),
        decision.via.to_string(),
        or_empty(decision.touched_at.map(|at: Timestamp| at.to_string())),
        or_empty(decision.touch_id.map(|id| id.to_string())),
        signals.join(" "),
        decision.rules_version.to_string(),
        decision.rules_digest.to_string(),
        quoted(&plain(&decision.actor)).into_owned(),
    ];
    fields.join(",") + "\n"
}

fn lines(f: &mut fmt::Formatter<'_>, lines: &[EventLine]) -> fmt::Result {
    for line in lines {
        let by = actor(&line.actor);
        writeln!(f, "  {} {:>8} {by}: {}", line.at, line.position, line.text)?;
    }
    Ok(())
}

/// Returns the actor in words.
fn actor(name: &str) -> String {
    match name.parse() {
        Ok(Actor::Visitor) => "a visitor".into(),
        Ok(Actor::Owner) => "the user".into(),
        Ok(Actor::System) => "whence".into(),
        Ok(Actor::Operator(name)) => format!("operator {name}"),
        Ok(Actor::ApiKey(id)) => format!("API key {id}"),
        Err(_) => name.to_owned(),
    }
}

fn settings(rules: &RuleSettings) -> String {
    const DAY: u64 = 86_400;
    let window = rules.window_seconds / DAY;
    let grace = rules.grace_seconds / 3600;
    let strict = if rules.strict { "strict" } else { "not strict" };
    let text = format!(
        "window {window} days, new for {grace} hours, {strict}, velocity {} a day",
        rules.velocity_cap
    );
    if rules.blocked_countries.is_empty() {
        return text;
    }
    let countries: Vec<_> =
        rules.blocked_countries.iter().map(whence_events::Country::as_str).collect();
    format!("{text}, blocked {}", countries.join(" "))
}
