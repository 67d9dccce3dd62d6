//! `GET /metrics`: numbers about this process in the text format of Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::error::Problem;
use super::extract::RequestContext;
use super::openapi::{Refusals, refused};
use super::token::bearer_token;
use crate::app::App;
use crate::app::counters::Counters;
use crate::infra::metrics::{self, Exposition, Metric, MetricKind};
use crate::infra::security::SecurityEvent;

const SECURITY_EVENTS: Metric = counter(
    "whence_security_events_total",
    "Security events, by event, outcome and reason; security.md lists them.",
);
const REQUESTS: Metric = counter(
    "whence_requests_total",
    "Responses, by the group of the route that was asked for and by status.",
);
const CONNECTIONS: Metric = gauge("whence_connections", "Connections that are open now.");
const CONNECTIONS_CLOSED: Metric = counter(
    "whence_connections_closed_total",
    "Connections that the service refused or closed, by reason.",
);
const ACCEPT_ERRORS: Metric =
    counter("whence_accept_errors_total", "Times that a connection could not be accepted.");
const PROOFS_REFUSED: Metric =
    counter("whence_proofs_refused_total", "Proofs of the log that were refused, by reason.");
const TOUCHES_LOST: Metric = counter(
    "whence_touches_lost_total",
    "Landings that were not recorded, because the queue was full or their client over its limit.",
);
const MAILS: Metric = gauge(
    "whence_mails_of_hour",
    "Mails of the hour under way that count towards --mails-per-hour.",
);
const MAILS_REFUSED: Metric = counter(
    "whence_mails_refused_total",
    "Mails that were not sent, or were put off, because those of the hour were used up.",
);
const CLOCK_AHEAD: Metric = gauge(
    "whence_clock_ahead_seconds",
    "How far time here is ahead of the clock of the machine, when that is more than a minute; else 0.",
);
const FOREIGN: Metric =
    gauge("whence_foreign_events", "Streams of the log that another program wrote into or cut.");
const LOG_POSITION: Metric = gauge(
    "whence_log_position",
    "Position at which the log ends; missing while it does not answer.",
);
const PROJECTED: Metric =
    gauge("whence_read_models_position", "Position of the last event in the read models.");
const LAG: Metric = gauge(
    "whence_read_models_lag",
    "Positions between the end of the log and the read models; missing while the log does not answer.",
);
const STOPPED: Metric =
    gauge("whence_read_models_stopped", "1 while the read models make no progress, or else 0.");
const BUILD: Metric = gauge("whence_build_info", "Always 1; the label is the version.");
const STARTED: Metric = gauge(
    "process_start_time_seconds",
    "Time at which the service was opened, in seconds since 1970.",
);

/// Every metric, in the order of the page.
pub const ALL: &[Metric] = &[
    SECURITY_EVENTS,
    REQUESTS,
    CONNECTIONS,
    CONNECTIONS_CLOSED,
    ACCEPT_ERRORS,
    PROOFS_REFUSED,
    TOUCHES_LOST,
    CLOCK_AHEAD,
    FOREIGN,
    MAILS,
    MAILS_REFUSED,
    LOG_POSITION,
    PROJECTED,
    LAG,
    STOPPED,
    BUILD,
    STARTED,
];

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, help }
}

/// `GET /metrics` of the public listener: without a token there is nothing here.
#[utoipa::path(get, path = "/metrics",
    responses(
        (status = 200, body = String, content_type = "text/plain; version=0.0.4; charset=utf-8"),
        Refusals<(refused::OfMetrics,)>,
    )
)]
pub(super) async fn public(
    State(app): State<Arc<App>>,
    request: RequestContext,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let settings = &app.config.metrics;
    if settings.listen.is_some() || settings.token.is_none() {
        return Err(Problem::NotFound);
    }
    check_token(&app, &request, &headers)?;
    Ok(page(&app).await)
}

/// `GET /metrics` of the listener of its own, which asks for the token when there is one.
pub(super) async fn own(
    State(app): State<Arc<App>>,
    request: RequestContext,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_token(&app, &request, &headers)?;
    Ok(page(&app).await)
}

/// Refuses a request without the token of the metrics, when there is one.
fn check_token(app: &App, request: &RequestContext, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(token) = &app.config.metrics.token else { return Ok(()) };
    if bearer_token(headers).is_some_and(|sent| token.is(sent.as_bytes())) {
        return Ok(());
    }
    app.engine.security.record(SecurityEvent::MetricsRefused, None, Some(request.id));
    Err(Problem::Unauthenticated)
}

/// Returns the page.
async fn page(app: &App) -> Response {
    let mut page = Exposition::default();
    page.head(&SECURITY_EVENTS);
    for (event, total) in app.engine.security.totals() {
        let labels = [
            ("event", event.name()),
            ("outcome", event.outcome().as_str()),
            ("reason", event.reason()),
        ];
        page.sample(&SECURITY_EVENTS, &labels, total);
    }
    page.head(&REQUESTS);
    for (group, status, number) in app.requests.all() {
        page.sample(&REQUESTS, &[("route", group), ("status", &status.to_string())], number);
    }
    refusals(&mut page, &app.counters);
    page.value(&TOUCHES_LOST, app.recorder.lost());
    page.value(&MAILS, app.mail_budget.used(app.clock.now()));
    page.value(&MAILS_REFUSED, app.mail_budget.refused());
    page.value(&CLOCK_AHEAD, app.clock.ahead_of_wall().map_or(0, |ahead| ahead.as_secs()));
    page.value(&FOREIGN, app.engine.store.foreign_events().len());
    let projected = app.progress.projected();
    if let Ok(end) = app.engine.store.head().await {
        let last = app.progress.last_event(end);
        page.value(&LOG_POSITION, last);
        page.value(&LAG, last.saturating_sub(app.progress.projected()));
    }
    page.value(&PROJECTED, projected);
    page.value(&STOPPED, u8::from(app.progress.stopped().is_some()));
    page.head(&BUILD);
    page.sample(&BUILD, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.value(&STARTED, app.started_at.as_micros() / 1_000_000);
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], page.into_text()).into_response()
}

/// Adds what was refused or closed.
fn refusals(page: &mut Exposition, counters: &Counters) {
    page.value(&CONNECTIONS, counters.open_connections.get());
    page.head(&CONNECTIONS_CLOSED);
    for (reason, counter) in [
        ("no_place", &counters.connections_refused),
        ("displaced", &counters.connections_displaced),
        ("stalled_write", &counters.stalled_writes),
        ("slow_head", &counters.slow_heads),
        ("head_memory", &counters.head_budget_closures),
        ("idle", &counters.idle_closures),
    ] {
        page.sample(&CONNECTIONS_CLOSED, &[("reason", reason)], counter.get());
    }
    page.value(&ACCEPT_ERRORS, counters.accept_errors.get());
    page.head(&PROOFS_REFUSED);
    for (reason, counter) in
        [("client", &counters.proofs_limited), ("busy", &counters.proofs_unserved)]
    {
        page.sample(&PROOFS_REFUSED, &[("reason", reason)], counter.get());
    }
}
