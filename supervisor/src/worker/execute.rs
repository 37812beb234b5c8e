//! The runner's part of an attempt.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::table::Entry;
use crate::runner::{ErrorClass, Finished, JobRunner, Work};
use crate::store::{AttemptId, Verdict};

/// A job that may be begun.
pub(super) struct Ready {
    pub(super) work: Box<dyn Work>,
    pub(super) runner: Arc<dyn JobRunner>,
}

/// Has the runner run it. A job that was stopped before does not start; one that has not come back `overtime` after its time
/// is told to, and given up when that has passed again.
pub(super) async fn execute(entry: &Entry, attempt: AttemptId, ready: Ready, overtime: Duration) -> Finished {
    let Ready { work, runner } = ready;
    let patience = Duration::from_secs(work.resource_requirements().wall_seconds) + overtime;
    let idempotent = work.facts().idempotent;
    if entry.stop().is_some() {
        return Finished::failed(Verdict::Cancelled, "stopped before it ran");
    }
    let mut running = work.execute(attempt);
    if entry.executes(attempt, Arc::clone(&runner)).is_some() {
        return Finished::failed(Verdict::Cancelled, "stopped before it ran");
    }
    if let Ok(finished) = timeout(patience, &mut running).await {
        return finished;
    }
    runner.cancel(&attempt);
    match timeout(overtime, running).await {
        Ok(finished) => finished,
        // What it has done by now nobody can say.
        Err(_) => Finished {
            class: Some(ErrorClass::Unknown),
            retry: ErrorClass::Unknown.retry(idempotent, None),
            ..Finished::failed(
                Verdict::Failed,
                "the runner has not come back from a job that it was told to end: see the worker's log, and look at the other end for what it has done",
            )
        },
    }
}

#[cfg(test)]
mod tests {
    use stockade_policies::{Enforces, Environment, Library, ResourceLimits};
    use uuid::Uuid;

    use super::super::table::Table;
    use super::*;
    use crate::runner::{Boxed, Refusal, Request, RunnerError, WorkFacts};
    use crate::store::{JobId, Retry, WorkerId};

    const ATTEMPT: AttemptId =
        AttemptId { job: JobId(Uuid::nil()), attempt: 1, worker: WorkerId(Uuid::nil()) };

    /// Of another's making: does not keep to what a runner promises.
    #[derive(Debug)]
    struct Stubborn;

    impl JobRunner for Stubborn {
        fn execution_type(&self) -> &'static str {
            "stubborn"
        }

        fn enforces(&self) -> Enforces {
            &[]
        }

        fn validate(&self, _: &Request<'_>) -> Result<Box<dyn Work>, Refusal> {
            Err(Refusal::Refused("not asked here".to_owned()))
        }

        fn cancel(&self, _: &AttemptId) {}

        fn recover(&self) -> Boxed<'_, Result<(), RunnerError>> {
            Box::pin(async { Ok(()) })
        }
    }

    #[derive(Debug)]
    struct Job {
        facts: WorkFacts,
        comes_back: bool,
    }

    impl Work for Job {
        fn facts(&self) -> &WorkFacts {
            &self.facts
        }

        fn resource_requirements(&self) -> ResourceLimits {
            ResourceLimits { wall_seconds: 0, ..self.facts.limits }
        }

        fn execute(self: Box<Self>, _: AttemptId) -> Boxed<'static, Finished> {
            Box::pin(async move {
                if !self.comes_back {
                    std::future::pending::<()>().await;
                }
                Finished::new(Verdict::Completed)
            })
        }
    }

    fn ended(idempotent: bool, comes_back: bool) -> Finished {
        let policy = Library::shipped().unwrap().effective("script-strict", Environment::Production).unwrap();
        let facts = WorkFacts { idempotent, ..WorkFacts::of(&policy) };
        let ready = Ready { work: Box::new(Job { facts, comes_back }), runner: Arc::new(Stubborn) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let entry = Table::default().enter(ATTEMPT.job);
        runtime.block_on(execute(&entry, ATTEMPT, ready, Duration::from_millis(20)))
    }

    #[test]
    fn what_does_not_come_back_is_unknown_and_tried_again_only_where_twice_is_once() {
        for (idempotent, retry) in [(false, Retry::Never), (true, Retry::Default)] {
            let lost = ended(idempotent, false);
            assert_eq!((lost.verdict, lost.class), (Verdict::Failed, Some(ErrorClass::Unknown)));
            assert_eq!(lost.retry, retry);
            assert_eq!(ended(idempotent, true).verdict, Verdict::Completed);
        }
    }
}
