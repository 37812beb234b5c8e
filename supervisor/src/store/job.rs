//! Jobs as they stand.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Given, JobId, Store, StoreError};

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
    pub runner_config: Option<Given>,
    /// Measured usage of the latest attempt.
    pub resource_usage: Option<Given>,
    /// What it proposed, and once an attempt has ended what that ran under.
    pub security_context: Option<Given>,
    /// What the operation is given.
    pub input_data: Option<Given>,
    /// What the latest attempt came back with.
    pub output_data: Option<Given>,
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

impl Store {
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
}
