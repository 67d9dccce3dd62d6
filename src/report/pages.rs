//! `whence report --html`: one page for all that is asked.

use anyhow::{Context as _, ensure};
use whence_projections::report::{AsOf, Query, View};

use super::{as_of, fold};
use crate::config::ReportArgs;
use crate::export::{Output, is_gone};
use crate::picture::{page, sections};

/// Writes the page into a file, which appears when it is complete.
pub(super) async fn write(args: &ReportArgs, file: &str) -> anyhow::Result<()> {
    let question = args.asked();
    let views = match &args.view {
        Some(name) => vec![View::parse(name)?],
        None => View::ALL.to_vec(),
    };
    let one = question.by.is_none() && question.filters.is_empty();
    ensure!(one || views.len() == 1, "--by and --where are for one view: name it");
    let query = Query::parse(views[0], &question)?;
    let as_of: AsOf = as_of(args.question.as_of.as_deref(), query.zone)?;
    let log = args.log.clone().into_config()?.open_to_read().await?;
    let analytics = fold(&*log, &views, as_of).await.context("no report")?;
    let scope = scope(args);
    let page =
        tokio::task::spawn_blocking(move || page(&sections(&analytics, &views, &query), &scope));
    let page = page.await?.context("the page cannot be made")?;
    let output = Output::create(file, false)?;
    let written = output.writer()?.write_all(page.as_bytes());
    let done = written.with_context(|| output.cannot_write()).and_then(|()| output.complete());
    match done {
        Err(error) if is_gone(&error) => Ok(()),
        done => done,
    }
}

/// What was asked, in a sentence.
fn scope(args: &ReportArgs) -> String {
    let asked = &args.question;
    let zone = asked.timezone.as_deref().unwrap_or("UTC");
    let mut parts = vec![format!("Days and weeks are those of {zone}")];
    parts.extend(args.from.as_ref().map(|from| format!("counted from {from} on")));
    parts.extend(args.to.as_ref().map(|to| format!("counted up to {to}")));
    parts.extend(asked.filters.iter().map(|filter| format!("only {filter}")));
    format!("{}.", parts.join(", "))
}
