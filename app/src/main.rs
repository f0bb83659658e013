//! The `dchat` command: exit code only.

use std::process::ExitCode;

fn main() -> ExitCode {
    dchat::cli::main(dchat::Peer::open)
}
