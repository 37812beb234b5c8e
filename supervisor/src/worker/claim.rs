//! Taking jobs.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::MissedTickBehavior;

use super::table::Stop;
use super::{Shared, Shutdown, WorkerError, attempt};
use crate::store::Wake;

/// How often to look for jobs that nobody has announced: retries that are due, announcements that got lost.
const POLL: Duration = Duration::from_secs(1);
/// Jobs taken in one statement at most.
const BATCH_MAX: usize = 64;

/// Takes jobs until the worker is told to stop.
pub(super) async fn until_told(
    shared: &Arc<Shared>,
    shutdown: &Shutdown,
    broken: impl Future<Output = ()>,
) -> Result<(), WorkerError> {
    let mut wakes = shared.store.listen().await?;
    let mut broken = pin!(broken);
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut may_be_more = true;
    loop {
        tokio::select! {
            biased;
            () = shutdown.told() => return Ok(()),
            () = &mut broken => return Err(WorkerError::LauncherGone),
            wake = wakes.next() => match wake {
                Wake::New | Wake::Reconnected => may_be_more = true,
                Wake::Cancel(job) => shared.table.stop(job, Stop::Cancelled),
            },
            _ = poll.tick() => may_be_more = true,
            slot = Arc::clone(&shared.slots).acquire_owned(), if may_be_more => {
                may_be_more = match slot {
                    Ok(slot) => take(shared, slot).await,
                    // Nobody closes the semaphore.
                    Err(_) => false,
                };
            }
        }
    }
}

/// Takes as many jobs as there are free slots, `slot` among them. True if there may be more.
async fn take(shared: &Arc<Shared>, slot: OwnedSemaphorePermit) -> bool {
    if shared.is_waiting() {
        return false;
    }
    let mut slots = vec![slot];
    while slots.len() < BATCH_MAX
        && let Ok(slot) = Arc::clone(&shared.slots).try_acquire_owned()
    {
        slots.push(slot);
    }
    let wanted = slots.len();
    let worker = shared.id();
    let types = shared.runners.execution_types();
    match shared.store.claim(worker, Some(&types), u32::try_from(wanted).unwrap_or(1)).await {
        Ok(jobs) => {
            let all = jobs.len() == wanted;
            for (job, slot) in jobs.into_iter().zip(slots) {
                let entry = shared.table.enter(job.id);
                let shared = Arc::clone(shared);
                let tracker = shared.attempts.clone();
                tracker.spawn(async move {
                    attempt::make(&shared, worker, job, entry).await;
                    drop(slot);
                });
            }
            all
        }
        Err(error) => {
            tracing::warn!(%error, "no jobs can be taken now");
            false
        }
    }
}
