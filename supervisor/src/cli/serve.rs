//! `stockade serve`

use std::process::ExitCode;

use clap::Args;

use super::work::WorkOptions;
use super::{CliError, exit, runtime};
use crate::store::Database;
use crate::worker::Shutdown;

/// Work the queue of a database that is there already
///
/// As `up`, with the database that is named. It must have been migrated (`stockade migrate`). Many workers may share one
/// database; two on one host need a state directory each.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sudo DATABASE_URL=postgres://worker@db.example/app stockade serve")]
pub(super) struct Serve {
    /// Database whose queue to work
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    #[command(flatten)]
    work: WorkOptions,
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let confinement = self.work.confined("serve")?;
        let database = Database::Url(self.database_url.clone());
        runtime::threaded(async {
            let shutdown = Shutdown::on_signals()?;
            let supervisor = self.work.supervisor(confinement).await?;
            self.work.work(supervisor, &database, &shutdown).await.map(|()| exit::check(true))
        })
    }
}
