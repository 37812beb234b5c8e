//! An execution type of your own: jobs of type `digest` are told the SHA-256 of their `text`.
//!
//! A runner says what it is called and which clauses of a policy it puts in force, agrees to a job or refuses it, and
//! runs it once. `main.rs` puts it to work.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use serde_json::json;
use sha2::{Digest as _, Sha256};
use stockade::runner::{Boxed, Finished, JobRunner, Refusal, Request, RunnerError, Running, Work, WorkFacts};
use stockade::store::{AttemptId, Verdict};
use stockade_policies::{Enforces, Runner};
use tokio::time::timeout;

/// Carries out jobs of type `digest`.
#[derive(Debug, Default)]
pub struct DigestRunner(Running);

/// A job that it has agreed to.
#[derive(Debug)]
struct Digesting {
    facts: WorkFacts,
    text: String,
    running: Running,
}

impl JobRunner for DigestRunner {
    fn execution_type(&self) -> &'static str {
        "digest"
    }

    /// A service whose policy states anything else does not load: nothing here would enforce it. (A digest has 64
    /// letters, which is below every bound on output.)
    fn enforces(&self) -> Enforces {
        &["resource_limits.wall_seconds", "resource_limits.output_kb"]
    }

    fn validate(&self, request: &Request<'_>) -> Result<Box<dyn Work>, Refusal> {
        let Runner::Other(action) = request.operation.runner() else {
            return Err(Refusal::Refused("this is no operation of type `digest`".to_owned()));
        };
        let policy =
            action.tightened(&request.proposal).map_err(|found| Refusal::Refused(found.to_string()))?;
        let text = request.input.get("text").and_then(|text| text.as_str());
        let text = text.ok_or_else(|| Refusal::Refused("`text` is missing in the input".to_owned()))?;
        let facts = WorkFacts::of(&policy);
        Ok(Box::new(Digesting { facts, text: text.to_owned(), running: self.0.clone() }))
    }

    fn cancel(&self, attempt: &AttemptId) {
        self.0.cancel(attempt);
    }

    /// It leaves nothing behind that a later worker would have to deal with.
    fn recover(&self) -> Boxed<'_, Result<(), RunnerError>> {
        Box::pin(async { Ok(()) })
    }
}

impl Work for Digesting {
    fn facts(&self) -> &WorkFacts {
        &self.facts
    }

    fn execute(self: Box<Self>, attempt: AttemptId) -> Boxed<'static, Finished> {
        let place = self.running.enter(attempt);
        let limit = Duration::from_secs(self.facts.limits.wall_seconds);
        Box::pin(async move {
            let (cancelled, began) = (place.token(), Instant::now());
            // What blocks must not hold up other jobs.
            let work = tokio::task::spawn_blocking(move || Sha256::digest(self.text));
            tokio::select! {
                () = cancelled.cancelled() => Finished::failed(Verdict::Cancelled, "cancelled while it ran"),
                done = timeout(limit, work) => match done {
                    Ok(Ok(digest)) => {
                        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                        Finished {
                            result: Some(json!({"sha256": hex})),
                            usage: Some(json!({"duration_seconds": began.elapsed().as_secs_f64()})),
                            ..Finished::new(Verdict::Completed)
                        }
                    }
                    Ok(Err(error)) => Finished::failed(Verdict::Failed, format!("digesting: {error}")),
                    Err(_) => Finished::failed(Verdict::TimedOut, "digesting took longer than its time"),
                },
            }
        })
    }
}
