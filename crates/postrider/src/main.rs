//! The one binary. This file is the map: read the command line, set up logs, hand over to the subcommand, turn what
//! came back into an exit code. One file per subcommand is under `commands`.

mod cli;
mod commands;
mod config;
mod failure;
mod lanes;
mod output;
mod signals;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use failure::Failure;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = cli.global.log_format;
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(format);
            failure.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    cli.global.start_logging(cli.command.default_log_level())?;
    // The same provider for SMTP, Slack and HTTP; a second call would only say that there is one.
    rustls::crypto::ring::default_provider().install_default().ok();
    commands::run(cli.command, &cli.global)
}
