//! Workers: who they are, what they hold, and what becomes of it when they are gone.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use super::{Given, JobId, Store, StoreError, WorkerId};

/// A worker that wants to take jobs.
#[derive(Debug, Clone)]
pub struct NewWorker {
    /// The same for every incarnation of one supervisor on one state directory, and of no other: registering it again
    /// declares the earlier incarnation dead.
    pub name: String,
    /// The host it runs on.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// The version of this program.
    pub version: String,
    /// How long a job stays its own without a heartbeat.
    pub lease: Duration,
    /// The execution types that it takes jobs of.
    pub execution_types: Vec<String>,
}

/// A job that a worker may begin.
#[derive(Debug, Clone, FromRow)]
pub struct ClaimedJob {
    /// Its id.
    pub id: JobId,
    /// Its unique name.
    pub identifier: String,
    /// The service it calls.
    #[sqlx(rename = "service_name")]
    pub service: String,
    /// The operation of it.
    pub operation: String,
    /// The execution type the row names; the registry decides.
    pub execution_type: String,
    /// What the operation is given; null if the row has none.
    #[sqlx(rename = "input_data", default)]
    pub input: Option<Given>,
    /// Settings of the runner it proposes.
    pub runner_config: Option<Given>,
    /// The limits it proposes: `security_context` as it was handed in.
    pub security_request: Option<Given>,
    /// The tenant it belongs to.
    #[sqlx(rename = "tenant_id")]
    pub tenant: Option<Uuid>,
    /// The user who caused it.
    pub triggered_by: Option<Uuid>,
    /// What the service may know a repeated call by.
    pub idempotency_key: Option<String>,
    /// Ties it to other work.
    pub correlation_id: Option<String>,
    /// The kind of entity it is about.
    pub entity_type: Option<String>,
    /// The key of that entity.
    pub entity_pk: Option<String>,
    /// Attempts used up already.
    pub attempts: i32,
    /// Attempts it has.
    pub max_attempts: i32,
    /// Seconds an attempt may take, if it says so.
    pub timeout_seconds: Option<i32>,
    /// When it was handed in.
    pub created_at: DateTime<Utc>,
}

/// A job that a worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Held {
    /// The job.
    #[sqlx(rename = "job_id")]
    pub job: JobId,
    /// The attempt that has begun, if one has.
    pub attempt: Option<i32>,
    /// Whether somebody wants it cancelled.
    #[sqlx(rename = "cancel_requested")]
    pub cancel: bool,
}

/// What a worker learns when it says that it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Whether it still counts as alive; if not, it has lost all it held and must register anew.
    pub known: bool,
    /// What it holds. A job it runs that is not here is not its own any more.
    pub held: Vec<Held>,
}

/// A job that was taken from a worker that is gone.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Lost {
    /// The job.
    #[sqlx(rename = "job_id")]
    pub job: JobId,
    /// The attempt that ran, if one had begun.
    pub attempt: Option<i32>,
    /// The worker that had it.
    #[sqlx(rename = "worker_id")]
    pub worker: WorkerId,
    /// What became of the job: `released` (nothing had begun), `retry`, `dead` or `cancelled`.
    pub outcome: String,
}

impl Store {
    /// Makes a worker known, and the execution types that it takes, so that jobs can name them. What an earlier worker of the same name held is dealt with at once: an attempt that ran
    /// is lost, and its job waits again if it has attempts left.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn register_worker(&self, worker: &NewWorker) -> Result<WorkerId, StoreError> {
        sqlx::query_scalar("SELECT jobs.register_worker($1, $2, $3, $4, $5, $6)")
            .bind(&worker.name)
            .bind(&worker.host)
            .bind(i32::try_from(worker.pid).unwrap_or(i32::MAX))
            .bind(&worker.version)
            .bind(worker.lease.as_secs_f64())
            .bind(&worker.execution_types)
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::during("register the worker"))
    }

    /// Makes execution types known, so that jobs can name them.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn register_execution_types(&self, names: &[&str]) -> Result<(), StoreError> {
        sqlx::query("SELECT jobs.register_execution_types($1)")
            .bind(names)
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(StoreError::during("register the execution types"))
    }

    /// The execution types that a living worker takes.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn taken_execution_types(&self) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar("SELECT jobs.taken_execution_types()")
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::during("ask what workers take"))
    }

    /// Says which execution type a job has that the worker holds, where its row says another.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn correct_execution_type(
        &self,
        worker: WorkerId,
        job: JobId,
        execution_type: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("SELECT jobs.correct_execution_type($1, $2, $3)")
            .bind(job)
            .bind(worker)
            .bind(execution_type)
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(StoreError::during("correct the execution type"))
    }

    /// Says that the worker lives: every lease it holds is extended.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn heartbeat(&self, worker: WorkerId) -> Result<Heartbeat, StoreError> {
        let rows: Vec<(Option<JobId>, Option<i32>, Option<bool>)> =
            sqlx::query_as("SELECT job_id, attempt, cancel_requested FROM jobs.heartbeat($1)")
                .bind(worker)
                .fetch_all(&self.pool)
                .await
                .map_err(StoreError::during("send a heartbeat"))?;
        let known = !rows.is_empty();
        let held = rows.into_iter().filter_map(|(job, attempt, cancel)| {
            job.map(|job| Held { job, attempt, cancel: cancel.unwrap_or_default() })
        });
        Ok(Heartbeat { known, held: held.collect() })
    }

    /// Claims up to `limit` jobs that are due, of the given execution types or of any. No two workers are given the
    /// same job. A worker that is not registered is given none.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn claim(
        &self,
        worker: WorkerId,
        types: Option<&[&str]>,
        limit: u32,
    ) -> Result<Vec<ClaimedJob>, StoreError> {
        sqlx::query_as("SELECT * FROM jobs.claim($1, $2, $3)")
            .bind(worker)
            .bind(types)
            .bind(i32::try_from(limit).unwrap_or(i32::MAX))
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::during("claim jobs"))
    }

    /// Gives back a job that was claimed and not begun. False if the worker did not hold it.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn release(&self, worker: WorkerId, job: JobId) -> Result<bool, StoreError> {
        sqlx::query_scalar("SELECT jobs.release($1, $2)")
            .bind(worker)
            .bind(job)
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::during("give back the job"))
    }

    /// Takes the jobs of workers whose leases have run out: what had begun is lost and retried if attempts are left,
    /// what had not is simply free again. Any worker may call this at any time.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn requeue_lost(&self) -> Result<Vec<Lost>, StoreError> {
        sqlx::query_as("SELECT job_id, attempt, worker_id, outcome FROM jobs.requeue_lost()")
            .fetch_all(&self.pool)
            .await
            .map_err(StoreError::during("take back lost jobs"))
    }

    /// Says that the worker goes. What it had claimed is free again at once; what it still runs counts as lost.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn shutdown_worker(&self, worker: WorkerId) -> Result<(), StoreError> {
        sqlx::query("SELECT jobs.stop_worker($1)")
            .bind(worker)
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(StoreError::during("sign the worker off"))
    }
}
