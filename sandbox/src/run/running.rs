//! A job from its task given to its end.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use stockade_plan::Plan;
use tokio::net::unix::pipe;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::RunError;
use super::cancellation::Cancellation;
use super::ran::{Judged, Ran};
use crate::audit::Hearing;
use crate::cgroup::{CpuTime, Gauges, Leaf};
use crate::denial::{self, Denial};
use crate::outcome::{Captured, End, Limit, Lost};
use crate::sandbox::Inner;
use crate::signals::{Signals, Word};
use crate::slot::{Remains, SETUP_DEADLINE, why_not_ready};
use crate::status::Status;
use crate::streams::Bounds;
use crate::watch;

/// What a caller has in any case to take what a job has printed. More than that he has while the job's time lasts.
const DELIVERY: Duration = Duration::from_secs(1);

/// The job's standard streams, fed and drained by whoever drives these futures.
pub(super) struct Streams<F, D> {
    pub(super) feeding: F,
    pub(super) stdout: D,
    pub(super) stderr: D,
    pub(super) bounds: Bounds,
}

pub(super) struct Running<'a> {
    pub(super) sandbox: &'a Inner,
    pub(super) id: u64,
    pub(super) signals: Signals,
    pub(super) remains: Remains,
    pub(super) plan: &'a Plan,
    pub(super) status: Status<pipe::Receiver>,
    pub(super) gauges: Box<Gauges>,
    pub(super) spent: CpuTime,
    pub(super) hearing: Hearing,
}

impl Running<'_> {
    /// From the task given to the verdict; no process of the job is left then.
    pub(super) async fn finish<F, D>(
        mut self,
        deliver: impl Future<Output = Result<(), RunError>>,
        streams: Streams<F, D>,
        cancellation: &Cancellation,
        began: Instant,
    ) -> Result<Judged, RunError>
    where
        F: Future<Output = std::io::Result<()>>,
        D: Future<Output = std::io::Result<Captured>>,
    {
        let Streams { feeding, stdout, stderr, bounds } = streams;
        let wall = Duration::from_millis(self.plan.confinement.limits.wall_time_ms);
        let drained = async { tokio::try_join!(stdout, stderr) };
        let ran = async {
            let ran = tokio::select! {
                ran = self.run(deliver, cancellation, &bounds.overflow, began) => ran,
                never = fed(feeding) => match never {},
            };
            self.end(ran, began).await
        };
        let (mut ran, drained) = beside(ran, drained, |ran| {
            let left = wall.saturating_sub(ran.wall).max(DELIVERY);
            let give_up = bounds.give_up.clone();
            async move {
                tokio::time::sleep(left).await;
                give_up.cancel();
            }
        })
        .await?;
        let (stdout, stderr) =
            drained.map_err(|source| RunError::Io { what: "read the job's output", source })?;
        if [&stdout, &stderr].iter().any(|stream| stream.lost == Some(Lost::NotTaken)) {
            // A job has ended when its output has been taken.
            ran.ended_for.get_or_insert(End::TimedOut);
        }
        let mut stats = self.gauges.stats()?;
        stats.cpu = stats.cpu.since(self.spent);
        ran.memory_samples.push(stats.memory_bytes);
        let end = ran.verdict(&stats, self.plan)?;
        let Self { sandbox, remains, plan, status, gauges, hearing, .. } = self;
        // Nothing but an init on its way out is left, if that.
        remains.let_go(gauges);
        let seen =
            status.refusals.denials(&plan.confinement.filter.watched, ran.finished.is_some()).collect();
        let mut denials = denial::merged(seen, sandbox.audit.settle(hearing, end).await);
        denials.extend(Denial::of(&stats, plan, &stdout, &stderr, ran.outputs()));
        Ok(Judged { end, ran, stdout, stderr, stats, denials })
    }

    /// From the task given to the job's end. On an error what runs is still to be killed.
    async fn run(
        &mut self,
        deliver: impl Future<Output = Result<(), RunError>>,
        cancellation: &Cancellation,
        overflow: &CancellationToken,
        began: Instant,
    ) -> Result<Ran, RunError> {
        self.start(deliver, cancellation).await?;
        let setup = began.elapsed();
        let started = Instant::now();
        let limits = &self.plan.confinement.limits;
        let mut watch = watch::Watch::new(&self.gauges, limits, self.spent);
        let mut finished = None;
        let ended_for = tokio::select! {
            done = self.status.finished(&self.plan.task.outputs) => { finished = done?; None }
            () = tokio::time::sleep(Duration::from_millis(limits.wall_time_ms)) => Some(End::TimedOut),
            () = overflow.cancelled() => Some(End::LimitExceeded(Limit::Output)),
            end = watch.until_exceeded() => Some(end?),
            () = cancellation.cancelled() => Some(End::Cancelled),
            failed = heard(self.sandbox, self.id, &self.remains.leaf, &mut self.signals) => return Err(failed),
        };
        let told = finished.as_ref().map(|finished| finished.wall);
        let (setup, wall) = apart(began.elapsed(), setup, started.elapsed(), told);
        let memory_samples = watch.samples();
        let rusage = finished.as_ref().map(|finished| finished.rusage).unwrap_or_default();
        Ok(Ran { setup, wall, ended_for, finished, memory_samples, rusage })
    }

    /// Gives the task and waits until its command has been executed. Until all of it is given the job cannot begin; then it
    /// begins, cancelled or not.
    async fn start(
        &mut self,
        deliver: impl Future<Output = Result<(), RunError>>,
        cancellation: &Cancellation,
    ) -> Result<(), RunError> {
        let Self { status, gauges, plan, .. } = self;
        let started = async {
            let started = status.started().await;
            started.map_err(|error| why_not_ready(error, gauges, &plan.confinement))
        };
        let begun = async {
            cancellation.or(deliver).await?;
            cancellation.or_soon(started).await
        };
        timeout(SETUP_DEADLINE, begun).await.unwrap_or(Err(RunError::SetupDeadline))
    }

    /// Kills what is left of a job that did not end by itself, and waits until all of it is reaped.
    async fn end(&mut self, ran: Result<Ran, RunError>, began: Instant) -> Result<Ran, RunError> {
        match ran {
            Ok(ran) if ran.finished.is_some() => {
                self.sandbox.audit.mark(&mut self.hearing);
                Ok(ran)
            }
            ran => {
                let exited = self.remains.kill().await?;
                self.hearing.init_is_gone();
                self.sandbox.audit.mark(&mut self.hearing);
                let ran = match (ran, self.status.rest().await) {
                    // It ran when it was cancelled, and that had not been heard yet.
                    (Err(RunError::Cancelled), true) => Ok(Ran::cancelled(began.elapsed())),
                    (ran, _) => ran,
                };
                ran.map(|ran| Ran { rusage: exited.rusage, ..ran })
            }
        }
    }
}

/// Set-up and run of a job that took so long in all. On a busy host its start is seen late, perhaps only when it has ended: what
/// init has `told` of the run is then the better measure. No word of init's makes a run longer than all of it was.
fn apart(all: Duration, setup: Duration, run: Duration, told: Option<Duration>) -> (Duration, Duration) {
    let run = told.map_or(run, |told| run.max(told.min(all)));
    (setup.min(all.saturating_sub(run)), run)
}

/// Does what the caller says for as long as somebody drives it; returns only if it cannot.
async fn heard(sandbox: &Inner, id: u64, leaf: &Leaf, signals: &mut Signals) -> RunError {
    loop {
        let done = match signals.next().await {
            Word::Signal(signal) => sandbox.signal(id, signal).await,
            Word::Pause(done) => {
                let frozen = leaf.freeze(true).map_err(RunError::from);
                // Whoever no longer waits need not know.
                let _not_waiting = done.send(());
                frozen
            }
            Word::Resume => leaf.freeze(false).map_err(RunError::from),
        };
        if let Err(error) = done {
            return error;
        }
    }
}

/// Feeds for as long as somebody drives it: how much of its input a job has read is no reason to end it.
async fn fed(feeding: impl Future<Output = std::io::Result<()>>) -> Infallible {
    // A job that is not fed to the end has its pipe closed, and sees that.
    let _fed = feeding.await;
    std::future::pending().await
}

/// Drives both. If the first fails the other is not waited for: streams end only when the job does. When the first is
/// done, `patience` is driven beside the other.
async fn beside<T, U, P: Future<Output = ()>>(
    first: impl Future<Output = Result<T, RunError>>,
    other: impl Future<Output = U>,
    patience: impl FnOnce(&T) -> P,
) -> Result<(T, U), RunError> {
    tokio::pin!(first, other);
    tokio::select! {
        biased;
        done = &mut first => {
            let done = done?;
            let patience = patience(&done);
            let other = tokio::select! {
                biased;
                other = &mut other => other,
                () = patience => other.await,
            };
            Ok((done, other))
        }
        ended = &mut other => Ok((first.await?, ended)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_was_seen_late_is_no_set_up() {
        let ms = Duration::from_millis;
        assert_eq!(apart(ms(75), ms(70), ms(5), Some(ms(60))), (ms(15), ms(60)));
        assert_eq!(apart(ms(75), ms(15), ms(60), Some(ms(59))), (ms(15), ms(60)));
        assert_eq!(apart(ms(75), ms(15), ms(60), None), (ms(15), ms(60)));
        assert_eq!(apart(ms(75), ms(15), ms(60), Some(Duration::MAX)), (Duration::ZERO, ms(75)));
    }
}
