//! Why there is no server.

use std::{io, path::PathBuf};

/// A server that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// Postgres refuses to run as root, and so do we.
    #[error(
        "cannot run Postgres as root: start `stockade` as root only with `--user`, which it becomes before this"
    )]
    Root,
    /// The server's programs are nowhere.
    #[error(
        "cannot find Postgres's `postgres` and `initdb` (looked in {looked_in}): install the package `postgresql`, \
         or use a server of your own with `stockade serve`"
    )]
    NotInstalled {
        /// Where we looked.
        looked_in: String,
    },
    /// The program that ties the server's life to ours is missing.
    #[error("cannot find `{0}`: install the package `util-linux`")]
    NoSetpriv(PathBuf),
    /// Only servers that cannot use the data are installed.
    #[error(
        "`{data}` was made by PostgreSQL {wanted}, and what is installed is {found}: install `postgresql-{wanted}`"
    )]
    OtherVersion {
        /// The data directory.
        data: PathBuf,
        /// The version that made it.
        wanted: u32,
        /// The versions found.
        found: String,
    },
    /// The installed server is too old.
    #[error(
        "PostgreSQL {found} is installed, and at least {needed} is needed: install a newer package `postgresql`"
    )]
    TooOld {
        /// The newest version found.
        found: u32,
        /// The oldest that will do.
        needed: u32,
    },
    /// Another supervisor uses the same state directory.
    #[error(
        "another `stockade` uses the state directory (it holds `{0}`): stop it, or choose another `--state-dir`"
    )]
    InUse(PathBuf),
    /// Something that is not a cluster is where the cluster should be.
    #[error(
        "`{0}` is not a Postgres cluster (it has no `PG_VERSION`): move it away, or restore it from a backup"
    )]
    NotACluster(PathBuf),
    /// The address of a unix socket has no room for this path.
    #[error(
        "the socket `{path}` has a path of {length} bytes, and {max} are possible: choose a shorter `--state-dir`"
    )]
    PathTooLong {
        /// The socket.
        path: PathBuf,
        /// The length of its path.
        length: usize,
        /// The greatest length possible.
        max: usize,
    },
    /// Our user has no name, and Postgres lets people in by name.
    #[error("the user id {0} has no name in the system's user database: run as a user that has one")]
    NoUserName(u32),
    /// A file operation failed.
    #[error("cannot {operation} `{path}`: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A program of Postgres ended otherwise than it should.
    #[error("`{program}` failed ({status}): {output}")]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: String,
        /// The end of what it said.
        output: String,
    },
    /// The server did not become ready.
    #[error("the server did not accept connections within {seconds} s: see `{log}`")]
    NotReady {
        /// How long we waited.
        seconds: u64,
        /// Its log.
        log: PathBuf,
    },
    /// A server that was left running does not stop.
    #[error("the server that was left running (process {0}) does not stop: end it by hand")]
    LeftoverStays(i32),
    /// The thread that keeps the server is gone.
    #[error("the thread that keeps the server ended early")]
    KeeperGone,
}

impl PostgresError {
    /// Names the file operation that failed.
    pub(super) fn io(operation: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { operation, path, source }
    }
}
