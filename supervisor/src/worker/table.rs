//! The jobs a worker has in hand, and who of them is to stop.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::runner::JobRunner;
use crate::store::{AttemptId, JobId};

/// Why a job is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    /// Somebody cancelled it.
    Cancelled,
    /// The worker stops.
    Shutdown,
    /// The lease may have run out: the database could not be reached for so long.
    Fenced,
    /// It is no longer this worker's; whatever came of it is dropped.
    LeaseLost,
}

/// Jobs in hand, from claim to record. Clones share one table.
#[derive(Debug, Clone, Default)]
pub(super) struct Table(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rows: Mutex<Rows>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Rows {
    next: u64,
    by_number: BTreeMap<u64, Row>,
}

#[derive(Debug)]
struct Row {
    job: JobId,
    stop: Option<Stop>,
    executing: Option<(AttemptId, Arc<dyn JobRunner>)>,
}

/// A job's place in the table, given up when dropped. A job may be in it twice, when it was lost and claimed again.
#[derive(Debug)]
pub(super) struct Entry {
    table: Table,
    number: u64,
}

impl Table {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a job in hand.
    pub(super) fn enter(&self, job: JobId) -> Entry {
        let mut rows = self.rows();
        let number = rows.next;
        rows.next += 1;
        rows.by_number.insert(number, Row { job, stop: None, executing: None });
        Entry { table: self.clone(), number }
    }

    /// Whether a job is in hand.
    pub(super) fn has(&self, job: JobId) -> bool {
        self.rows().by_number.values().any(|row| row.job == job)
    }

    /// The attempts that are being executed.
    pub(super) fn executing(&self) -> Vec<AttemptId> {
        self.rows()
            .by_number
            .values()
            .filter_map(|row| row.executing.as_ref().map(|(attempt, _)| *attempt))
            .collect()
    }

    /// Resolves when no attempt is being executed.
    pub(super) async fn until_none_executes(&self) {
        loop {
            let changed = self.0.changed.notified();
            if self.executing().is_empty() {
                return;
            }
            changed.await;
        }
    }

    /// Stops a job, whether it has begun or not.
    pub(super) fn stop(&self, job: JobId, why: Stop) {
        self.stop_where(why, |row| row.job == job);
    }

    /// Stops an attempt if it is being executed.
    pub(super) fn stop_attempt(&self, attempt: &AttemptId, why: Stop) {
        self.stop_where(why, |row| row.executing.as_ref().is_some_and(|(executing, _)| executing == attempt));
    }

    /// Stops everything.
    pub(super) fn stop_all(&self, why: Stop) {
        self.stop_where(why, |_| true);
    }

    fn stop_where(&self, why: Stop, which: impl Fn(&Row) -> bool) {
        for row in self.rows().by_number.values_mut().filter(|row| which(row)) {
            // The gravest reason counts.
            row.stop = row.stop.max(Some(why));
            if let Some((attempt, runner)) = &row.executing {
                runner.cancel(attempt);
            }
        }
    }
}

impl Entry {
    /// Why the job is to stop, if it is.
    pub(super) fn stop(&self) -> Option<Stop> {
        self.table.rows().by_number.get(&self.number).and_then(|row| row.stop)
    }

    /// Notes that `runner` executes the job, so that it can be told to stop; the answer is why it is to stop already.
    pub(super) fn executes(&self, attempt: AttemptId, runner: Arc<dyn JobRunner>) -> Option<Stop> {
        let mut rows = self.table.rows();
        let row = rows.by_number.get_mut(&self.number)?;
        row.executing = Some((attempt, runner));
        row.stop
    }

    /// Notes that it has ended; the answer is why it was to stop, if it was.
    pub(super) fn ended(&self) -> Option<Stop> {
        let stop = {
            let mut rows = self.table.rows();
            let row = rows.by_number.get_mut(&self.number);
            row.and_then(|row| {
                row.executing = None;
                row.stop
            })
        };
        self.table.0.changed.notify_waiters();
        stop
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.table.rows().by_number.remove(&self.number);
        self.table.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_job_is_stopped_before_it_has_begun_and_the_gravest_reason_counts() {
        let table = Table::default();
        let (one, other) = (JobId(Uuid::from_u128(1)), JobId(Uuid::from_u128(2)));
        let (first, second) = (table.enter(one), table.enter(other));
        table.stop(one, Stop::LeaseLost);
        table.stop(one, Stop::Cancelled);
        assert_eq!(first.stop(), Some(Stop::LeaseLost));
        assert_eq!(second.stop(), None);
        table.stop_all(Stop::Shutdown);
        assert_eq!(second.ended(), Some(Stop::Shutdown));
    }

    #[test]
    fn a_job_that_was_lost_and_claimed_again_has_two_places() {
        let table = Table::default();
        let job = JobId(Uuid::from_u128(1));
        let (lost, again) = (table.enter(job), table.enter(job));
        drop(lost);
        assert!(table.has(job));
        drop(again);
        assert!(!table.has(job));
    }

    #[tokio::test]
    async fn who_waits_for_nothing_to_be_executed_does_not_wait_when_nothing_is() {
        Table::default().until_none_executes().await;
    }
}
