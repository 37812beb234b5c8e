//! Calls of the database that must not get lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::Shared;
use crate::store::StoreError;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A call was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRecorded {
    /// The database was gone until the worker stopped.
    #[error("the database did not come back before the worker stopped")]
    GivenUp,
    /// The database refused.
    #[error(transparent)]
    Refused(StoreError),
}

impl Shared {
    /// Makes a call again and again while the database is gone. Meanwhile no jobs are claimed: what the worker holds in
    /// memory does not grow.
    pub(super) async fn persist<T, C>(&self, call: impl Fn() -> C) -> Result<T, NotRecorded>
    where
        C: Future<Output = Result<T, StoreError>>,
    {
        let mut waiting = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_connection_lost() => error,
                Err(error) => return Err(NotRecorded::Refused(error)),
            };
            if waiting.is_none() {
                tracing::warn!(%error, "the database is gone; trying until it is back");
                waiting = Some(Waiting::new(&self.waiting));
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = self.give_up.cancelled() => return Err(NotRecorded::GivenUp),
            }
        }
    }

    /// Whether a call waits for the database.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

/// Counts one waiting call while it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
