//! Every bound of the HTTP API; those of connections are settings
//! ([`crate::app::config::ConnectionLimits`]).

use std::time::Duration;

/// The longest request body, in bytes.
pub const MAX_BODY_BYTES: usize = 4096;

/// The longest request body of a call about many things at once, in bytes: 100 ids, however they are
/// set out.
pub const MAX_BATCH_BODY_BYTES: usize = 16 * 1024;

/// The longest request line with headers, in bytes. The bound is checked before each read, so a
/// head that exceeds it within one read still passes: at most twice as much.
pub const MAX_HEAD_BYTES: usize = 32 * 1024;

/// The number of header lines of a request.
pub const MAX_HEADERS: usize = 100;

/// The bytes of a query, but for short links and operators; a longer one is refused.
pub const MAX_QUERY_BYTES: usize = 2048;

/// The bytes of a short link's query that are read; what is longer is cut.
pub const MAX_LINK_QUERY_BYTES: usize = 2048;

/// The time in which a client has to send its body once its headers have arrived.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// The time in which a request is answered: longer than sending a mail may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The time in which open requests have to end once the service is shutting down.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The bytes of a `User-Agent` that are kept.
pub const MAX_USER_AGENT_BYTES: usize = 512;

/// The items of a page when the request does not say how many.
pub const PAGE_ITEMS: u64 = 50;

/// The most items that a request can ask of a page.
pub const MAX_PAGE_ITEMS: u64 = 200;

/// The greatest number of items before a page.
pub const MAX_OFFSET: u64 = 1_000_000;

/// The most mails that a page of development shows.
pub const SHOWN_MAILS: usize = 100;

/// The touches of one client address that are recorded in an hour. Cookies are set beyond that too.
pub const TOUCHES_PER_CLIENT: u32 = 600;

/// The time that a report waits for its turn: one is made at a time.
pub const REPORT_QUEUE_TIMEOUT: Duration = Duration::from_secs(10);

/// The `Retry-After` of a response after the store did not answer, in seconds: about the time that
/// a failover of the store takes.
pub const RETRY_AFTER_SECONDS: u64 = 2;

/// The `Retry-After` of a response while the mail server is down or defers, in seconds.
pub const MAIL_RETRY_AFTER_SECONDS: u64 = 60;
