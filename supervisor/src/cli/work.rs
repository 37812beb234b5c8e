//! What `up` and `serve` share.

use std::path::{Path, PathBuf};

use clap::Args;

use super::CliError;
use super::options::{AccountOptions, MeansOptions, PolicyOptions, RemoteOptions, WorkerOptions};
use crate::rules::Rules;
use crate::start::{self, Confinement};
use crate::store::Database;
use crate::supervisor::{Pace, Supervisor};
use crate::worker::Shutdown;

/// Where rules lie if nothing else is said.
const CONFIGURATION: &str = "/etc/stockade";

/// Everything a worker needs to know but its database.
#[derive(Debug, Args)]
pub(super) struct WorkOptions {
    /// Service registry [default: `services.yaml` in the state directory, else `/etc/stockade/services.yaml`]
    #[arg(long, value_name = "FILE", help_heading = "Policies")]
    services: Option<PathBuf>,
    #[command(flatten)]
    policies: PolicyOptions,
    #[command(flatten)]
    worker: WorkerOptions,
    #[command(flatten)]
    remotes: RemoteOptions,
    #[command(flatten)]
    pub(super) account: AccountOptions,
    #[command(flatten)]
    means: MeansOptions,
}

impl WorkOptions {
    /// Takes what it takes root for, and gives root up.
    pub(super) fn confined(&self, command: &'static str) -> Result<Confinement, CliError> {
        let warm = self.worker.warm();
        start::room_for(self.worker.concurrency() + warm.ready + warm.spare)?;
        Ok(start::confined(command, &self.account.account(), &self.means.means())?)
    }

    pub(super) async fn supervisor(&self, confinement: Confinement) -> Result<Supervisor, CliError> {
        let rules = Rules {
            services: self.services()?,
            policies: self.policies.directory(),
            environment: self.policies.environment,
        };
        let (state_dir, warm) = (&self.account.state_dir, self.worker.warm());
        let remotes = self.remotes.remotes(self.policies.environment)?;
        Ok(Supervisor::assemble(confinement, state_dir, &rules, warm, &remotes).await?)
    }

    pub(super) async fn work(
        &self,
        supervisor: Supervisor,
        database: &Database,
        shutdown: &Shutdown,
    ) -> Result<(), CliError> {
        let pace = Pace {
            concurrency: self.worker.concurrency(),
            lease: self.worker.lease(),
            grace: self.worker.grace(),
        };
        Ok(supervisor.work(database, pace, shutdown).await?)
    }

    fn services(&self) -> Result<PathBuf, CliError> {
        if let Some(services) = &self.services {
            return Ok(services.clone());
        }
        let candidates =
            [self.account.state_dir.as_path(), Path::new(CONFIGURATION)].map(|dir| dir.join("services.yaml"));
        let found = candidates.iter().find(|path| std::fs::symlink_metadata(path).is_ok());
        found.cloned().ok_or_else(|| {
            let [first, second] = candidates.each_ref().map(|path| path.display());
            CliError::Other(format!(
                "there is no service registry: neither `{first}` nor `{second}` exists. Name one with `--services`; \
                 `examples/services.yaml` of the source shows what goes into it"
            ))
        })
    }
}
