//! `stockade migrate`

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::connect::ConnectOptions;
use super::{CliError, exit, runtime};
use crate::output;

/// Bring a database to the schema this program needs
///
/// Does nothing if it is there already. The login must own the database or be allowed to create schemas and roles in
/// it. `up` and `demo` migrate their own database by themselves; `serve` does not migrate.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  DATABASE_URL=postgres://owner@db.example/app stockade migrate")]
pub(super) struct Migrate {
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectOptions,
}

impl Migrate {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let database = self.connect.unprivileged()?;
        runtime::single(self.connect.migrate(&database))?;
        match self.json {
            true => output::json(&json!({"migrated": true}))?,
            false => output::line("the database has the schema this program needs")?,
        }
        Ok(exit::check(true))
    }
}
