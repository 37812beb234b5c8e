//! `stockade policy`

mod check;
mod diff;
mod explain;
mod learn;
mod schema;
mod target;

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use stockade_policies::{Capabilities, Environment, Library, Registry};

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

/// The registry in that file, to read in it: whether this host can run its operations is another question.
pub(super) fn registry(
    services: &Path,
    library: &Library,
    environment: Environment,
) -> Result<Registry, CliError> {
    Ok(Registry::load(services, library, environment, &Capabilities::shipped().for_reading())?)
}
