//! Arguments → configuration → logs → app → exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    halo_gateway::cli::run()
}
