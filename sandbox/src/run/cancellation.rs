//! A job may be ended by its caller, or by whoever closes the sandboxes.

use tokio_util::sync::CancellationToken;

use super::RunError;

/// Everybody who may end a job.
pub(super) struct Cancellation {
    pub(super) cancel: CancellationToken,
    pub(super) closing: CancellationToken,
}

impl Cancellation {
    pub(super) async fn cancelled(&self) {
        tokio::select! {
            () = self.cancel.cancelled() => {}
            () = self.closing.cancelled() => {}
        }
    }

    /// Does this unless it is cancelled before it is done.
    pub(super) async fn or<T>(&self, work: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
        tokio::select! {
            done = work => done,
            () = self.cancelled() => Err(RunError::Cancelled),
        }
    }
}
