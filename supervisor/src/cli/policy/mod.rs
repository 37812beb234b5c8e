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
use stockade_policies::{
    Capabilities, DOCKER_ENFORCES, Environment, ExecutionType, HTTP_ENFORCES, Library, Registry,
    SERVERLESS_ENFORCES, SHELL_ENFORCES,
};

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
    Ok(Registry::load(services, library, environment, &capabilities().for_reading())?)
}

/// What registries are read for: the runners of this version.
fn capabilities() -> Capabilities {
    Capabilities::new()
        .runner(ExecutionType::SHELL, SHELL_ENFORCES)
        .runner(ExecutionType::HTTP, HTTP_ENFORCES)
        .runner(ExecutionType::SERVERLESS, SERVERLESS_ENFORCES)
        .runner(ExecutionType::DOCKER, DOCKER_ENFORCES)
}
