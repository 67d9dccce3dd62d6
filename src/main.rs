//! The `whence` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    match whence::cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("whence: {}", whence::cli::sentence(&error));
            ExitCode::FAILURE
        }
    }
}
