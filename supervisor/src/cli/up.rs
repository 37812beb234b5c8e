//! `stockade up`

use std::process::ExitCode;

use clap::Args;

use super::work::WorkOptions;
use super::{CliError, exit, runtime};
use crate::postgres::EmbeddedPostgres;
use crate::store::{self, Database};
use crate::supervisor::Supervisor;
use crate::worker::Shutdown;

/// Work the queue of a private Postgres that needs no configuration
///
/// Starts as root, gives root up before it opens anything, starts a Postgres server of its own under the state
/// directory, brings it to the schema this program needs, and runs the jobs that are handed in. The first SIGTERM or
/// SIGINT lets running jobs finish for the time of grace, the second does not; a job that is ended this way goes back to
/// the queue and keeps its attempts. SIGHUP has the service registry and the policies read again, as does a change of their
/// files; what does not hold is refused, and the old ones stay in force. Exits with 0 after an orderly end, with 1 if it could not start or if the launcher
/// is gone.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sudo stockade up --services examples/services.yaml\n  \
                        sudo stockade submit tenant_scripts python --input '{\"script\": \"print(6*7)\"}' --wait")]
pub(super) struct Up {
    #[command(flatten)]
    work: WorkOptions,
}

impl Up {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let confinement = self.work.confined("up")?;
        runtime::threaded(async {
            let shutdown = Shutdown::on_signals()?;
            let supervisor = self.work.supervisor(confinement).await?;
            let postgres = match EmbeddedPostgres::start(&self.work.account.state_dir).await {
                Ok(postgres) => postgres,
                Err(error) => {
                    supervisor.close().await?;
                    return Err(error.into());
                }
            };
            let worked = self.work(supervisor, &postgres.database(), &shutdown).await;
            postgres.stop().await;
            worked.map(|()| exit::check(true))
        })
    }

    async fn work(
        &self,
        supervisor: Supervisor,
        database: &Database,
        shutdown: &Shutdown,
    ) -> Result<(), CliError> {
        match store::migrate(database).await {
            Ok(()) => self.work.work(supervisor, database, shutdown).await,
            Err(error) => {
                supervisor.close().await?;
                Err(error.into())
            }
        }
    }
}
