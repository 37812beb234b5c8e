//! Why a command ended without having done what it was for.

use std::io;

use stockade_policies::Diagnostics;
use stockade_sandbox::LaunchError;

use crate::demo::DemoError;
use crate::exec_record::RecordError;
use crate::postgres::PostgresError;
use crate::rules::RulesError;
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
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error("{0}")]
    Policies(#[from] Diagnostics),
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
    #[error("cannot start the runtime: {0}")]
    Runtime(#[source] io::Error),
    #[error("{0}")]
    Other(String),
}

impl CliError {
    /// What may help with this error, beyond what it says.
    pub(super) fn help(&self) -> Option<&'static str> {
        match self {
            Self::Policies(found)
            | Self::Supervisor(SupervisorError::Rules(RulesError::Refused(found)))
            | Self::Demo(DemoError::Supervisor(SupervisorError::Rules(RulesError::Refused(found)))) => {
                Self::hint(found)
            }
            _ => None,
        }
    }

    /// Root may have wanted files to be read that root alone can read.
    pub(super) fn hint(found: &Diagnostics) -> Option<&'static str> {
        let denied = found.iter().any(|diagnostic| {
            diagnostic.code == "unreadable-file" && diagnostic.message.contains("Permission denied")
        });
        denied.then_some(
            "files are read after root has been given up: the unprivileged user (`--user`) must be able to read them",
        )
    }
}
