//! `stockade jobs list`

use std::process::ExitCode;

use clap::{Args, ValueEnum, value_parser};

use super::Common;
use crate::cli::{CliError, exit};
use crate::output;
use crate::store::{Job, JobFilter, JobStatus};
use crate::text::shortened;

/// List jobs, the newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  stockade jobs list --status failed --limit 20")]
pub(super) struct List {
    /// Only those in this state
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Only those that call this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = value_parser!(i64).range(1..=10_000))]
    limit: i64,
    #[command(flatten)]
    common: Common,
}

/// [`JobStatus`], as the command line spells it.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    Pending,
    Running,
    Completed,
    Failed,
    Cancelled,
}

impl From<Status> for JobStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Running => Self::Running,
            Status::Completed => Self::Completed,
            Status::Failed => Self::Failed,
            Status::Cancelled => Self::Cancelled,
        }
    }
}

impl List {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let filter = JobFilter {
            status: self.status.map(JobStatus::from),
            service: self.service.clone(),
            tenant: self.common.tenant,
            limit: self.limit,
        };
        let jobs = self.common.with_store(|store| async move { Ok(store.jobs(&filter).await?) })?;
        if self.common.json {
            output::json(&jobs)?;
        } else {
            let rows: Vec<_> = jobs.iter().map(row).collect();
            output::table(["ID", "SERVICE.OPERATION", "STATUS", "ATTEMPTS", "CREATED", "ERROR"], &rows)?;
        }
        Ok(exit::check(true))
    }
}

fn row(job: &Job) -> [String; 6] {
    [
        job.id.to_string(),
        shortened(&format!("{}.{}", job.service_name, job.operation), 40),
        status(job).to_owned(),
        format!("{}/{}", job.attempts, job.max_attempts),
        job.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
        shortened(job.error_message.as_deref().unwrap_or_default(), 60),
    ]
}

/// The state of a job; one that failed and has attempts left is told apart from one that will not run again.
pub(super) fn status(job: &Job) -> &'static str {
    match job.status {
        JobStatus::Pending => "pending",
        JobStatus::Running => "running",
        JobStatus::Completed => "completed",
        JobStatus::Failed if job.is_final() => "failed",
        JobStatus::Failed => "failed, to be retried",
        JobStatus::Cancelled => "cancelled",
    }
}
