//! What a caller says to a job that runs.

use stockade_plan::JobSignal;
use tokio::sync::{mpsc, oneshot};

/// A word to a job.
#[derive(Debug)]
pub enum Word {
    /// This signal, to the job's first process and all of its process group. (Before Linux 6.9 the first process
    /// alone: `PIDFD_SIGNAL_PROCESS_GROUP`, pidfd_send_signal(2).)
    Signal(JobSignal),
    /// No process of it runs until it is told to go on; its time goes on. The answer comes when they have been stopped.
    Pause(oneshot::Sender<()>),
    /// They run again.
    Resume,
}

/// Where a job hears what its caller says. What is said before it has started it hears when it starts.
#[derive(Debug, Default)]
pub struct Signals(Option<mpsc::UnboundedReceiver<Word>>);

impl Signals {
    /// Nobody says anything.
    pub const NONE: Self = Self(None);

    /// Whatever is sent here.
    pub fn channel() -> (mpsc::UnboundedSender<Word>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self(Some(receiver)))
    }

    /// The next word; waits for ever where none comes.
    pub(crate) async fn next(&mut self) -> Word {
        match &mut self.0 {
            Some(words) => match words.recv().await {
                Some(word) => word,
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}
