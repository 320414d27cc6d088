//! The command-line program. All code is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    segctl::cli::main(std::env::args_os())
}
