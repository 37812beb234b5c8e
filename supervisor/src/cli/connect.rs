//! Connecting, for commands that ask the database a question.

use clap::Args;

use super::CliError;
use super::options::{AccountOptions, DatabaseOptions};
use crate::store::{Access, Database, Store};
use crate::{start, store};

/// Which database, and as whom.
#[derive(Debug, Args)]
pub(super) struct ConnectOptions {
    #[command(flatten)]
    database: DatabaseOptions,
    #[command(flatten)]
    account: AccountOptions,
}

impl ConnectOptions {
    /// Gives up root. Must come before the runtime is started.
    pub(super) fn unprivileged(&self) -> Result<Database, CliError> {
        start::unprivileged(&self.account.user)?;
        Ok(self.database.database(&self.account))
    }

    /// Connects.
    pub(super) async fn connect(&self, database: &Database, access: Access) -> Result<Store, CliError> {
        Store::connect(database, access, 1).await.map_err(|error| self.explained(error))
    }

    /// Brings the database to the schema this program needs.
    pub(super) async fn migrate(&self, database: &Database) -> Result<(), CliError> {
        store::migrate(database).await.map_err(|error| self.explained(error))
    }

    /// The embedded server runs only while `stockade up` does, and lets in one user only.
    fn explained(&self, error: store::StoreError) -> CliError {
        if self.database.database_url.is_some() || !error.is_connection_lost() {
            return error.into();
        }
        CliError::Other(format!(
            "{error}. It was the embedded server of `{}` that was tried: it is there while `stockade up` runs, and for \
             the user `{}` alone (`sudo` will do). For another database, set DATABASE_URL",
            self.account.state_dir.display(),
            self.account.user,
        ))
    }
}
