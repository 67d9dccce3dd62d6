//! `whence export`, as the real program, read back by other code than wrote it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod complete;
mod expected;
#[cfg(feature = "kurrentdb")]
#[path = "../kurrentdb_double/double.rs"]
#[expect(dead_code, reason = "the double can be told more than is needed here")]
mod kurrentdb_double;
mod log;
mod output;
mod personal;
#[path = "../common/postgres.rs"]
mod postgres;
mod range;
mod reader;
#[path = "../cli/support.rs"]
#[expect(dead_code, reason = "helpers of other tests")]
mod support;
mod view;
