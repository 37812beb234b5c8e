//! `stockade policy`

mod check;
mod diff;
mod explain;
mod learn;
mod schema;
mod target;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::options::PolicyOptions;
use super::{CliError, exit};

/// Work with policies
#[derive(Debug, Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Explain(explain::Explain),
    Diff(diff::Diff),
    Schema(schema::Schema),
    Learn(Box<learn::Learn>),
}

impl Policy {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        match self.command {
            Command::Check(command) => command.run(),
            Command::Explain(command) => command.run(),
            Command::Diff(command) => command.run(),
            Command::Schema(command) => command.run(),
            Command::Learn(command) => Ok(command.run()),
        }
    }
}
