//! The official client of KurrentDB as it is, with nothing around it, in a process of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use eventstore::{AppendToStreamOptions, Client, EventData, ReadStreamOptions, StreamState};
use whence::infra::random;

use crate::raw::DATA_BYTES;

/// The command of this program that it runs under.
pub(crate) const COMMAND: &str = "bare-client";

/// What the client does repeatedly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// The number of calls in a sequence: every third from the second on is a read, the others are
    /// appends to new streams.
    pub(crate) calls: usize,
    /// The number of events of an append.
    pub(crate) events: usize,
    /// The number of sequences in flight.
    pub(crate) in_flight: usize,
    /// The duration of all.
    pub(crate) time: Duration,
}

impl Work {
    /// Returns the words on the command line that [`Work::from_words`] reads.
    pub(crate) fn to_words(self) -> [String; 4] {
        let Self { calls, events, in_flight, time } = self;
        [calls.to_string(), events.to_string(), in_flight.to_string(), time.as_micros().to_string()]
    }

    fn from_words(mut words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut next = || words.next().context("a number is missing");
        Ok(Self {
            calls: next()?.parse()?,
            events: next()?.parse()?,
            in_flight: next()?.parse()?,
            time: Duration::from_micros(next()?.parse()?),
        })
    }
}

/// Runs the work that the words say, and prints how long all took and then each sequence, in
/// microseconds, sorted.
pub(crate) fn run(mut words: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let settings = words.next().context("no URL")?.parse()?;
    let work = Work::from_words(words)?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build()?;
    let client = Client::with_runtime_handle(runtime.handle().clone(), settings);
    let client = Arc::new(client.map_err(|error| anyhow::anyhow!("{error}"))?);
    // The first call connects.
    runtime.block_on(sequence(&client, work))?;
    let begin = Instant::now();
    let callers = (0..work.in_flight).map(|_| runtime.spawn(caller(client.clone(), work, begin)));
    let joined = runtime.block_on(futures::future::try_join_all(callers.collect::<Vec<_>>()))?;
    let time = begin.elapsed();
    let mut latencies = joined.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat();
    latencies.sort_unstable();
    for time in std::iter::once(time).chain(latencies) {
        println!("{}", time.as_micros());
    }
    Ok(())
}

async fn caller(client: Arc<Client>, work: Work, begin: Instant) -> anyhow::Result<Vec<Duration>> {
    let (mut latencies, mut now) = (Vec::new(), begin);
    while now - begin < work.time {
        let before = now;
        sequence(&client, work).await?;
        now = Instant::now();
        latencies.push(now - before);
    }
    Ok(latencies)
}

/// Makes the calls of a sequence, one after the other. A read is of the stream that was appended to last.
async fn sequence(client: &Client, work: Work) -> anyhow::Result<()> {
    let mut name = String::new();
    for call in 0..work.calls {
        if call % 3 == 1 {
            let options = ReadStreamOptions::default().max_count(1);
            let mut events = client.read_stream(name.as_str(), &options).await?;
            while events.next().await?.is_some() {}
        } else {
            name = format!("bare-{}", random::new_event_id().0);
            let data = serde_json::json!({ "plan": "x".repeat(DATA_BYTES) });
            let event = || EventData::json("SubscriptionProvisioned.v1", &data);
            let events: Vec<_> = (0..work.events).map(|_| event()).collect::<Result<_, _>>()?;
            let options = AppendToStreamOptions::default().stream_state(StreamState::NoStream);
            client.append_to_stream(name.as_str(), &options, events).await?;
        }
    }
    Ok(())
}
