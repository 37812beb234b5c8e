//! Handing in jobs.

use serde_json::Value;
use uuid::Uuid;

use super::{JobId, Store, StoreError, storable};

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

impl Store {
    /// Whether a job of that service and operation was ever handed in, as far as the caller may see.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn has_had(&self, service: &str, operation: &str) -> Result<bool, StoreError> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM jobs.tb_job_run WHERE service_name = $1 AND operation = $2)",
        )
        .bind(service)
        .bind(operation)
        .fetch_one(&self.pool)
        .await
        .map_err(StoreError::during("look for jobs of the operation"))
    }

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
}
