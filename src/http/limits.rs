//! Every bound of the HTTP side in one place.

use std::time::Duration;

/// Bytes of a request body.
pub const MAX_BODY: usize = 4096;

/// Bytes of a request's line and headers. Checked before each read, so what comes in one read past
/// it still passes: at most twice as much.
pub const MAX_HEAD: usize = 32 * 1024;

/// Header lines of a request.
pub const MAX_HEADERS: usize = 100;

/// For a client to send its headers, and between two requests on a connection.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// For a client to send its body once the headers are there.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// For a whole request: longer than a mail may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections at a time; further clients wait in the listener's backlog.
pub const MAX_CONNECTIONS: usize = 10_000;

/// For open requests to end once the service is told to stop.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a `User-Agent` that are kept.
pub const MAX_USER_AGENT: usize = 512;

/// Items of a page, unless asked otherwise, and at most.
pub const PAGE: u64 = 50;
/// See [`PAGE`].
pub const MAX_PAGE: u64 = 200;

/// Furthest that a page may begin.
pub const MAX_OFFSET: u64 = 1_000_000;

/// Touches of one client address that are recorded in an hour. Cookies are planted past that too.
pub const TOUCHES_PER_CLIENT: u32 = 600;

/// For a report to get its turn: one is made at a time.
pub const REPORT_WAIT: Duration = Duration::from_secs(10);

/// When to come again after the store did not answer: about as long as it takes over from another.
pub const RETRY_AFTER_SECONDS: u64 = 2;
