//! Why a command ended without having done what it was for.

use std::io;

use stockade_policies::Diagnostics;
use stockade_sandbox::LaunchError;

use crate::exec_record::RecordError;
use crate::postgres::PostgresError;
use crate::start::StartError;
use crate::store::StoreError;
use crate::supervisor::SupervisorError;

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    #[error("{0}")]
    Policies(#[from] Diagnostics),
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
    #[error("cannot start the runtime: {0}")]
    Runtime(#[source] io::Error),
    #[error("{0}")]
    Other(String),
}
