//! How an attempt ended, and what that means for its job.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::StoreError;

/// No job waits longer than this for its next attempt: thirty days.
const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It did what it was to do.
    Completed,
    /// It ran and failed.
    Failed,
    /// Its wall clock ran out.
    TimedOut,
    /// It went over its memory.
    OutOfMemory,
    /// It went over another limit.
    LimitExceeded,
    /// Policy or registry did not let it start.
    Refused,
    /// What was to confine it could not be built; it did not start.
    SetupFailed,
    /// Somebody cancelled it.
    Cancelled,
    /// Its worker was shut down. The job waits again, and the attempt does not count.
    Interrupted,
}

impl Verdict {
    /// The word for it in the database and in everything printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::OutOfMemory => "out_of_memory",
            Self::LimitExceeded => "limit_exceeded",
            Self::Refused => "refused",
            Self::SetupFailed => "setup_failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Whether and when a failed attempt is followed by another, if the job has any left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    /// Never: it would fail again.
    Never,
    /// After one second, doubled with every attempt up to five minutes, spread by a quarter.
    #[default]
    Default,
    /// After this time, or thirty days if it is more.
    After(Duration),
}

impl Retry {
    pub(super) fn is_possible(self) -> bool {
        self != Self::Never
    }

    pub(super) fn seconds(self) -> Option<f64> {
        match self {
            Self::After(time) => Some(time.min(LONGEST_PAUSE).as_secs_f64()),
            Self::Never | Self::Default => None,
        }
    }
}

/// What completing an attempt did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// The attempt is recorded.
    Recorded(After),
    /// It had been completed before; nothing was changed.
    AlreadyDone,
    /// The job had been taken from this worker; nothing was changed, the result must be dropped.
    LeaseLost,
}

/// What has become of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It is completed.
    Completed,
    /// It is cancelled.
    Cancelled,
    /// It will be tried again then.
    RetryAt(DateTime<Utc>),
    /// It waits again as if this attempt had not been.
    Requeued,
    /// It has failed for good and lies among the dead letters.
    DeadLetter,
    /// Somebody else had decided its fate while the attempt ran; the attempt is recorded, the job left alone.
    Detached,
}

impl Completion {
    pub(super) fn from_row(outcome: &str, due: Option<DateTime<Utc>>) -> Result<Self, StoreError> {
        Ok(match (outcome, due) {
            ("already_done", _) => Self::AlreadyDone,
            ("lease_lost", _) => Self::LeaseLost,
            ("completed", _) => Self::Recorded(After::Completed),
            ("cancelled", _) => Self::Recorded(After::Cancelled),
            ("retry", Some(due)) => Self::Recorded(After::RetryAt(due)),
            ("requeued", _) => Self::Recorded(After::Requeued),
            ("dead", _) => Self::Recorded(After::DeadLetter),
            ("detached", _) => Self::Recorded(After::Detached),
            (other, _) => return Err(StoreError::Unknown { what: "outcome", value: other.to_owned() }),
        })
    }
}
