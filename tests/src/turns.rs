//! The same thing done in two ways, turn by turn, and what one of them adds: a host that is busy is so for both.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::Value;
use stockade::runner::{JobFacts, JobRunner, Request};
use stockade::store::{AttemptId, JobId, Verdict, WorkerId};
use stockade_policies::{JobProposal, Operation};
use uuid::Uuid;

/// Seconds of each turn.
#[derive(Debug, Default)]
pub struct Turns {
    alone: Vec<f64>,
    ours: Vec<f64>,
    /// Of each turn by itself; may be less than nothing.
    added: Vec<f64>,
}

impl Turns {
    /// Takes so many turns, after some that do not count.
    pub async fn take(
        turns: usize,
        warm_up: usize,
        mut alone: impl AsyncFnMut(),
        mut ours: impl AsyncFnMut(),
    ) -> Self {
        let mut taken = Self::default();
        for turn in 0..turns + warm_up {
            let (alone, ours) = (timed(&mut alone).await, timed(&mut ours).await);
            if turn >= warm_up {
                taken.alone.push(alone);
                taken.ours.push(ours);
                taken.added.push(ours - alone);
            }
        }
        taken
    }

    /// Prints medians and 95th percentiles under a title, with the names of both ways. A failure if the median of what is added
    /// is over `bound`.
    pub fn report(mut self, title: &str, alone: &str, ours: &str, bound: Duration) -> ExitCode {
        println!("{title:<48} {:>12} {:>12} {:>12}", "median", "p95", "bound");
        let good = median_of(&mut self.added) < bound.as_secs_f64();
        for (what, times) in [(alone, &mut self.alone), (ours, &mut self.ours)] {
            line(what, times, "");
        }
        let verdict = if good { "" } else { "  FAILED" };
        line("what the runner adds", &mut self.added, &format!("{:>12}{verdict}", format!("{bound:.2?}")));
        if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Carries out a job of `operation` as a worker does, but for the queue.
pub async fn run_once(runner: &dyn JobRunner, operation: &Operation, input: &Value) {
    operation.check_input(input).expect("it fits");
    let id = AttemptId { job: JobId(Uuid::nil()), attempt: 1, worker: WorkerId(Uuid::nil()) };
    let job = JobFacts { id: id.job, tenant: None, idempotency_key: None, correlation_id: None };
    let request = Request { operation, input, proposal: JobProposal::default(), job };
    let finished = runner.validate(&request).expect("it may run").execute(id).await;
    assert_eq!(finished.verdict, Verdict::Completed, "{:?}", finished.error);
}

async fn timed(call: &mut impl AsyncFnMut()) -> f64 {
    let began = Instant::now();
    call().await;
    began.elapsed().as_secs_f64()
}

fn median_of(times: &mut [f64]) -> f64 {
    at(times, 50)
}

/// The value below which so many per cent lie.
fn at(times: &mut [f64], percent: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() * percent / 100).copied().unwrap_or(f64::NAN)
}

fn line(what: &str, times: &mut [f64], more: &str) {
    let (median, p95) = (1e3 * at(times, 50), 1e3 * at(times, 95));
    println!("{what:<48} {median:>9.3} ms {p95:>9.3} ms {more}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_told_from_what_is_saved() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let took = |alone: u64, ours: u64| {
            let wait = |milliseconds| tokio::time::sleep(Duration::from_millis(milliseconds));
            let mut turns =
                runtime.block_on(Turns::take(3, 1, async || wait(alone).await, async || wait(ours).await));
            assert_eq!(turns.added.len(), 3);
            median_of(&mut turns.added)
        };
        assert!(took(1, 30) > 0.01);
        assert!(took(30, 1) < -0.01, "less than nothing is no nothing");
    }
}
