//! A runner whose jobs wait for as long as their input says, leave what it says, are refused as often as it says, and can be cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stockade::runner::{Boxed, Finished, JobRunner, Refusal, Request, RunnerError, Running, Work, WorkFacts};
use stockade::store::{AttemptId, Output, Stream, Verdict};
use stockade_policies::{Enforces, Environment, Library};

/// How often it has been asked to run something, and how many jobs ran at once at most.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) executed: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
    pub(crate) most: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
pub(crate) struct StepsRunner {
    running: Running,
    pub(crate) counts: Counts,
}

#[derive(Debug)]
struct Steps {
    facts: WorkFacts,
    time: Duration,
    fails: bool,
    result: Option<String>,
    denials: u64,
    running: Running,
    counts: Counts,
}

impl JobRunner for StepsRunner {
    fn execution_type(&self) -> &'static str {
        "steps"
    }

    fn enforces(&self) -> Enforces {
        &["resource_limits.wall_seconds", "resource_limits.output_kb"]
    }

    fn validate(&self, request: &Request<'_>) -> Result<Box<dyn Work>, Refusal> {
        let milliseconds = request.input["milliseconds"].as_u64();
        let milliseconds =
            milliseconds.ok_or_else(|| Refusal::Refused("`milliseconds` is missing".to_owned()))?;
        let policy = Library::shipped().unwrap().effective("script-strict", Environment::Production).unwrap();
        let facts = WorkFacts::of(&policy);
        let time = Duration::from_millis(milliseconds);
        Ok(Box::new(Steps {
            facts,
            time,
            fails: request.input["fails"].as_bool().unwrap_or(false),
            denials: request.input["denials"].as_u64().unwrap_or(0),
            result: request.input["result"].as_str().map(str::to_owned),
            running: self.running.clone(),
            counts: self.counts.clone(),
        }))
    }

    fn cancel(&self, attempt: &AttemptId) {
        self.running.cancel(attempt);
    }

    fn recover(&self) -> Boxed<'_, Result<(), RunnerError>> {
        Box::pin(async { Ok(()) })
    }
}

impl Work for Steps {
    fn facts(&self) -> &WorkFacts {
        &self.facts
    }

    fn execute(self: Box<Self>, attempt: AttemptId) -> Boxed<'static, Finished> {
        let place = self.running.enter(attempt);
        Box::pin(async move {
            self.counts.executed.fetch_add(1, Ordering::SeqCst);
            let now = self.counts.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.counts.most.fetch_max(now, Ordering::SeqCst);
            let verdict = tokio::select! {
                () = tokio::time::sleep(self.time) => if self.fails { Verdict::Failed } else { Verdict::Completed },
                () = place.token().cancelled_owned() => Verdict::Cancelled,
            };
            self.counts.running.fetch_sub(1, Ordering::SeqCst);
            let stdout = Stream { bytes: b"stepped\0".to_vec(), truncated: false };
            let outputs = self.result.into_iter().map(|text| Output {
                path: b"result.json".to_vec(),
                state: "file".to_owned(),
                size: i64::try_from(text.len()).unwrap(),
                bytes: Some(text.into_bytes()),
            });
            let denials = (0..self.denials).map(|number| format!("refused {number}")).collect();
            Finished { stdout, outputs: outputs.collect(), denials, ..Finished::new(verdict) }
        })
    }
}
