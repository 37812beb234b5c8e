//! One claimed job: from the registry's word to the record of what became of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stockade_policies::{JobProposal, Operation};

use super::execute::{Ready, execute};
use super::persist::NotRecorded;
use super::table::{Entry, Stop};
use super::{Shared, pause};
use crate::report::{self, Circumstances};
use crate::rules::RulesVersion;
use crate::runner::{ErrorClass, Finished, JobFacts, Refusal, Request, WorkFacts};
use crate::store::{
    AttemptEnd, AttemptId, AttemptStart, Begun, ClaimedJob, Completion, Given, PolicyRef, Retry, Verdict,
    WorkerId,
};

/// A runner keeps the time itself. One that has not come back so long after its job's time is told to, once.
const OVERTIME: Duration = Duration::from_secs(60);

/// Deals with one claimed job, to the end, under the rules that are in force now.
pub(super) async fn make(shared: &Shared, worker: WorkerId, job: ClaimedJob, entry: Entry) {
    let rules = shared.rules.current();
    let claimed = Claimed { shared, worker, job: &job, rules: &rules };
    let done = match claimed.ready() {
        Ok(ready) => claimed.run(&entry, ready).await,
        Err(refusal) => claimed.refuse(refusal).await,
    };
    if let Err(error) = done {
        tracing::error!(job = %job.id, %error, "what became of the job is not on record; its lease will run out");
    }
}

/// A job that this worker has, and what it is dealt with by.
#[derive(Clone, Copy)]
struct Claimed<'a> {
    shared: &'a Shared,
    worker: WorkerId,
    job: &'a ClaimedJob,
    rules: &'a RulesVersion,
}

impl Claimed<'_> {
    /// What the registry and the runner make of the job.
    fn ready(&self) -> Result<Ready, Refusal> {
        let (shared, job) = (self.shared, self.job);
        let operation = self
            .rules
            .registry()
            .operation(&job.service, &job.operation)
            .map_err(|unknown| Refusal::Refused(unknown.to_string()))?;
        let unable = || Refusal::CannotSetUp(format!("there is no `{}` runner", operation.execution_type()));
        let runner = shared.runners.runner(operation.execution_type()).ok_or_else(unable)?;
        let input = readable("input_data", job.input.as_ref())?.unwrap_or(&Value::Null);
        let runner_config = readable("runner_config", job.runner_config.as_ref())?;
        let security_context = readable("security_context", job.security_request.as_ref())?;
        operation.check_input(input).map_err(|errors| Refusal::Refused(errors.to_string()))?;
        let work = runner.validate(&Request {
            operation,
            input,
            proposal: JobProposal {
                runner_config,
                security_context,
                timeout_seconds: job.timeout_seconds.map(|seconds| u64::try_from(seconds).unwrap_or(0)),
            },
            job: JobFacts {
                id: job.id,
                tenant: job.tenant,
                idempotency_key: job.idempotency_key.as_deref(),
                correlation_id: job.correlation_id.as_deref(),
            },
        })?;
        Ok(Ready { work, runner: Arc::clone(runner) })
    }

    /// Puts on record, as one event, that the job may not run.
    async fn refuse(&self, refusal: Refusal) -> Result<(), NotRecorded> {
        let (shared, job) = (self.shared, self.job);
        let (verdict, error) = match refusal {
            Refusal::Refused(error) => (Verdict::Refused, error),
            Refusal::CannotSetUp(error) => (Verdict::SetupFailed, error),
        };
        tracing::warn!(job = %job.id, service = job.service, operation = job.operation, error, "refused");
        let finished = Finished { retry: Retry::Never, ..Finished::failed(verdict, error) };
        let start = AttemptStart {
            registry_sha256: Some(self.rules.registry().sha256()),
            event: json!({"rules": self.rules.facts()}),
            ..AttemptStart::default()
        };
        let end = self.attempt_end(None, finished);
        // Answered with a lost lease where the job was cancelled meanwhile: then there is nothing to refuse.
        shared.persist(|| shared.store.refuse(self.worker, job.id, &start, &end)).await.map(drop)
    }

    async fn run(&self, entry: &Entry, ready: Ready) -> Result<(), NotRecorded> {
        let (shared, job) = (self.shared, self.job);
        let facts = ready.work.facts().clone();
        let start = self.attempt_start(&facts);
        let execution_type = ready.runner.execution_type();
        if job.execution_type != execution_type {
            let correct = || shared.store.correct_execution_type(self.worker, job.id, execution_type);
            shared.persist(correct).await?;
        }
        let begun = shared.persist(|| shared.store.begin(self.worker, job.id, &start)).await;
        let attempt = match begun? {
            Begun::Started(attempt) => attempt,
            Begun::Gone => {
                tracing::info!(job = %job.id, "the job was cancelled or lost before it ran");
                return Ok(());
            }
        };
        tracing::debug!(job = %job.id, attempt = attempt.attempt, service = job.service, "runs");
        let finished = execute(entry, attempt, ready, OVERTIME).await;
        let Some(finished) = self.judged(entry.ended(), finished) else {
            tracing::warn!(job = %job.id, attempt = attempt.attempt, "the job is another worker's by now; its result is dropped");
            return Ok(());
        };
        let verdict = finished.verdict;
        let end = self.attempt_end(Some(&facts), finished);
        let completion = record_end(shared, &attempt, end).await?;
        log_end(job, &attempt, verdict, completion);
        Ok(())
    }

    /// What the end means, in the light of why the job was to stop; `None` if the result is to be dropped.
    fn judged(&self, stop: Option<Stop>, mut finished: Finished) -> Option<Finished> {
        match (stop, finished.verdict) {
            (Some(Stop::LeaseLost), _) => return None,
            (Some(Stop::Shutdown), Verdict::Cancelled) => {
                interrupt(&mut finished, "interrupted: the worker was told to stop");
            }
            (Some(Stop::Fenced), Verdict::Cancelled) => {
                interrupt(
                    &mut finished,
                    "interrupted: the database was out of reach for the length of a lease",
                );
            }
            // Nobody asked for it: what runs jobs is being closed.
            (None, Verdict::Cancelled) => interrupt(&mut finished, "interrupted: the worker stopped"),
            _ => {}
        }
        if let Ok(operation) = self.rules.registry().operation(&self.job.service, &self.job.operation) {
            check_result(operation, &mut finished);
            self.plan_retry(operation, &mut finished);
        }
        Some(finished)
    }

    /// The row says how often at most; so does the registry, which also says how long to wait.
    fn plan_retry(&self, operation: &Operation, finished: &mut Finished) {
        let attempt = u32::try_from(self.job.attempts).unwrap_or(u32::MAX).saturating_add(1);
        if attempt >= operation.max_attempts() {
            finished.retry = Retry::Never;
        }
        if finished.retry == Retry::Default {
            finished.retry = pause::after(operation.backoff(), attempt, self.job.id);
        }
    }

    fn attempt_start(&self, facts: &WorkFacts) -> AttemptStart {
        AttemptStart {
            policy: Some(PolicyRef {
                name: facts.policy.name.to_string(),
                version: facts.policy.version.to_string(),
                sha256: facts.policy.sha256,
            }),
            plan_sha256: facts.plan_sha256,
            registry_sha256: Some(self.rules.registry().sha256()),
            once: !facts.idempotent,
            event: json!({
                "environment": facts.environment, "limits": facts.limits, "host": self.shared.host,
                "rules": self.rules.facts(),
            }),
        }
    }

    fn attempt_end(&self, facts: Option<&WorkFacts>, finished: Finished) -> AttemptEnd {
        let around = Circumstances {
            tenant: self.job.tenant,
            user: self.job.triggered_by.map(|user| user.to_string()),
            host: &self.shared.host,
            rules: Some(self.rules.facts()),
        };
        let context = report::security_context(facts, &finished, &around);
        AttemptEnd {
            verdict: finished.verdict,
            output_data: facts.map(|_| report::output_data(&finished)),
            error: finished.error,
            retry: finished.retry,
            resource_usage: finished.usage,
            exit_code: finished.exit_code,
            signal: finished.signal,
            stdout: finished.stdout,
            stderr: finished.stderr,
            outputs: finished.outputs,
            event: context.clone(),
            security_context: Some(context),
        }
    }
}

/// What may have been done, and must not be done twice, has failed; anything else waits for its turn again.
fn interrupt(finished: &mut Finished, why: &str) {
    if finished.class == Some(ErrorClass::Unknown) && finished.retry == Retry::Never {
        let said = finished.error.take().unwrap_or_default();
        finished.verdict = Verdict::Failed;
        finished.error = Some(format!("{why}; {said}"));
        return;
    }
    finished.verdict = Verdict::Interrupted;
    finished.error = Some(why.to_owned());
}

/// A job has completed only if its result is what the operation promises. One that is not would not be the next time
/// either. What it left stays on record.
fn check_result(operation: &Operation, finished: &mut Finished) {
    if finished.verdict != Verdict::Completed || !operation.promises_output() {
        return;
    }
    let wrong = match report::result(finished) {
        Ok(result) => operation.check_output(&result).err().map(|errors| errors.to_string()),
        Err(why) => Some(why.to_string()),
    };
    if let Some(wrong) = wrong {
        finished.verdict = Verdict::Failed;
        finished.retry = Retry::Never;
        finished.error = Some(format!("the result is not what `output_schema` promises: {wrong}"));
    }
}

/// Records the end. Where the database does not take all that the job came back with, what became of it is recorded all the same:
/// without what can be long of what it was refused and where it connected, or else without anything that it left.
async fn record_end(
    shared: &Shared,
    attempt: &AttemptId,
    end: AttemptEnd,
) -> Result<Completion, NotRecorded> {
    let why = match shared.persist(|| shared.store.complete(attempt, &end)).await {
        Err(NotRecorded::Refused(error)) => error.to_string(),
        recorded => return recorded,
    };
    let (job, number) = (attempt.job, attempt.attempt);
    tracing::error!(%job, attempt = number, error = why, "the database does not take the whole result");
    let context = end.security_context.as_ref().map(report::shortened);
    let event = context.clone().unwrap_or(Value::Null);
    let short = AttemptEnd { security_context: context.clone(), event, ..end };
    match shared.persist(|| shared.store.complete(attempt, &short)).await {
        Err(NotRecorded::Refused(_)) => {}
        recorded => return recorded,
    }
    let bare = AttemptEnd {
        error: Some(format!("the database does not take the result: {why}")),
        retry: Retry::Never,
        security_context: context,
        ..AttemptEnd::new(Verdict::Failed)
    };
    shared.persist(|| shared.store.complete(attempt, &bare)).await
}

/// What a column of the job's row says. What cannot be read refuses that job, and no other.
fn readable<'a>(column: &str, given: Option<&'a Given>) -> Result<Option<&'a Value>, Refusal> {
    let unreadable = |reason| Refusal::Refused(format!("the job's `{column}` cannot be read: {reason}"));
    given.map(Given::value).transpose().map_err(unreadable)
}

fn log_end(job: &ClaimedJob, attempt: &AttemptId, verdict: Verdict, completion: Completion) {
    let (service, operation, number) = (&job.service, &job.operation, attempt.attempt);
    match completion {
        Completion::Recorded(after) => {
            tracing::info!(job = %job.id, attempt = number, service, operation, verdict = verdict.as_str(), ?after, "ended");
        }
        Completion::AlreadyDone => tracing::debug!(job = %job.id, attempt = number, "was on record already"),
        Completion::LeaseLost => {
            tracing::warn!(job = %job.id, attempt = number, "the job is another worker's by now; its result is dropped");
        }
    }
}
