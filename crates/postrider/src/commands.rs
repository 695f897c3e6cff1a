//! One file per subcommand; this one says which.

mod completions;
mod config;
mod dev;
mod health;
mod ingest;
mod man;
mod offsets;
mod process;
mod sandbox;
mod send;
mod test;
mod topics;

use crate::{
    cli::{Command, Global},
    failure::Failure,
};

/// Does what was asked for.
pub(crate) fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::Dev(args) => dev::run(&args, global),
        Command::Process(args) => process::run(&args, global),
        Command::Ingest => ingest::run(global),
        Command::Send(args) => send::run(&args, global),
        Command::Test { command } => test::run(command, global),
        Command::Topics { command } => topics::run(command, global),
        Command::Config { command } => config::run(command, global),
        Command::Completions { shell } => completions::run(shell),
        Command::Man { directory } => man::run(directory.as_deref()),
        Command::Health(args) => health::run(&args, global),
        Command::Sandbox(args) => sandbox::run(&args),
        Command::Offsets { command } => offsets::run(command, global),
    }
}
