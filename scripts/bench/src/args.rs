//! The command-line flags of the benchmark.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::kind::StoreKind;

/// Measures whence against bare references, in turns, on one machine in one run.
///
/// Everything runs over loopback, bounded in count and time, in a directory that is removed at the
/// end. Figures compare only with figures of the same run.
#[derive(Clone, Debug, Parser)]
#[command(name = "whence-bench", max_term_width = 100)]
pub(crate) struct Args {
    /// What to measure; repeatable [default: everything]
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) only: Vec<Measure>,

    /// Stores to measure, next to each other
    #[arg(long, value_enum, default_values_t = [StoreKind::Sqlite], value_delimiter = ',', value_name = "STORE")]
    pub(crate) store: Vec<StoreKind>,

    /// Rounds of each measure
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) rounds: usize,

    /// Seconds of a round
    #[arg(long, default_value_t = 3.0, value_name = "S")]
    pub(crate) seconds: f64,

    /// Sessions that `me` is requested for
    #[arg(long, default_value_t = 200_000, value_name = "N")]
    pub(crate) sessions: usize,

    /// Events in the log that a service starts over, at least
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    pub(crate) events: usize,

    /// Events of whole logins that are replayed
    #[arg(long, default_value_t = 200_000, value_name = "N")]
    pub(crate) replay: usize,

    /// Events of whole logins that commands are run over
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    pub(crate) derive: usize,

    /// Touches that attribution models are made of
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    pub(crate) touches: usize,

    /// Events of the logs that memory is compared over
    #[arg(long, default_values_t = [100_000, 10_000_000], value_delimiter = ',', value_name = "N")]
    pub(crate) memory: Vec<usize>,

    /// Connections that request `me`
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub(crate) connections: usize,

    /// Logins, and appends, in flight at a time
    #[arg(long, default_values_t = [64, 256], value_delimiter = ',', value_name = "N")]
    pub(crate) in_flight: Vec<usize>,

    /// Addresses of each kind whose answers are timed
    #[arg(long, default_value_t = 5_000, value_name = "N")]
    pub(crate) timings: usize,

    /// Threads of the load generator
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub(crate) load_threads: usize,

    /// Threads of each server
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub(crate) server_threads: usize,

    /// Where to make the directory for the data: on a disk, or a sync costs nothing
    /// [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,

    /// Tiny sizes, a few seconds in all: shows that it works, and measures nothing
    #[arg(long)]
    pub(crate) quick: bool,
}

/// A measurement that can be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// Requests of `me`, against a server that only answers "ok"
    Me,
    /// Whole logins of new users
    Login,
    /// Logins with mails to a mail server, against mails to a directory
    Mail,
    /// The time of answers, known addresses against unknown ones
    Timing,
    /// Appends, against SQLite itself
    Append,
    /// Calls, copies and logins with KurrentDB, against its client as it is; needs that store
    Kurrentdb,
    /// Replay into read models, against upserts in SQLite itself
    Replay,
    /// Start-up over a long log, and memory
    Start,
    /// Replay, report, export and verification of a log, each by its command
    Derive,
    /// The view of attribution models, over touches in memory
    Models,
    /// Memory of those commands over a short log and over a long one; only when selected
    Memory,
}

impl Args {
    /// Returns the flags with the sizes of `--quick`, if that is given.
    pub(crate) fn with_quick_sizes(self) -> Self {
        if !self.quick {
            return self;
        }
        Self {
            rounds: 2,
            seconds: 0.15,
            sessions: 300,
            events: 2_000,
            replay: 1_000,
            derive: 1_000,
            touches: 1_000,
            memory: vec![500, 1_000],
            connections: 8,
            in_flight: vec![4, 8],
            timings: 40,
            ..self
        }
    }

    /// Returns whether a measurement is selected.
    pub(crate) fn wants(&self, measure: Measure) -> bool {
        let is_by_default = self.only.is_empty() && measure != Measure::Memory;
        is_by_default || self.only.contains(&measure)
    }

    /// Returns the duration of a round.
    pub(crate) fn round(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.01, 600.0))
    }
}
