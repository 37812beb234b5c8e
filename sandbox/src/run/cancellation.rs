//! A job may be ended by its caller, or by whoever closes the sandboxes.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::RunError;

/// How long a job that is cancelled while it is let go is left alone, so that its init can say whether it has begun. Nearly
/// always that word is on its way already.
const LAST_WORD: Duration = Duration::from_millis(250);

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

    /// Fails if it is cancelled by now.
    pub(super) fn check(&self) -> Result<(), RunError> {
        match self.cancel.is_cancelled() || self.closing.is_cancelled() {
            true => Err(RunError::Cancelled),
            false => Ok(()),
        }
    }

    /// Does this unless it is cancelled before it is done.
    pub(super) async fn or<T>(&self, work: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
        tokio::select! {
            // What is done by now cannot be cancelled any more.
            biased;
            done = work => done,
            () = self.cancelled() => Err(RunError::Cancelled),
        }
    }

    /// The same for what has its effect whether it is waited for or not: a cancellation gives it a little time to show it.
    pub(super) async fn or_soon<T>(
        &self,
        effect: impl Future<Output = Result<T, RunError>>,
    ) -> Result<T, RunError> {
        let mut effect = pin!(effect);
        tokio::select! {
            biased;
            shown = &mut effect => return shown,
            () = self.cancelled() => {}
        }
        timeout(LAST_WORD, effect).await.unwrap_or(Err(RunError::Cancelled))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    async fn cancelled_while(shown_after: Duration) -> (Result<(), RunError>, Duration) {
        let cancellation =
            Cancellation { cancel: CancellationToken::new(), closing: CancellationToken::new() };
        let began = Instant::now();
        let cancel = async {
            sleep(Duration::from_millis(1)).await;
            cancellation.cancel.cancel();
        };
        let effect = cancellation.or_soon(async {
            sleep(shown_after).await;
            Ok(())
        });
        (tokio::join!(effect, cancel).0, began.elapsed())
    }

    #[tokio::test]
    async fn an_effect_that_shows_soon_after_the_cancellation_is_not_taken_for_none() {
        let (shown, _) = cancelled_while(Duration::from_millis(20)).await;
        assert!(shown.is_ok(), "{shown:?}");
        let (shown, after) = cancelled_while(Duration::from_secs(60)).await;
        assert!(
            matches!(shown, Err(RunError::Cancelled)) && after < LAST_WORD * 20,
            "{shown:?} after {after:?}"
        );
    }
}
