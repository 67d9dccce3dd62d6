//! `whence replay`: rebuilds read models, or checks them. Its progress goes to stderr, its result
//! to stdout.

use anyhow::{bail, ensure};
use clap::Args;
use clap::builder::BoolishValueParser;
use whence_events::Position;
use whence_projections::Purpose;

use crate::cli::flags::log::LogArgs;
use crate::cli::terminal::progress::ProgressLine;
use crate::cli::terminal::stdout::print;
use crate::cli::terminal::stop::{RESUMABLE, unless_stopped};
use crate::engine::rebuild::{BATCH, ProjectorOutcome, Replay, Step, projectors_named};

/// Rebuild read models out of the log while they go on answering, or check them against it
#[derive(Args, Clone, Debug)]
pub(crate) struct ReplayArgs {
    /// Which read models, such as identity [default: all of them]
    #[arg(value_name = "PROJECTION")]
    projections: Vec<String>,

    /// Only compare: tell which rows are not as the log has them, and change nothing
    #[arg(long, env = "WHENCE_CHECK", value_parser = BoolishValueParser::new())]
    check: bool,

    #[command(flatten)]
    log: LogArgs,
}

/// Rebuilds or checks, and says what it found. Ctrl-C leaves the tables in use as they are; the
/// next run continues from what was folded so far.
pub(crate) async fn run(args: ReplayArgs) -> anyhow::Result<()> {
    unless_stopped(Box::pin(replay(args)), RESUMABLE).await
}

async fn replay(args: ReplayArgs) -> anyhow::Result<()> {
    let log = args.log.into_config()?;
    let names = projectors_named(&args.projections)?;
    let store = log.open_to_read().await?;
    let read_db = log.open_read_db().await?;
    let purpose = if args.check { Purpose::Check } else { Purpose::Rebuild };
    let replay = Replay::open(&store, &read_db, purpose, &names, BATCH).await?;
    let mut shown = ShownReplay { from: replay.resume_position().await?, ..ShownReplay::default() };
    let mut watch = |step| shown.show(step);
    let outcomes = match purpose {
        Purpose::Rebuild => replay.rebuild(&mut watch).await,
        Purpose::Check => replay.check(&mut watch).await,
    };
    shown.end();
    let outcomes = outcomes?;
    let foreign = store.foreign_events();
    let found = foreign.iter().map(|event| format!("not of whence: {event}\n"));
    print(lines(purpose, &outcomes) + &found.collect::<String>())?;
    verdict(purpose, &outcomes)?;
    ensure!(
        foreign.is_empty() || purpose == Purpose::Rebuild,
        "streams that another program changed: {}; the rest was folded without what it did",
        foreign.len()
    );
    Ok(())
}

/// Fails when a check found differences, or could not compare everything.
fn verdict(purpose: Purpose, outcomes: &[ProjectorOutcome]) -> anyhow::Result<()> {
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

fn lines(purpose: Purpose, outcomes: &[ProjectorOutcome]) -> String {
    let mut lines = Vec::new();
    for ProjectorOutcome { reached, differences } in outcomes {
        let (name, position) = (reached.projector, reached.position);
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
struct ShownReplay {
    /// The position that an earlier run reached.
    from: Position,
    progress: Option<(Position, ProgressLine)>,
    events: u64,
}

impl ShownReplay {
    fn show(&mut self, step: Step) {
        match step {
            Step::Folded { position, head, events } => {
                // A later pass may have more to do than this one, never less to show.
                self.progress.take_if(|(end, _)| *end < head);
                let new = || (head, ProgressLine::new("folding", head).from(self.from));
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
