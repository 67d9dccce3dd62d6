//! Reports, as operators read them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde_json::json;
use tokio::sync::Semaphore;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use whence_events::{Position, Timestamp};
use whence_projections::report::{InvalidQuery, Query, QueryText, Table, View, ZoneDatabase};

use super::operator::AuthenticatedOperator;
use crate::app::App;
use crate::http::api_key::{ReadAnalytics, ScopedApiKey};
use crate::http::error::{Problem, ProblemWithDetail};
use crate::http::limits::REPORT_QUEUE_TIMEOUT;
use crate::http::openapi::{Refusals, refused};
use crate::insight::report;
use crate::insight::report::{ReportError, as_csv};

/// The turn to make a report. Each report reads the whole log and holds what it found in memory, so
/// this process makes one at a time.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// The query of a request for a report: the question, the moment, and the format of the answer.
#[derive(Default)]
struct ReportRequest {
    query: QueryText,
    as_of: Option<String>,
    csv: bool,
    /// Whether texts that a spreadsheet takes for formulas are left as they are.
    raw: bool,
    /// Whether bots are those of the rules of today, and not those on record.
    rejudged: bool,
}

/// What is asked of a report; `docs/reports.md` says what each view knows. An empty parameter counts as missing.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "says what may be asked; the parameters are read one by one")]
struct ReportParameters {
    /// The first day, or moment (RFC 3339).
    #[param(example = "2026-01-01")]
    from: Option<String>,
    /// The first day, or moment, that no longer counts.
    #[param(example = "2026-12-01")]
    to: Option<String>,
    /// The columns to group by, with commas between them.
    #[param(example = "channel")]
    by: Option<String>,
    /// `column=value`, as often as needed.
    #[param(example = json!(["channel=Email"]), rename = "where")]
    filters: Option<Vec<String>>,
    /// The moment up to which the log counts.
    #[param(example = "2026-12-01T00:00:00Z")]
    as_of: Option<String>,
    /// The time zone of days and weeks.
    #[param(example = "Europe/Amsterdam")]
    timezone: Option<String>,
    /// `bundled`, or `system`.
    #[param(example = "bundled")]
    timezone_database: Option<String>,
    /// The half-life of the model with time decay.
    #[param(example = "7d")]
    half_life: Option<String>,
    /// `json`, or `csv`.
    #[param(example = "json")]
    format: Option<String>,
    /// `false`: texts that a spreadsheet takes for formulas are left as they are.
    #[param(example = "true")]
    csv_safe: Option<String>,
    /// `record`, or `today`: which rules tell bots from people.
    #[param(example = "record")]
    bot_rules: Option<String>,
}

/// The view that a report is of.
enum ReportView {}

impl ToSchema for ReportView {}

impl PartialSchema for ReportView {
    fn schema() -> RefOr<Schema> {
        let names = View::ALL.iter().map(|view| view.name());
        let text = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        text.examples(["signups"]).build().into()
    }
}

/// A report.
#[derive(ToSchema)]
#[expect(dead_code, reason = "reports are made as JSON; this says what is in them")]
struct ReportBody {
    #[schema(example = "signups")]
    view: String,
    /// The position of the last event that counts.
    as_of: Position,
    #[schema(example = "UTC")]
    timezone: String,
    /// The release of the database of time zones.
    #[schema(example = "2026b")]
    timezone_database: Option<String>,
    /// `record`, or the version of the rules that bots were judged by.
    #[schema(value_type = serde_json::Value, example = "record")]
    bot_rules: String,
    /// Each row with its columns.
    #[schema(value_type = Vec<Object>, example = json!([{ "channel": "Email", "signups": 2 }]))]
    rows: Vec<String>,
    /// Of retention: from when on uses are known.
    #[schema(value_type = serde_json::Value, required = false, example = json!(null))]
    uses_known_from: Option<Timestamp>,
}

/// `GET /v1/admin/analytics/{view}`: answers the report of a view, as JSON or CSV.
#[utoipa::path(get, path = "/analytics/{view}",
    params(("view" = inline(ReportView), Path, description = "The view."), ReportParameters),
    responses(
        (status = 200, content((ReportBody = "application/json"), (String = "text/csv; charset=utf-8"))),
        Refusals<(AuthenticatedOperator, refused::NotFound, refused::UnknownEvent, refused::Command)>,
    )
)]
pub(super) async fn view(
    _: AuthenticatedOperator,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ProblemWithDetail> {
    let (table, request) = table(&app, &name, query.as_deref()).await?;
    Ok(request.answer(&table))
}

/// `GET /api/v1/analytics/{view}`: answers the same to a back-end, JSON in the envelope of its family.
#[utoipa::path(get, path = "/api/v1/analytics/{view}",
    params(("view" = inline(ReportView), Path, description = "The view."), ReportParameters),
    responses(
        (status = 200, content((ReportBody = "application/json"), (String = "text/csv; charset=utf-8"))),
        Refusals<(ScopedApiKey<ReadAnalytics>, refused::NotFound, refused::UnknownEvent, refused::Command)>,
    )
)]
pub(in crate::http) async fn platform_view(
    _: ScopedApiKey<ReadAnalytics>,
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ProblemWithDetail> {
    let (table, request) = table(&app, &name, query.as_deref()).await?;
    if request.csv {
        return Ok(request.answer(&table));
    }
    Ok(Json(json!({ "success": true, "data": table.to_json() })).into_response())
}

/// Makes a report, and returns it with the request that says its format.
async fn table(
    app: &App,
    name: &str,
    query: Option<&str>,
) -> Result<(Table, ReportRequest), ProblemWithDetail> {
    let view = View::parse(name)
        .map_err(|error| ProblemWithDetail::new(Problem::NotFound, error.to_string()))?;
    let request = ReportRequest::parse(query.unwrap_or_default())?;
    let query = Query::parse(view, &request.query)?;
    let as_of = report::parse_as_of(request.as_of.as_deref(), &query.zone)?;
    let turn = tokio::time::timeout(REPORT_QUEUE_TIMEOUT, ONE_AT_A_TIME.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        let sentence = "Another report is being made. Try again in a moment.";
        return Err(ProblemWithDetail::new(Problem::Unavailable, sentence));
    };
    let vault = request.rejudged.then_some(&*app.engine.vault);
    let analytics = report::fold(&*app.engine.store, vault, &[view], as_of).await?;
    let table = tokio::task::spawn_blocking(move || analytics.table(view, &query)).await;
    Ok((table.map_err(|_| Problem::Internal)?, request))
}

impl ReportRequest {
    /// Reads the parameters of a query; an unknown one is an error.
    fn parse(query: &str) -> Result<Self, InvalidQuery> {
        let mut request = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            // An empty parameter counts as missing, except `where`.
            let given = Some(value.clone()).filter(|value| !value.is_empty());
            match &*name {
                "from" => request.query.from = given,
                "to" => request.query.to = given,
                "by" => request.query.by = given,
                "where" => request.query.filters.push(value),
                "timezone" => request.query.timezone = given,
                "timezone_database" => request.query.zones = zones(&value)?,
                "half_life" => request.query.half_life = given,
                "as_of" => request.as_of = given,
                "format" => request.csv = is_csv(&value)?,
                "csv_safe" => request.raw = is_raw(&value)?,
                "bot_rules" => request.rejudged = is_today(&value)?,
                _ => return Err(InvalidQuery(unknown_parameter(&name))),
            }
        }
        Ok(request)
    }

    /// Returns the report in the format that was requested.
    fn answer(&self, table: &Table) -> Response {
        if self.csv {
            ([(CONTENT_TYPE, "text/csv; charset=utf-8")], as_csv(table, !self.raw)).into_response()
        } else {
            Json(table.to_json()).into_response()
        }
    }
}

/// Returns the database of time zones. A caller may choose the system's, and no other directory.
fn zones(name: &str) -> Result<ZoneDatabase, InvalidQuery> {
    match name {
        "" => Ok(ZoneDatabase::Bundled),
        "bundled" | "system" => ZoneDatabase::parse(name),
        _ => Err(InvalidQuery(format!(
            "there is no timezone_database {name:?}; there are bundled, system"
        ))),
    }
}

/// Returns whether `format` is CSV; JSON is the default.
fn is_csv(format: &str) -> Result<bool, InvalidQuery> {
    match format {
        "" | "json" => Ok(false),
        "csv" => Ok(true),
        _ => Err(InvalidQuery(format!("there is no format {format:?}; there are json, csv"))),
    }
}

/// Returns whether `csv_safe` is off; it is on by default.
fn is_raw(csv_safe: &str) -> Result<bool, InvalidQuery> {
    match csv_safe {
        "" | "true" => Ok(false),
        "false" => Ok(true),
        _ => Err(InvalidQuery(format!("csv_safe is true or false, not {csv_safe:?}"))),
    }
}

/// Returns whether `bot_rules` are those of today; those on record are the default.
fn is_today(bot_rules: &str) -> Result<bool, InvalidQuery> {
    match bot_rules {
        "" | "record" => Ok(false),
        "today" => Ok(true),
        _ => Err(InvalidQuery(format!("bot_rules are record or today, not {bot_rules:?}"))),
    }
}

fn unknown_parameter(name: &str) -> String {
    format!(
        "there is no parameter {name:?}; there are from, to, by, where, as_of, timezone, \
         timezone_database, half_life, format, csv_safe, bot_rules"
    )
}

impl From<InvalidQuery> for ProblemWithDetail {
    fn from(error: InvalidQuery) -> Self {
        Self::new(Problem::InvalidQuery, error.to_string())
    }
}

impl From<ReportError> for ProblemWithDetail {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Query(error) => error.into(),
            ReportError::Stopped(stopped) => {
                tracing::error!(%stopped, "a report met an event of a newer version");
                Self::new(Problem::UnknownEvent, stopped.to_string())
            }
            ReportError::Store(error) => Problem::from(error).into(),
        }
    }
}
