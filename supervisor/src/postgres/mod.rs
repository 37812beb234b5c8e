//! A Postgres server of our own, so that nothing has to be configured.
//!
//! The server's programs come from the system's package; its data, its socket and its settings lie beneath the state
//! directory. It listens on a unix socket only, in a directory that only our user may enter, and lets in nobody but
//! that user. docs/decisions/0004-embedded-postgres.md says why each part is as it is.

mod binaries;
mod cluster;
mod error;
mod keeper;
mod leftover;
mod program;

use std::path::{Path, PathBuf};

pub use error::PostgresError;

use crate::store::Database;
use keeper::Keeper;

/// A running server. Dropping it asks the server to stop without waiting for it; [`EmbeddedPostgres::stop`] waits.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    keeper: Keeper,
    database: Database,
}

impl EmbeddedPostgres {
    /// Starts the server of `state_dir`, and makes its cluster the first time. Returns when it accepts connections.
    /// From then on it is started again whenever it dies, until it is stopped.
    ///
    /// A server that a killed supervisor left behind is stopped first; a stale pid file is removed.
    ///
    /// # Errors
    /// [`PostgresError::Root`] as root, [`PostgresError::NotInstalled`] without the server's programs,
    /// [`PostgresError::InUse`] if another supervisor has this state directory, and whatever keeps the server from
    /// starting, with the last lines it logged.
    pub async fn start(state_dir: &Path) -> Result<Self, PostgresError> {
        if nix::unistd::geteuid().is_root() {
            return Err(PostgresError::Root);
        }
        let (keeper, socket) = Keeper::start(state_dir.to_owned()).await?;
        Ok(Self { keeper, database: at(socket) })
    }

    /// Where to connect.
    pub fn database(&self) -> Database {
        self.database.clone()
    }

    /// The server's process id, while there is one.
    pub fn pid(&self) -> Option<i32> {
        self.keeper.pid()
    }

    /// Stops the server: open transactions are rolled back, everything committed stays. Returns when it is gone.
    pub async fn stop(mut self) {
        self.keeper.stop().await;
    }
}

/// The server that a new cluster would be made with: its version and where its programs lie.
///
/// # Errors
/// [`PostgresError::NotInstalled`] and [`PostgresError::TooOld`] if there is none.
pub fn programs() -> Result<String, PostgresError> {
    let binaries = binaries::Binaries::find(Path::new("a new cluster"), None)?;
    let directory = binaries.postgres.parent().unwrap_or(Path::new("/"));
    Ok(format!("PostgreSQL {} in `{}`", binaries.major, directory.display()))
}

/// Where the server of `state_dir` listens, for who wants to connect to one that another process runs.
pub fn database_of(state_dir: &Path) -> Database {
    at(cluster::socket_directory(state_dir))
}

fn at(socket: PathBuf) -> Database {
    Database::Socket {
        directory: socket,
        user: cluster::SUPERUSER.to_owned(),
        name: cluster::DATABASE.to_owned(),
    }
}
