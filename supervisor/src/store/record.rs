//! The record: events that are not part of an attempt's life, and the check of the chain.

use serde_json::Value;
use uuid::Uuid;

use super::{JobId, Store, StoreError, WorkerId, storable};

/// An entry for the record.
#[derive(Debug, Clone)]
pub struct Event {
    /// What happened: lower-case words and dots, `worker.started`.
    pub kind: String,
    /// The worker it happened to.
    pub worker: Option<WorkerId>,
    /// The job it is about.
    pub job: Option<JobId>,
    /// The attempt it is about.
    pub attempt: Option<i32>,
    /// The tenant it is about.
    pub tenant: Option<Uuid>,
    /// The rest.
    pub body: Value,
}

/// The first place where the record's chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct BrokenAt {
    /// The event.
    pub seq: i64,
    /// What is wrong with it.
    pub reason: String,
}

impl Store {
    /// Appends an event to the record.
    ///
    /// # Errors
    /// If it could not be appended.
    pub async fn record(&self, event: &Event) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO audit.tb_event (kind, worker_id, job_id, attempt, tenant_id, body)
             VALUES ($1, $2, $3, $4, $5, $6::text::json)",
        )
        .bind(&event.kind)
        .bind(event.worker)
        .bind(event.job)
        .bind(event.attempt)
        .bind(event.tenant)
        .bind(storable::json(&event.body).to_string())
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(StoreError::during("append to the record"))
    }

    /// The first place where the chain does not hold, or `None` if all of it does.
    ///
    /// # Errors
    /// If the caller may not read the record (it takes [`Access::Auditor`](super::Access::Auditor)), or the database
    /// cannot be asked.
    pub async fn verify_chain(&self) -> Result<Option<BrokenAt>, StoreError> {
        sqlx::query_as("SELECT seq, reason FROM audit.verify()")
            .fetch_optional(&self.pool)
            .await
            .map_err(StoreError::during("verify the record"))
    }
}
