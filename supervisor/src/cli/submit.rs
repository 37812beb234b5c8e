//! `stockade submit`

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, value_parser};
use serde_json::{Value, json};
use uuid::Uuid;

use super::connect::ConnectOptions;
use super::options::PolicyOptions;
use super::policy::registry;
use super::{CliError, exit, jobs, runtime};
use crate::output;
use crate::rules::library;
use crate::store::{Access, Job, JobId, JobStatus, NewJob};

/// How long `--wait` waits in one go before it looks whether its own time is over.
const PATIENCE: Duration = Duration::from_secs(3600);

/// No more is read from standard input, bytes; more than any operation takes.
const INPUT_MAX: u64 = 64 << 20;

/// What a row says if nobody knows better.
const DEFAULT_TYPE: &str = "shell";

/// Hand in a job
///
/// The job proposes; the service registry on the worker's disk decides what it may do. With `--wait`, exits with 0 if
/// the job is completed, 1 if it failed or was cancelled, 124 if it was not over in time.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  stockade submit data_processor run_script --input '{\"script\": \"print(6*7)\"}' --wait"
)]
pub(super) struct Submit {
    /// Service to call
    service: String,
    /// Operation of the service
    operation: String,
    /// What the operation is given; `-` reads it from standard input
    #[arg(long, value_name = "JSON", default_value = "{}")]
    input: String,
    /// Execution type to put into the job's row: a worker takes the types that it has runners for. How it is run, the
    /// registry decides [default: that of the operation in the registry of `--services`, else shell]
    #[arg(long, value_name = "TYPE")]
    execution_type: Option<String>,
    /// Name that no other job may have: a repeated submission fails instead of running twice
    #[arg(long, value_name = "TEXT")]
    identifier: Option<String>,
    /// Tenant whom the job belongs to
    #[arg(long, value_name = "UUID")]
    tenant: Option<Uuid>,
    /// User who caused it
    #[arg(long, value_name = "UUID")]
    triggered_by: Option<Uuid>,
    /// How often it is tried at most [default: 3]
    #[arg(long, value_name = "N", value_parser = value_parser!(i32).range(1..=100))]
    max_attempts: Option<i32>,
    /// Seconds that an attempt may take, if that is less than the registry allows
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(i32).range(1..))]
    timeout: Option<i32>,
    /// Wait until it is over, and show what became of it
    #[arg(long)]
    wait: bool,
    /// Seconds to wait at most [default: as long as it takes]
    #[arg(long, value_name = "SECONDS", requires = "wait")]
    wait_seconds: Option<u64>,
    /// Print the job as JSON
    #[arg(long)]
    json: bool,
    /// Registry to look the operation up in first. What it does not name, or input that it does not take, is not handed
    /// in. Without it nothing is looked up here: the worker that claims the job does
    #[arg(long, value_name = "FILE", help_heading = "Policies")]
    services: Option<PathBuf>,
    #[command(flatten)]
    policies: PolicyOptions,
    #[command(flatten)]
    connect: ConnectOptions,
}

/// The input itself, or standard input where it is `-`.
fn parsed(input: &str) -> Result<Value, CliError> {
    let mut text = String::new();
    let text = match input {
        "-" => {
            std::io::stdin().take(INPUT_MAX).read_to_string(&mut text).map_err(|error| {
                CliError::Other(format!("cannot read the input from standard input: {error}"))
            })?;
            &text
        }
        input => input,
    };
    serde_json::from_str(text).map_err(|error| CliError::Other(format!("the input is not JSON: {error}")))
}

impl Submit {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let database = self.connect.unprivileged()?;
        let job = self.looked_up(self.job()?)?;
        runtime::single(async {
            let access = Access::Submitter { tenant: self.tenant };
            let store = self.connect.connect(&database, access).await?;
            let is_first = self.services.is_none() && !store.has_had(&job.service, &job.operation).await?;
            let id = store.submit(&job).await?;
            if is_first {
                output::complain(&first_of_its_kind(&job, id));
            }
            if !self.wait {
                match self.json {
                    true => output::json(&json!({"id": id}))?,
                    false => output::line(&id.to_string())?,
                }
                return Ok(exit::check(true));
            }
            let patience = self.wait_seconds.map_or(PATIENCE, Duration::from_secs);
            let job = loop {
                let job = store.wait(id, patience).await?;
                if self.wait_seconds.is_some() || job.as_ref().is_none_or(Job::is_final) {
                    break job;
                }
            };
            let job = job.ok_or_else(|| CliError::Other(format!("job `{id}` is gone")))?;
            jobs::show::print(&store, &job, self.json).await?;
            Ok(code(&job))
        })
    }

    /// The job, if the registry that is named has its operation and takes its input. Its row then names the operation's
    /// execution type, unless the command line names one: a worker takes only those that it has runners for.
    fn looked_up(&self, job: NewJob) -> Result<NewJob, CliError> {
        let Some(services) = &self.services else { return Ok(job) };
        let library = library(self.policies.directory().as_deref())?;
        let registry = registry(services, &library, self.policies.environment)?;
        let not_handed_in =
            |why: String| CliError::Other(format!("not handed in: in `{}`, {why}", services.display()));
        let operation = registry
            .operation(&job.service, &job.operation)
            .map_err(|unknown| not_handed_in(unknown.to_string()))?;
        operation.check_input(&job.input).map_err(|errors| not_handed_in(errors.to_string()))?;
        let execution_type =
            self.execution_type.clone().unwrap_or_else(|| operation.execution_type().to_string());
        Ok(NewJob { execution_type, ..job })
    }

    fn job(&self) -> Result<NewJob, CliError> {
        let input = parsed(&self.input)?;
        let execution_type = self.execution_type.as_deref().unwrap_or(DEFAULT_TYPE);
        Ok(NewJob {
            identifier: self.identifier.clone(),
            tenant: self.tenant,
            triggered_by: self.triggered_by,
            max_attempts: self.max_attempts,
            timeout_seconds: self.timeout,
            ..NewJob::new(&self.service, &self.operation, execution_type, input)
        })
    }
}

/// Nobody here knows what the workers' registries have; what was never asked for before may be a slip of the pen.
fn first_of_its_kind(job: &NewJob, id: JobId) -> String {
    let NewJob { service, operation, .. } = job;
    format!(
        "note: this is the first job of `{service}.{operation}` that can be seen from here. A worker whose registry does not have it \
         refuses it; `stockade jobs show {id}` tells. To have it looked up before it is handed in, name the registry with `--services`"
    )
}

fn code(job: &Job) -> ExitCode {
    match job.status {
        _ if !job.is_final() => ExitCode::from(exit::TIMED_OUT),
        status => exit::check(status == JobStatus::Completed),
    }
}
