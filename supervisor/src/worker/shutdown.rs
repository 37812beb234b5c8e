//! Being told to stop.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Tells a worker to stop: first in an orderly way, then at once. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    orderly: CancellationToken,
    at_once: CancellationToken,
}

impl Shutdown {
    /// One that SIGTERM and SIGINT tell: the first to stop in an orderly way, the second at once.
    ///
    /// # Errors
    /// If the signals cannot be caught.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::default();
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let told = shutdown.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                told.tell();
            }
        });
        Ok(shutdown)
    }

    /// Tells to stop in an orderly way; told a second time, at once.
    pub fn tell(&self) {
        match self.orderly.is_cancelled() {
            false => self.orderly.cancel(),
            true => self.at_once.cancel(),
        }
    }

    /// Resolves when the worker is to stop.
    pub async fn told(&self) {
        self.orderly.cancelled().await;
    }

    /// Resolves when it is to stop at once.
    pub async fn at_once(&self) {
        self.at_once.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_orderly_and_the_second_at_once() {
        let shutdown = Shutdown::default();
        shutdown.tell();
        assert!(shutdown.orderly.is_cancelled() && !shutdown.at_once.is_cancelled());
        shutdown.tell();
        assert!(shutdown.at_once.is_cancelled());
    }
}
