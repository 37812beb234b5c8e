//! Beginning and completing attempts.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use stockade_plan::Digest;
use tokio::sync::oneshot;

use super::{
    AttemptId, Completion, JobId, Output, Retry, Store, StoreError, Stream, Verdict, WorkerId,
    clerk::{CONFLICT_RETRIES, Entry, Reply},
    storable,
};

/// The policy an attempt runs under.
#[derive(Debug, Clone)]
pub struct PolicyRef {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the effective policy.
    pub sha256: Digest,
}

/// What is known when an attempt begins.
#[derive(Debug, Clone, Default)]
pub struct AttemptStart {
    /// The policy it runs under.
    pub policy: Option<PolicyRef>,
    /// The plan it runs by.
    pub plan_sha256: Option<Digest>,
    /// The registry that let it run.
    pub registry_sha256: Option<Digest>,
    /// It must not be made twice: if its worker is lost, its job is a dead letter.
    pub once: bool,
    /// More for the record.
    pub event: Value,
}

/// What is known when an attempt has ended.
#[derive(Debug, Clone)]
pub struct AttemptEnd {
    /// How it ended.
    pub verdict: Verdict,
    /// Why, if it failed.
    pub error: Option<String>,
    /// Whether another attempt makes sense; means nothing for what did not fail.
    pub retry: Retry,
    /// What it came back with.
    pub output_data: Option<Value>,
    /// Measured usage; the views read `duration_seconds`, `cpu_usage_percent`, `memory_mb`, `peak_memory_mb`.
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
    /// What was collected of it.
    pub outputs: Vec<Output>,
    /// More for the record.
    pub event: Value,
}

impl AttemptEnd {
    /// An end of which no more is known than how it came.
    pub fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            error: None,
            retry: Retry::Default,
            output_data: None,
            resource_usage: None,
            security_context: None,
            exit_code: None,
            signal: None,
            stdout: Stream::default(),
            stderr: Stream::default(),
            outputs: Vec::new(),
            event: Value::Null,
        }
    }

    /// Bytes of what it brings, JSON left out.
    pub(super) fn size(&self) -> usize {
        let outputs = self.outputs.iter().filter_map(|output| output.bytes.as_ref()).map(Vec::len);
        self.stdout.bytes.len() + self.stderr.bytes.len() + outputs.sum::<usize>()
    }
}

/// What came of wanting to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is on record: run it.
    Started(AttemptId),
    /// The worker does not hold the job any more (cancelled, or its lease was lost): do not run it.
    Gone,
}

impl Store {
    /// Records that `worker` begins an attempt at a job it has claimed. If this fails, nothing may run. Repeated while
    /// the attempt runs, it answers the same attempt.
    ///
    /// # Errors
    /// If it could not be recorded.
    pub async fn begin(
        &self,
        worker: WorkerId,
        job: JobId,
        start: &AttemptStart,
    ) -> Result<Begun, StoreError> {
        let start = start.clone();
        self.dictate(|reply| Entry::Begin { worker, job, start, reply }).await
    }

    /// Records the end of an attempt: attempt, outputs, job, queue and record in one transaction, or nothing of it.
    /// Repeating it changes nothing.
    ///
    /// # Errors
    /// If it could not be recorded.
    pub async fn complete(&self, attempt: &AttemptId, end: &AttemptEnd) -> Result<Completion, StoreError> {
        let (attempt, end) = (*attempt, end.clone());
        self.dictate(|reply| Entry::Complete { attempt, end, reply }).await
    }

    /// Hands an entry to the clerk and waits until it is written down.
    async fn dictate<T>(&self, entry: impl FnOnce(Reply<T>) -> Entry) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        // Either error means that the clerk is gone, with the runtime it ran on.
        if self.clerk.send(entry(reply)).await.is_err() {
            return Err(StoreError::during("write down the attempt")(sqlx::Error::WorkerCrashed));
        }
        answer
            .await
            .unwrap_or_else(|_| Err(StoreError::during("write down the attempt")(sqlx::Error::WorkerCrashed)))
    }

    /// Records, in one transaction, an attempt at a claimed job that ends before anything has run: no such service,
    /// bad input, refused by policy.
    ///
    /// # Errors
    /// If it could not be recorded.
    pub async fn refuse(
        &self,
        worker: WorkerId,
        job: JobId,
        start: &AttemptStart,
        end: &AttemptEnd,
    ) -> Result<Completion, StoreError> {
        let mut left = CONFLICT_RETRIES;
        loop {
            match self.refuse_once(worker, job, start, end).await {
                Err(e) if e.is_conflict() && left > 0 => left -= 1,
                refused => return refused,
            }
        }
    }

    async fn refuse_once(
        &self,
        worker: WorkerId,
        job: JobId,
        start: &AttemptStart,
        end: &AttemptEnd,
    ) -> Result<Completion, StoreError> {
        let refuse = StoreError::during("refuse the job");
        let mut transaction = self.pool.begin().await.map_err(&refuse)?;
        let Begun::Started(attempt) = begin(&mut transaction, worker, job, start).await? else {
            return Ok(Completion::LeaseLost);
        };
        let completed = complete(&mut transaction, &attempt, end).await?;
        transaction.commit().await.map_err(&refuse)?;
        Ok(completed)
    }
}

pub(super) async fn begin(
    connection: &mut PgConnection,
    worker: WorkerId,
    job: JobId,
    start: &AttemptStart,
) -> Result<Begun, StoreError> {
    let policy = start.policy.as_ref();
    let number: Option<i32> =
        sqlx::query_scalar("SELECT jobs.begin_attempt($1, $2, $3, $4, $5, $6, $7, $8::text::json, $9)")
            .bind(job)
            .bind(worker)
            .bind(policy.map(|policy| storable::text(&policy.name)))
            .bind(policy.map(|policy| storable::text(&policy.version)))
            .bind(policy.map(|policy| policy.sha256.to_string()))
            .bind(start.plan_sha256.map(|digest| digest.to_string()))
            .bind(start.registry_sha256.map(|digest| digest.to_string()))
            .bind(storable::json(&start.event).to_string())
            .bind(start.once)
            .fetch_one(connection)
            .await
            .map_err(StoreError::during("begin the attempt"))?;
    Ok(number.map_or(Begun::Gone, |attempt| Begun::Started(AttemptId { job, attempt, worker })))
}

pub(super) async fn complete(
    connection: &mut PgConnection,
    attempt: &AttemptId,
    end: &AttemptEnd,
) -> Result<Completion, StoreError> {
    let outputs = &end.outputs;
    let (outcome, due): (String, Option<DateTime<Utc>>) = sqlx::query_as(
        "SELECT outcome, due FROM jobs.complete_attempt($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
             $15, $16, $17, $18, $19, $20, $21::text::json)",
    )
    .bind(attempt.job)
    .bind(attempt.attempt)
    .bind(attempt.worker)
    .bind(end.verdict.as_str())
    .bind(end.error.as_deref().map(storable::text))
    .bind(end.retry.is_possible())
    .bind(end.retry.seconds())
    .bind(end.output_data.as_ref().map(storable::json))
    .bind(end.resource_usage.as_ref().map(storable::json))
    .bind(end.security_context.as_ref().map(storable::json))
    .bind(end.exit_code)
    .bind(end.signal)
    .bind(&end.stdout.bytes)
    .bind(end.stdout.truncated)
    .bind(&end.stderr.bytes)
    .bind(end.stderr.truncated)
    .bind(outputs.iter().map(|output| output.path.as_slice()).collect::<Vec<_>>())
    .bind(outputs.iter().map(|output| output.state.as_str()).collect::<Vec<_>>())
    .bind(outputs.iter().map(|output| output.size).collect::<Vec<_>>())
    .bind(outputs.iter().map(|output| output.bytes.as_deref()).collect::<Vec<_>>())
    .bind(storable::json(&end.event).to_string())
    .fetch_one(connection)
    .await
    .map_err(StoreError::during("complete the attempt"))?;
    Completion::from_row(&outcome, due)
}
