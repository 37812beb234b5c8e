//! Why a job did not run, and what is known of it all the same.

use stockade_plan::{CodecError, SetupError};

use crate::Enforcement;
use crate::cgroup::CgroupError;
use crate::slot::SETUP_DEADLINE;

/// A job that did not start, or of which cannot be told how it ended. Nothing of it is left either way.
///
/// Once it had a sandbox, what that was is told as of a job that ran.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotRun {
    /// Why.
    #[source]
    pub error: RunError,
    /// The id that it ran as on the host, or would have; `None` if it had no sandbox yet.
    pub host_uid: Option<u32>,
    /// What was in force in its sandbox; `None` if that was not built yet.
    pub enforcement: Option<Enforcement>,
}

impl From<RunError> for NotRun {
    /// Of a job that had no sandbox.
    fn from(error: RunError) -> Self {
        Self { error, host_uid: None, enforcement: None }
    }
}

/// Why a job did not start, or how it ended cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A step of set-up failed.
    #[error(transparent)]
    Setup(SetupError),
    /// The memory limit is too small even for the set-up: inputs and work files count.
    #[error(
        "the memory limit of {limit_bytes} bytes was used up during set-up; raise `memory_mb` or pass less input"
    )]
    NoMemoryForSetup {
        /// The limit.
        limit_bytes: u64,
    },
    /// The inputs are not those of the plan.
    #[error("the inputs do not match the plan: {0}")]
    Inputs(String),
    /// Cancelled before it ran, as far as its init could tell in the time that it was given for that.
    #[error("cancelled before the job started")]
    Cancelled,
    /// Set-up took too long.
    #[error("set-up did not end within {} s; the host is overloaded or the launcher stuck", SETUP_DEADLINE.as_secs())]
    SetupDeadline,
    /// Its control group could not be made or limited.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The launcher is gone.
    #[error("the launcher is gone; restart stockade")]
    LauncherGone,
    /// The plan is too large to send.
    #[error("cannot send the plan: {0}")]
    Frame(CodecError),
    /// Init broke its protocol, and was killed.
    #[error("the sandbox's init broke its protocol: {0}")]
    Protocol(String),
    /// Init was killed by something else than this program.
    #[error("the sandbox's init was killed from outside")]
    InitKilled,
    /// A descriptor could not be made or used.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A defect of this program.
    #[error("internal error: {0}")]
    Internal(String),
}
