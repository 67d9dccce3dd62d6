//! `whence demo`.

/// Runs the journey.
///
/// # Errors
/// When a step does not do what it should.
pub(crate) async fn run() -> anyhow::Result<()> {
    Ok(())
}
