//! The attempts a runner executes, so that they can be cancelled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::store::AttemptId;

/// Attempts by their id. Clones share one table.
#[derive(Debug, Clone, Default)]
pub struct Running(Arc<Mutex<HashMap<AttemptId, CancellationToken>>>);

/// An attempt's place in the table; given up when dropped.
#[derive(Debug)]
pub struct Place {
    running: Running,
    attempt: AttemptId,
    cancel: CancellationToken,
}

impl Running {
    /// Puts `attempt` into the table.
    pub fn enter(&self, attempt: AttemptId) -> Place {
        let cancel = CancellationToken::new();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(attempt, cancel.clone());
        Place { running: self.clone(), attempt, cancel }
    }

    /// Tells `attempt` to end, if it is in the table.
    pub fn cancel(&self, attempt: &AttemptId) {
        if let Some(cancel) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(attempt) {
            cancel.cancel();
        }
    }
}

impl Place {
    /// Cancelled when the attempt is to end.
    pub fn token(&self) -> CancellationToken {
        self.cancel.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.attempt);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::{JobId, WorkerId};

    #[test]
    fn an_attempt_is_told_as_long_as_it_runs_and_no_other_is() {
        let running = Running::default();
        let attempt =
            |number| AttemptId { job: JobId(Uuid::nil()), attempt: number, worker: WorkerId(Uuid::nil()) };
        let (first, second) = (running.enter(attempt(1)), running.enter(attempt(2)));
        running.cancel(&attempt(1));
        assert!(first.token().is_cancelled());
        assert!(!second.token().is_cancelled());
        drop(second);
        running.cancel(&attempt(2));
        assert_eq!(running.0.lock().unwrap().len(), 1);
    }
}
