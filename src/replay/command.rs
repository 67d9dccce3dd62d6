//! `whence replay`, for people: how far it is on stderr, what became of it on stdout.

use anyhow::bail;
use whence_events::Position;
use whence_projections::Purpose;

use super::{BATCH, Outcome, Replay, Step, named};
use crate::config::ReplayConfig;
use crate::copy::progress::Progress;
use crate::say::say;

/// Rebuilds or checks, and says what it found.
///
/// # Errors
/// One sentence; also when a check found differences.
pub async fn run(config: ReplayConfig) -> anyhow::Result<()> {
    let names = named(&config.projections)?;
    let store = config.log.open_to_read().await?;
    let reads = config.log.open_reads().await?;
    let purpose = if config.check { Purpose::Check } else { Purpose::Rebuild };
    let replay = Replay::open(&store, &reads, purpose, &names, BATCH).await?;
    let mut shown = Shown { from: replay.begins_behind().await?, ..Shown::default() };
    let mut watch = |step| shown.show(step);
    let outcomes = match purpose {
        Purpose::Rebuild => replay.rebuild(&mut watch).await,
        Purpose::Check => replay.check(&mut watch).await,
    };
    shown.end();
    let outcomes = outcomes?;
    say(&lines(purpose, &outcomes))?;
    let different: u64 =
        outcomes.iter().filter_map(|o| o.differences.as_ref()).map(|d| d.count).sum();
    let uncompared = outcomes.iter().filter(|outcome| outcome.differences.is_none()).count();
    match purpose {
        Purpose::Check if different > 0 => {
            bail!("rows that differ from the log: {different}; `whence replay` rebuilds them")
        }
        Purpose::Check if uncompared > 0 => bail!("not everything could be compared"),
        Purpose::Check | Purpose::Rebuild => Ok(()),
    }
}

fn lines(purpose: Purpose, outcomes: &[Outcome]) -> String {
    let mut lines = Vec::new();
    for Outcome { checkpoint, differences } in outcomes {
        let (name, position) = (checkpoint.projector, checkpoint.position);
        let done = match purpose {
            Purpose::Rebuild => format!("{name:<12} rebuilt up to {position}"),
            Purpose::Check => format!("{name:<12} checked at {position}"),
        };
        let Some(found) = differences else {
            lines.push(format!("{done}: of another version or behind, and not compared"));
            continue;
        };
        lines.push(format!("{done}: {} rows compared, {} differed", found.rows, found.count));
        lines.extend(found.first.iter().map(|line| format!("  {line}")));
        let more = found.count - found.first.len() as u64;
        if more > 0 {
            lines.push(format!("  and {more} more"));
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// One bar, or lines, for all passes over the log.
#[derive(Default)]
struct Shown {
    /// Where an earlier run got.
    from: Position,
    progress: Option<(Position, Progress)>,
    events: u64,
}

impl Shown {
    fn show(&mut self, step: Step) {
        match step {
            Step::Folded { position, head, events } => {
                // A later pass may have more before it, never less to show.
                self.progress.take_if(|(end, _)| *end < head);
                let new = || (head, Progress::new("folding", head).from(self.from));
                let (_, progress) = self.progress.get_or_insert_with(new);
                progress.at(position, events);
                self.events = events;
            }
            Step::Comparing(_) | Step::Held(_) | Step::Replaced(_) | Step::Swapped(_) => {}
        }
    }

    fn end(self) {
        if let Some((_, progress)) = self.progress {
            progress.end(self.events);
        }
    }
}
