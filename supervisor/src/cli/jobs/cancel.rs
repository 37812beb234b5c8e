//! `stockade jobs cancel`

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::Common;
use crate::cli::{CliError, exit};
use crate::output;
use crate::store::{self, JobId, JobStatus};

/// Cancel a job: one that waits is not run any more, one that runs is killed with all it has started
///
/// Exits with 1 if it was over already, or if there is no such job.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  stockade jobs cancel 0e8a3c52-7d5b-4a6e-9f0d-0c5b8a3e6f11")]
pub(super) struct Cancel {
    /// The job's id
    id: JobId,
    #[command(flatten)]
    common: Common,
}

impl Cancel {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let (id, by) = (self.id, nix::unistd::getuid());
        let answer = self.common.with_store(|store| async move {
            // Who asked, as far as this host knows; the record keeps it.
            Ok(store.cancel(id, &format!("stockade jobs cancel, uid {by}")).await?)
        })?;
        let (word, text) = match answer {
            store::Cancel::Cancelled => ("cancelled", "cancelled before it ran".to_owned()),
            store::Cancel::Requested => ("requested", "it runs; its worker kills it".to_owned()),
            store::Cancel::AlreadyEnded(status) => {
                ("already_ended", format!("it was over already: {}", word(status)))
            }
            store::Cancel::Unknown => ("unknown", "there is no such job".to_owned()),
        };
        match self.common.json {
            true => output::json(&json!({"id": id, "cancel": word}))?,
            false => output::line(&text)?,
        }
        Ok(exit::check(matches!(answer, store::Cancel::Cancelled | store::Cancel::Requested)))
    }
}

fn word(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Pending => "pending",
        JobStatus::Running => "running",
        JobStatus::Completed => "completed",
        JobStatus::Failed => "failed",
        JobStatus::Cancelled => "cancelled",
    }
}
