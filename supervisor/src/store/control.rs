//! Cancelling jobs, and giving them another try.

use super::{JobId, JobStatus, Store, StoreError};

/// What came of wanting a job cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// It had not begun, and is cancelled.
    Cancelled,
    /// It runs; its worker has been told to kill it.
    Requested,
    /// It had ended before.
    AlreadyEnded(JobStatus),
    /// There is no such job.
    Unknown,
}

impl Store {
    /// Cancels a job; `by` goes into the record.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn cancel(&self, job: JobId, by: &str) -> Result<Cancel, StoreError> {
        let answer: Option<String> = sqlx::query_scalar("SELECT jobs.cancel_job($1, $2)")
            .bind(job)
            .bind(by)
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::during("cancel the job"))?;
        Ok(match answer.as_deref() {
            None => Cancel::Unknown,
            Some("now") => Cancel::Cancelled,
            Some("requested") => Cancel::Requested,
            Some("completed") => Cancel::AlreadyEnded(JobStatus::Completed),
            Some("failed") => Cancel::AlreadyEnded(JobStatus::Failed),
            Some("cancelled") => Cancel::AlreadyEnded(JobStatus::Cancelled),
            Some(other) => return Err(StoreError::Unknown { what: "state", value: other.to_owned() }),
        })
    }

    /// Gives a job that failed or was cancelled one more attempt, now; `by` goes into the record. False if it is in
    /// another state.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn retry(&self, job: JobId, by: &str) -> Result<bool, StoreError> {
        sqlx::query_scalar("SELECT jobs.retry_job($1, $2)")
            .bind(job)
            .bind(by)
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::during("retry the job"))
    }
}
