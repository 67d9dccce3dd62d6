//! The `whence` program.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match whence::cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("whence: {}", whence::infra::errors::sentence(&error));
            ExitCode::FAILURE
        }
    }
}
