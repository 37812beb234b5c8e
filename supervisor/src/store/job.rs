//! Handing in jobs, and reading what became of them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;
use tokio::time::Instant;
use uuid::Uuid;

use super::{JobId, Store, StoreError, WorkerId, storable};

/// A job to hand in. It proposes: what it may do, the registry on the worker's disk decides.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// The service it calls.
    pub service: String,
    /// The operation of it.
    pub operation: String,
    /// `http`, `shell`, …
    pub execution_type: String,
    /// What the operation is given.
    pub input: Value,
    /// Unique among all jobs; made up if there is none.
    pub identifier: Option<String>,
    /// What the service may know a repeated call by.
    pub idempotency_key: Option<String>,
    /// The tenant it belongs to.
    pub tenant: Option<Uuid>,
    /// The user who caused it.
    pub triggered_by: Option<Uuid>,
    /// Ties it to other work.
    pub correlation_id: Option<String>,
    /// The kind of entity it is about.
    pub entity_type: Option<String>,
    /// The key of that entity.
    pub entity_pk: Option<String>,
    /// How often it is tried at most; 3 if not said.
    pub max_attempts: Option<i32>,
    /// Seconds an attempt may take; the registry's if not said, and never more than that.
    pub timeout_seconds: Option<i32>,
    /// Settings of the runner; can only tighten.
    pub runner_config: Option<Value>,
    /// Limits; can only tighten.
    pub security_context: Option<Value>,
}

impl NewJob {
    /// A job that says no more than it must.
    pub fn new(service: &str, operation: &str, execution_type: &str, input: Value) -> Self {
        Self {
            service: service.to_owned(),
            operation: operation.to_owned(),
            execution_type: execution_type.to_owned(),
            input,
            identifier: None,
            idempotency_key: None,
            tenant: None,
            triggered_by: None,
            correlation_id: None,
            entity_type: None,
            entity_pk: None,
            max_attempts: None,
            timeout_seconds: None,
            runner_config: None,
            security_context: None,
        }
    }
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum JobStatus {
    /// It waits for a worker.
    Pending,
    /// An attempt runs.
    Running,
    /// It did what it was to do.
    Completed,
    /// The latest attempt failed; with attempts left, it waits for the next one.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// A job as it stands.
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its unique name.
    pub identifier: String,
    /// What the service may know a repeated call by.
    pub idempotency_key: Option<String>,
    /// The service it calls.
    pub service_name: String,
    /// The operation of it.
    pub operation: String,
    /// The execution type the row names.
    pub execution_type: String,
    /// Settings of the runner it proposed.
    pub runner_config: Option<Value>,
    /// Measured usage of the latest attempt.
    pub resource_usage: Option<Value>,
    /// What it proposed, and once an attempt has ended what that ran under.
    pub security_context: Option<Value>,
    /// What the operation is given.
    pub input_data: Option<Value>,
    /// What the latest attempt came back with.
    pub output_data: Option<Value>,
    /// Why the latest attempt failed.
    pub error_message: Option<String>,
    /// Where it is in its life.
    pub status: JobStatus,
    /// Attempts used up.
    pub attempts: i32,
    /// Attempts it has.
    pub max_attempts: i32,
    /// Seconds an attempt may take.
    pub timeout_seconds: Option<i32>,
    /// The tenant it belongs to.
    pub tenant_id: Option<Uuid>,
    /// The user who caused it.
    pub triggered_by: Option<Uuid>,
    /// Ties it to other work.
    pub correlation_id: Option<String>,
    /// The kind of entity it is about.
    pub entity_type: Option<String>,
    /// The key of that entity.
    pub entity_pk: Option<String>,
    /// When it was handed in.
    pub created_at: DateTime<Utc>,
    /// When the latest attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When the latest attempt ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

impl Job {
    /// Whether nothing more will happen to it by itself. A failed job with attempts left waits for its next one.
    pub fn is_final(&self) -> bool {
        match self.status {
            JobStatus::Pending | JobStatus::Running => false,
            JobStatus::Completed | JobStatus::Cancelled => true,
            JobStatus::Failed => self.attempts >= self.max_attempts,
        }
    }
}

/// Which jobs to list; what is `None` does not narrow.
#[derive(Debug, Clone)]
pub struct JobFilter {
    /// Only in this state.
    pub status: Option<JobStatus>,
    /// Only of this service.
    pub service: Option<String>,
    /// Only of this tenant.
    pub tenant: Option<Uuid>,
    /// At most this many, the newest.
    pub limit: i64,
}

/// One of a job's output streams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stream {
    /// What was kept of it, byte for byte.
    pub bytes: Vec<u8>,
    /// Whether there was more.
    pub truncated: bool,
}

/// An output a job declared, and what was found at that name.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Output {
    /// The name beneath `/job`.
    pub path: Vec<u8>,
    /// `file`, or what it was instead (`missing`, `symlink`, `too_large`, …).
    pub state: String,
    /// Its size in bytes.
    pub size: i64,
    /// Its content, if it was a file.
    pub bytes: Option<Vec<u8>>,
}

/// An attempt as it stands.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Counted from 1.
    pub attempt: i32,
    /// The worker that made it.
    pub worker: WorkerId,
    /// `running`, `lost`, or the word of its [`Verdict`](super::Verdict).
    pub status: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it failed.
    pub error: Option<String>,
    /// Name, version and SHA-256 of the policy it ran under.
    pub policy: (Option<String>, Option<String>, Option<String>),
    /// SHA-256 of the plan it ran by.
    pub plan_sha256: Option<String>,
    /// SHA-256 of the registry that let it run.
    pub registry_sha256: Option<String>,
    /// Measured usage.
    pub resource_usage: Option<Value>,
    /// What was in force.
    pub security_context: Option<Value>,
    /// Its exit code, if it exited.
    pub exit_code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Its standard output.
    pub stdout: Stream,
    /// Its standard error.
    pub stderr: Stream,
}

impl FromRow<'_, sqlx::postgres::PgRow> for Attempt {
    fn from_row(row: &sqlx::postgres::PgRow) -> Result<Self, sqlx::Error> {
        use sqlx::Row as _;
        let stream = |bytes: &str, truncated: &str| -> Result<Stream, sqlx::Error> {
            Ok(Stream {
                bytes: row.try_get::<Option<_>, _>(bytes)?.unwrap_or_default(),
                truncated: row.try_get(truncated)?,
            })
        };
        Ok(Self {
            attempt: row.try_get("attempt")?,
            worker: row.try_get("worker_id")?,
            status: row.try_get("status")?,
            started_at: row.try_get("started_at")?,
            ended_at: row.try_get("ended_at")?,
            error: row.try_get("error")?,
            policy: (
                row.try_get("policy_name")?,
                row.try_get("policy_version")?,
                row.try_get("policy_sha256")?,
            ),
            plan_sha256: row.try_get("plan_sha256")?,
            registry_sha256: row.try_get("registry_sha256")?,
            resource_usage: row.try_get("resource_usage")?,
            security_context: row.try_get("security_context")?,
            exit_code: row.try_get("exit_code")?,
            signal: row.try_get("signal")?,
            stdout: stream("stdout", "stdout_truncated")?,
            stderr: stream("stderr", "stderr_truncated")?,
        })
    }
}

impl Store {
    /// Hands in a job.
    ///
    /// # Errors
    /// [`StoreError::is_duplicate`] if its identifier is taken, [`StoreError::NulInJob`] if its JSON cannot be kept,
    /// and what the database says of a job that breaks its rules or of a tenant that is not the submitter's.
    pub async fn submit(&self, job: &NewJob) -> Result<JobId, StoreError> {
        let made_up = || format!("{}.{}:{}", job.service, job.operation, Uuid::new_v4());
        let columns = [
            ("input_data", Some(&job.input)),
            ("runner_config", job.runner_config.as_ref()),
            ("security_context", job.security_context.as_ref()),
        ];
        for (column, value) in columns {
            if value.is_some_and(storable::has_nul) {
                return Err(StoreError::NulInJob { column });
            }
        }
        sqlx::query_scalar(
            "INSERT INTO jobs.tb_job_run (identifier, idempotency_key, service_name, operation, input_data, tenant_id,
                 triggered_by, correlation_id, entity_type, entity_pk, max_attempts, timeout_seconds, execution_type,
                 runner_config, security_context)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING id",
        )
        .bind(job.identifier.clone().unwrap_or_else(made_up))
        .bind(&job.idempotency_key)
        .bind(&job.service)
        .bind(&job.operation)
        .bind(&job.input)
        .bind(job.tenant)
        .bind(job.triggered_by)
        .bind(&job.correlation_id)
        .bind(&job.entity_type)
        .bind(&job.entity_pk)
        .bind(job.max_attempts)
        .bind(job.timeout_seconds)
        .bind(&job.execution_type)
        .bind(&job.runner_config)
        .bind(&job.security_context)
        .fetch_one(&self.pool)
        .await
        .map_err(StoreError::during("hand in the job"))
    }

    /// One job, if there is one of that id that the caller may see.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        sqlx::query_as("SELECT * FROM jobs.tb_job_run WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(StoreError::during("read the job"))
    }

    /// The jobs that fit, the newest first.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>, StoreError> {
        sqlx::query_as(
            "SELECT * FROM jobs.tb_job_run
              WHERE ($1 IS NULL OR status = $1) AND ($2 IS NULL OR service_name = $2)
                AND ($3 IS NULL OR tenant_id = $3)
              ORDER BY created_at DESC, id LIMIT $4",
        )
        .bind(filter.status)
        .bind(&filter.service)
        .bind(filter.tenant)
        .bind(filter.limit)
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::during("list the jobs"))
    }

    /// The job once it is final, or as it stands when `patience` is over; `None` if there is none of that id.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn wait(&self, id: JobId, patience: Duration) -> Result<Option<Job>, StoreError> {
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_millis(2);
        loop {
            let job = self.job(id).await?;
            if job.as_ref().is_none_or(Job::is_final) || Instant::now() >= deadline {
                return Ok(job);
            }
            tokio::time::sleep_until(deadline.min(Instant::now() + pause)).await;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }

    /// The attempts at a job, the first one first.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn attempts(&self, id: JobId) -> Result<Vec<Attempt>, StoreError> {
        sqlx::query_as("SELECT * FROM jobs.tb_job_attempt WHERE job_id = $1 ORDER BY attempt")
            .bind(id)
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::during("read the attempts"))
    }

    /// The outputs of one attempt, by name.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn outputs(&self, id: JobId, attempt: i32) -> Result<Vec<Output>, StoreError> {
        sqlx::query_as(
            "SELECT path, state, size, bytes FROM jobs.tb_job_output WHERE job_id = $1 AND attempt = $2 ORDER BY path",
        )
        .bind(id)
        .bind(attempt)
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::during("read the outputs"))
    }
}
