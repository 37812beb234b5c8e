//! What the attempts at a job left behind.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, Row as _, postgres::PgRow};

use super::{JobId, Store, StoreError, WorkerId};

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

impl FromRow<'_, PgRow> for Attempt {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
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

    /// The outputs of one attempt, in the order they were handed over.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn outputs(&self, id: JobId, attempt: i32) -> Result<Vec<Output>, StoreError> {
        sqlx::query_as(
            "SELECT path, state, size, bytes FROM jobs.tb_job_output WHERE job_id = $1 AND attempt = $2 ORDER BY number",
        )
        .bind(id)
        .bind(attempt)
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::during("read the outputs"))
    }
}
