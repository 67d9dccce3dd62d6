//! What operators run beside the service: `whence copy`, `doctor`, `replay` and `report`, as the
//! real program.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for its own events")]

mod copy;
mod copy_broken_off;
mod copy_refused;
mod copy_served;
mod doctor;
mod doctor_postgres;
mod erase;
#[path = "../../projections/tests/report/history.rs"]
#[expect(dead_code, reason = "the properties of the views take more of it")]
mod history;
#[cfg(feature = "kurrentdb")]
#[path = "../kurrentdb_double/double.rs"]
#[expect(dead_code, reason = "the double can be told more than is needed here")]
mod kurrentdb_double;
mod logs;
#[path = "../common/postgres.rs"]
mod postgres;
mod replay;
mod report;
#[path = "../cli/support.rs"]
#[expect(dead_code, reason = "helpers of other tests")]
mod support;
