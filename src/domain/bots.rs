//! Tells programs from people by the `User-Agent` of a request.
//!
//! The rules are general: the words by which programs name their work, the way in which they
//! introduce themselves, and the absence of any browser or device. Names of single programs are
//! listed only where a program looks like a browser but for its name. What an app of people says
//! inside a browser's agent, and devices whose names hold a program's word, are left out first.

mod people;
mod phrases;
mod programs;
mod reading;
#[cfg(test)]
mod tests;

/// The version of the rules, which each touch keeps. It grows with every change of a rule.
pub const BOT_RULES_VERSION: u16 = 1;

/// The bytes of an agent that are judged and kept. Those that follow say nothing more, and the bound
/// keeps the cost of a very long agent that of a usual one.
pub const MAX_AGENT_BYTES: usize = 512;

/// Returns a `User-Agent` as it is judged and kept: without control characters, at most
/// [`MAX_AGENT_BYTES`] long; `None` when nothing is left.
#[must_use]
pub fn kept(user_agent: &str) -> Option<String> {
    let mut agent: String = user_agent.chars().filter(|letter| !letter.is_control()).collect();
    agent.truncate(agent.floor_char_boundary(MAX_AGENT_BYTES));
    let agent = agent.trim();
    (!agent.is_empty()).then(|| agent.to_owned())
}

/// Returns whether a `User-Agent`, as it is kept, is that of a program. No agent is a program's:
/// every browser sends one.
#[must_use]
pub fn is_bot(kept: Option<&str>) -> bool {
    let agent = kept.unwrap_or("").as_bytes();
    let mut buffer = [0; MAX_AGENT_BYTES];
    let length = agent.len().min(MAX_AGENT_BYTES);
    let lowered = &mut buffer[..length];
    lowered.copy_from_slice(&agent[..length]);
    lowered.make_ascii_lowercase();
    let signs = reading::read(lowered);
    signs.program || !signs.person
}
