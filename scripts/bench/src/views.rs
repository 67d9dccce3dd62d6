//! Reports: events folded in memory for a view, and read and decoded for it as well.

use std::time::{Duration, Instant};

use whence_events::Recorded;
use whence_projections::analytics::{Analytics, AsOf, Query, View};

use crate::Long;
use crate::args::Args;
use crate::report::{Row, Table, rate};
use crate::service::Log;

/// Events of a page, as in a report.
const PAGE: usize = 4096;

/// Measures over the first `--replay` events of each log.
pub(crate) fn measure(args: &Args, longs: &[Long]) -> anyhow::Result<Table> {
    let title = format!("views of {} events: events a second (bar: 1000000)", args.replay);
    let mut table = Table::new(title);
    let mut reference = Row::new("events only looked at");
    let mut rows: Vec<Row> = View::ALL.iter().map(|view| Row::new(view.name())).collect();
    rows.push(Row::new("all views in one fold"));
    let mut whole: Vec<Row> = Vec::new();
    for long in longs {
        let log = Log::open(&long.place, args)?;
        let pages = log.runtime.block_on(pages(&log, args.replay))?;
        let mut read = Row::new(format!("{}: read, decoded and folded", long.place.kind.name()));
        for _ in 0..args.rounds {
            reference.add(looked_at(&pages));
            for (row, views) in rows.iter_mut().zip(sets()) {
                row.add(folded(&pages, &views)?);
            }
            let begin = Instant::now();
            let fold = whence::report::fold(&*log.store, &[View::Signups], AsOf::Head);
            log.runtime.block_on(fold)?;
            read.add(rate(usize::try_from(long.events)?, begin.elapsed()));
        }
        whole.push(read);
    }
    let reference = table.reference(reference);
    for row in rows.into_iter().chain(whole) {
        table.subject(row, reference);
    }
    Ok(table)
}

/// Each view by itself, and all at once.
fn sets() -> impl Iterator<Item = Vec<View>> {
    View::ALL.into_iter().map(|view| vec![view]).chain([View::ALL.to_vec()])
}

async fn pages(log: &Log, limit: usize) -> anyhow::Result<Vec<Vec<Recorded>>> {
    let (mut pages, mut events, mut after) = (Vec::new(), 0, 0);
    while events < limit {
        let page = log.store.read_all(after, PAGE.min(limit - events)).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        events += page.len();
        pages.push(page);
    }
    Ok(pages)
}

fn count(pages: &[Vec<Recorded>]) -> usize {
    pages.iter().map(Vec::len).sum()
}

fn looked_at(pages: &[Vec<Recorded>]) -> f64 {
    let begin = Instant::now();
    let events = pages.iter().flatten();
    let sum = events.fold(0, |sum: usize, event| sum + event.event.event_type().len());
    std::hint::black_box(sum);
    rate(count(pages), begin.elapsed().max(Duration::from_nanos(1)))
}

fn folded(pages: &[Vec<Recorded>], views: &[View]) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let mut analytics = Analytics::new(views);
    for page in pages {
        analytics.apply(page)?;
    }
    for view in views {
        std::hint::black_box(analytics.table(*view, &Query::default()));
    }
    Ok(rate(count(pages), begin.elapsed()))
}
