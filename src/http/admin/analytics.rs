//! Reports for operators.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use tokio::sync::Semaphore;
use whence_projections::report::{InvalidQuery, Query, QueryText, Table, View};

use super::operator::Operator;
use crate::app::App;
use crate::http::error::{Problem, Told};
use crate::http::limits::REPORT_WAIT;
use crate::insight::report;
use crate::insight::report::{ReportError, as_csv};

/// A report reads the whole log and holds what it found in memory: one at a time in this process.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// What is asked, as it stands in the query.
#[derive(Default)]
struct Question {
    asked: QueryText,
    as_of: Option<String>,
    csv: bool,
}

/// `GET /v1/admin/analytics/{view}`: the answer of a view, as JSON or CSV.
pub(super) async fn view(
    _: Operator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Told> {
    let view = View::parse(&name).map_err(|error| Told(Problem::NotFound, error.to_string()))?;
    let question = Question::parse(query.as_deref().unwrap_or_default())?;
    let query = Query::parse(view, &question.asked)?;
    let as_of = report::parse_as_of(question.as_of.as_deref(), query.zone)?;
    let turn = tokio::time::timeout(REPORT_WAIT, ONE_AT_A_TIME.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        let sentence = "Another report is being made. Try again in a moment.";
        return Err(Told(Problem::Unavailable, sentence.to_owned()));
    };
    let analytics = report::fold(&*app.engine.store, &[view], as_of).await?;
    let table = tokio::task::spawn_blocking(move || analytics.table(view, &query)).await;
    let table = table.map_err(|_| Told::plain(Problem::Internal))?;
    Ok(question.answer(&table))
}

impl Question {
    fn parse(query: &str) -> Result<Self, InvalidQuery> {
        let mut question = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            // Parameters that are there and empty are as good as not there, but for `where`.
            let given = Some(value.clone()).filter(|value| !value.is_empty());
            match &*name {
                "from" => question.asked.from = given,
                "to" => question.asked.to = given,
                "by" => question.asked.by = given,
                "where" => question.asked.filters.push(value),
                "timezone" => question.asked.timezone = given,
                "as_of" => question.as_of = given,
                "format" => question.csv = is_csv(&value)?,
                _ => return Err(InvalidQuery(unknown_parameter(&name))),
            }
        }
        Ok(question)
    }

    fn answer(&self, table: &Table) -> Response {
        if self.csv {
            ([(CONTENT_TYPE, "text/csv; charset=utf-8")], as_csv(table)).into_response()
        } else {
            Json(table.to_json()).into_response()
        }
    }
}

fn is_csv(format: &str) -> Result<bool, InvalidQuery> {
    match format {
        "" | "json" => Ok(false),
        "csv" => Ok(true),
        _ => Err(InvalidQuery(format!("there is no format {format:?}; there are json, csv"))),
    }
}

fn unknown_parameter(name: &str) -> String {
    format!(
        "there is no parameter {name:?}; there are from, to, by, where, as_of, timezone, format"
    )
}

impl From<InvalidQuery> for Told {
    fn from(error: InvalidQuery) -> Self {
        Self(Problem::InvalidQuery, error.to_string())
    }
}

impl From<ReportError> for Told {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Query(error) => error.into(),
            ReportError::Stopped(stopped) => {
                tracing::error!(%stopped, "a report met an event of a newer version");
                Self(Problem::UnknownEvent, stopped.to_string())
            }
            ReportError::Store(error) => Self::plain(error.into()),
        }
    }
}
