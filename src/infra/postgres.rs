//! Connections to Postgres: the URL, TLS, settings, and how long everything may take.

mod error;
mod pooler;
mod settings;
pub(crate) mod tls;

use std::fmt;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Config, Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{AsyncMessage, Client};
use tokio_postgres_rustls::MakeRustlsConnect;

pub use error::{ConnectError, UrlError, message};
pub use pooler::{Pooler, TRANSACTION_POOLING};
use tls::Trust;

/// How long all hosts together may take to accept a connection, unless the URL sets that, and how
/// long a server may then take to greet. A request that waits longer had better fail.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const GREETING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a caller waits for a connection of a pool when all are in use.
const POOL_TIMEOUT: Duration = Duration::from_secs(2);

/// How long bytes that were sent may remain unacknowledged by the peer's kernel: this is how a host
/// that vanished is noticed.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);

/// When an idle connection begins to be probed, how often, and how many probes may be lost.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(5), Duration::from_secs(2), 3);

/// The address of a Postgres database and how to connect to it. Its password is in no message and no
/// `Debug`.
#[derive(Clone)]
pub struct PostgresUrl {
    config: Config,
    tls: MakeRustlsConnect,
}

/// The task that drives a connection. Dropping it closes the connection.
#[must_use]
pub struct ConnectionTask(JoinHandle<()>);

impl Drop for ConnectionTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl PostgresUrl {
    /// Parses `postgres://user:password@host:port/database?parameters`.
    ///
    /// Several hosts (`a:5432,b:5432`) are tried in order for the one that can be written to. The
    /// parameters mean what they mean to libpq. `sslmode` is `disable`, `prefer` (the default: TLS
    /// when it is offered, the certificate not checked), or `require`, `verify-ca` or
    /// `verify-full`, all three of which check certificate and host name, against the system's
    /// roots or `sslrootcert`.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let no_url = || UrlError("a Postgres URL looks like postgres://user@host/database".into());
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(no_url());
        }
        if has_stray_at(url) {
            return Err(UrlError(
                "a user or password in a Postgres URL is percent-encoded: @ is %40, / is %2F, ? is \
                 %3F and # is %23"
                    .into(),
            ));
        }
        let (place, parameters) = url.split_once('?').unwrap_or((url, ""));
        let (rest, mode, trust) = security(parameters)?;
        let mut config: Config = format!("{place}?{rest}").parse().map_err(|error| {
            UrlError(format!("this is no Postgres URL: {}", without_text_of_url(&error)))
        })?;
        if config.get_hosts().is_empty() {
            return Err(no_url());
        }
        config.ssl_mode(mode);
        set_bounds(&mut config);
        Ok(Self { config, tls: MakeRustlsConnect::new(tls::config(&trust)?) })
    }

    /// Returns a pool of at most `size` connections that begin with these settings, such as
    /// `synchronous_commit=off`. It connects only when a connection is asked for.
    #[must_use]
    pub fn pool(&self, size: usize, settings: &[&str]) -> Pool {
        let manager = Manager::from_config(
            self.config.clone(),
            self.tls.clone(),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        Pool::builder(manager)
            .max_size(size)
            .wait_timeout(Some(POOL_TIMEOUT))
            .create_timeout(Some(self.connect_timeout()))
            .runtime(Runtime::Tokio1)
            .post_create(self.set_up(settings))
            .build()
            .expect("time-outs have a runtime")
    }

    /// Opens a connection outside of a pool, which stays open until its task is dropped.
    pub async fn connect(
        &self,
        settings: &[&str],
    ) -> Result<(Client, ConnectionTask), ConnectError> {
        self.connect_with_messages(settings, |_| ()).await
    }

    /// Opens a connection as [`PostgresUrl::connect`] does, and passes the messages that the server
    /// sends unasked to `on_message`.
    pub async fn connect_with_messages(
        &self,
        settings: &[&str],
        on_message: impl Fn(AsyncMessage) + Send + 'static,
    ) -> Result<(Client, ConnectionTask), ConnectError> {
        let connecting = self.config.connect(self.tls.clone());
        let connected = tokio::time::timeout(self.connect_timeout(), connecting).await;
        let (client, mut connection) = connected.map_err(|_| ConnectError::TimedOut)??;
        let driven = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await
            {
                on_message(message);
            }
        });
        let task = ConnectionTask(driven);
        let set_up = settings::statements(&self.config, settings);
        let done = tokio::time::timeout(GREETING_TIMEOUT, client.batch_execute(&set_up)).await;
        done.map_err(|_| ConnectError::TimedOut)??;
        Ok((client, task))
    }

    /// Returns what a pool does with a new connection before it is used.
    fn set_up(&self, settings: &[&str]) -> Hook {
        let statements: Arc<str> = settings::statements(&self.config, settings).into();
        Hook::async_fn(move |client, _| {
            let statements = statements.clone();
            Box::pin(async move {
                let done = client.batch_execute(&statements);
                match tokio::time::timeout(GREETING_TIMEOUT, done).await {
                    Ok(done) => done.map_err(HookError::Backend),
                    Err(_) => Err(HookError::message("no answer in time")),
                }
            })
        })
    }

    /// Returns how long connecting may take. The time-out of the configuration is for each host,
    /// and for the first packets only.
    fn connect_timeout(&self) -> Duration {
        let each = self.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        each * hosts(&self.config) + GREETING_TIMEOUT
    }
}

/// Shows hosts and database to people.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        for (n, host) in self.config.get_hosts().iter().enumerate() {
            let separator = if n == 0 { "" } else { "," };
            let port = ports.get(n).or(ports.first()).unwrap_or(&5432);
            match host {
                Host::Tcp(name) => write!(f, "{separator}{name}:{port}")?,
                Host::Unix(path) => write!(f, "{separator}{}:{port}", path.display())?,
            }
        }
        let database = self.config.get_dbname().or(self.config.get_user());
        write!(f, "/{}", database.unwrap_or_default())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

/// Returns whether there is an `@` in a URL where none can be that ends the user and the password: one
/// of the two is not percent-encoded, and would be taken for another part.
pub(crate) fn has_stray_at(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or("");
    let all = |text: &str| text.bytes().filter(|byte| *byte == b'@').count();
    all(rest) > 1 || all(rest) != all(authority)
}

/// Returns what the client says about a URL, unless that repeats a part of it.
fn without_text_of_url(error: &tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    if cause.starts_with("invalid value for option") {
        cause
    } else if cause.starts_with("unknown option") {
        "it has an unknown parameter (a & in a value is %26)".into()
    } else {
        "it cannot be read".into()
    }
}

/// Splits the parameters of a URL into those about TLS and the rest: the client does not know all
/// values that libpq has. Returns the rest, the mode and what is trusted.
fn security(parameters: &str) -> Result<(String, SslMode, Trust), UrlError> {
    let mut mode = None;
    let mut root = None;
    let mut rest = Vec::new();
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
        match name {
            "sslmode" => mode = Some(value.into_owned()),
            "sslrootcert" => root = Some(PathBuf::from(value.into_owned())),
            _ => rest.push(parameter),
        }
    }
    let checked = root.clone().map_or(Trust::System, Trust::File);
    let (mode, trust) = match mode.as_deref() {
        Some("disable") => (SslMode::Disable, Trust::Any),
        None | Some("prefer") => (SslMode::Prefer, Trust::Any),
        Some("require" | "verify-ca" | "verify-full") => (SslMode::Require, checked),
        Some(_) => {
            let known = "disable, prefer, require, verify-ca or verify-full";
            return Err(UrlError(format!("sslmode is {known}")));
        }
    };
    if root.is_some() && trust == Trust::Any {
        return Err(UrlError("sslrootcert needs sslmode=verify-full".into()));
    }
    Ok((rest.join("&"), mode, trust))
}

/// Sets the time-outs and defaults that the URL leaves open.
fn set_bounds(config: &mut Config) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT / hosts(config));
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
    }
    if config.get_keepalives_interval().is_none() {
        let (idle, interval, retries) = KEEPALIVE;
        config.keepalives_idle(idle).keepalives_interval(interval).keepalives_retries(retries);
    }
    // Of several hosts only one takes appends, and what the others answer may be old.
    if config.get_hosts().len() > 1 && config.get_target_session_attrs() == TargetSessionAttrs::Any
    {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if config.get_application_name().is_none() {
        config.application_name("whence");
    }
}

fn hosts(config: &Config) -> u32 {
    u32::try_from(config.get_hosts().len()).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests;
