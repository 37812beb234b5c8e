//! Saying that the worker lives, and hearing what it still holds.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Shared;
use super::table::Stop;
use crate::store::{AttemptEnd, AttemptId, Heartbeat, Held, JobId, StoreError, Verdict};

/// After a heartbeat that failed, the next one follows as soon.
const HASTE: Duration = Duration::from_millis(500);

/// Sends heartbeats until the task is ended.
pub(super) async fn run(shared: Arc<Shared>) {
    let period = shared.settings.lease / 3;
    // A little before the lease is over by the database's clock, which started counting later.
    let fence = shared.settings.lease * 9 / 10;
    let mut heard = Instant::now();
    let mut strays = HashSet::new();
    loop {
        let sent = Instant::now();
        let executing = shared.table.executing();
        let patience = period.min(fence.saturating_sub(heard.elapsed()).max(HASTE));
        match timeout(patience, beat(&shared)).await {
            Ok(Ok(answer)) => {
                heard = sent;
                heed(&shared, &answer, &executing, &mut strays).await;
            }
            Ok(Err(error)) => tracing::warn!(%error, "no heartbeat"),
            Err(_) => tracing::warn!("no heartbeat: the database does not answer"),
        }
        let overdue = heard.elapsed() >= fence;
        if overdue && !shared.table.executing().is_empty() {
            tracing::error!(
                "the database was out of reach for the length of a lease: ending the jobs that run"
            );
            shared.table.stop_all(Stop::Fenced);
        }
        sleep(if heard == sent { period } else { HASTE.min(period) }).await;
    }
}

async fn beat(shared: &Arc<Shared>) -> Result<Heartbeat, StoreError> {
    let answer = shared.pulse.heartbeat(shared.id()).await?;
    if !answer.known {
        tracing::error!("other workers have declared this one dead; its jobs are theirs now");
        shared.register_again().await?;
    }
    for lost in shared.pulse.requeue_lost().await? {
        tracing::warn!(job = %lost.job, worker = %lost.worker, outcome = lost.outcome, "took a job from a dead worker");
        if let Some(attempt) = lost.attempt {
            let lost = AttemptId { job: lost.job, attempt, worker: lost.worker };
            let shared = Arc::clone(shared);
            // Not waited for: a slow engine must not keep the next heartbeat.
            tokio::spawn(async move { shared.runners.reclaim(lost).await });
        }
    }
    Ok(answer)
}

/// Ends what is cancelled or lost, and clears away what the database thinks this worker has and it has not. What was
/// `executing` before the question was asked must be in the answer.
async fn heed(shared: &Shared, answer: &Heartbeat, executing: &[AttemptId], strays: &mut HashSet<JobId>) {
    for held in answer.held.iter().filter(|held| held.cancel) {
        shared.table.stop(held.job, Stop::Cancelled);
    }
    let is_held = |attempt: &AttemptId| {
        answer.held.iter().any(|held| held.job == attempt.job && held.attempt == Some(attempt.attempt))
    };
    for attempt in executing.iter().filter(|attempt| !is_held(attempt)) {
        tracing::error!(job = %attempt.job, attempt = attempt.attempt, "the lease was lost; ending the job");
        shared.table.stop_attempt(attempt, Stop::LeaseLost);
    }
    // A job that has just been claimed is not in hand yet, so it takes two answers to make a stray.
    let unknown: Vec<&Held> = answer.held.iter().filter(|held| !shared.table.has(held.job)).collect();
    for held in unknown.iter().filter(|held| strays.contains(&held.job)) {
        let_go(shared, held).await;
    }
    *strays = unknown.iter().map(|held| held.job).collect();
}

/// Gives up a job that the worker does not have in hand: a call that began or ended it failed in a way that repeating it
/// does not mend.
async fn let_go(shared: &Shared, held: &Held) {
    let worker = shared.id();
    let done = match held.attempt {
        None => shared.pulse.release(worker, held.job).await.map(drop),
        Some(attempt) => {
            let mut end = AttemptEnd::new(Verdict::SetupFailed);
            end.error = Some("what became of this attempt could not be recorded".to_owned());
            shared.pulse.complete(&AttemptId { job: held.job, attempt, worker }, &end).await.map(drop)
        }
    };
    match done {
        Ok(()) => tracing::warn!(job = %held.job, "let go of a job that was not in hand"),
        Err(error) => tracing::warn!(job = %held.job, %error, "cannot let go of a job that is not in hand"),
    }
}
