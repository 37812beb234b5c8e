//! `stockade jobs`

mod cancel;
mod list;
pub(super) mod show;

use std::future::Future;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::connect::ConnectOptions;
use super::{CliError, runtime};
use crate::store::{Access, Store};

/// Look at jobs, and cancel them
#[derive(Debug, Args)]
pub(super) struct Jobs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::List),
    Show(show::Show),
    Cancel(cancel::Cancel),
}

impl Jobs {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        match self.command {
            Command::List(command) => command.run(),
            Command::Show(command) => command.run(),
            Command::Cancel(command) => command.run(),
        }
    }
}

/// What all of them need to know.
#[derive(Debug, Args)]
struct Common {
    /// Speak for this tenant: only its jobs are there
    #[arg(long, value_name = "UUID")]
    tenant: Option<Uuid>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectOptions,
}

impl Common {
    /// Gives up root, connects, and does `work`.
    fn with_store<T, W>(&self, work: impl FnOnce(Store) -> W) -> Result<T, CliError>
    where
        W: Future<Output = Result<T, CliError>>,
    {
        let database = self.connect.unprivileged()?;
        let access = match self.tenant {
            Some(tenant) => Access::Submitter { tenant: Some(tenant) },
            None => Access::Worker,
        };
        runtime::single(async { work(self.connect.connect(&database, access).await?).await })
    }
}
