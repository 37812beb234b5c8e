//! Signals to `exec`, passed on to its job.

use std::io;
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use stockade_plan::JobSignal;
use stockade_sandbox::{Signals, Word};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::terminal::{CallersTerminal, Pty};

/// How long a job that was asked to end has before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// What is passed on, and whether it asks a job to end.
const PASSED_ON: [(Signal, JobSignal, bool); 6] = [
    (Signal::SIGTERM, JobSignal::Terminate, true),
    (Signal::SIGINT, JobSignal::Interrupt, true),
    (Signal::SIGHUP, JobSignal::Hangup, true),
    (Signal::SIGQUIT, JobSignal::Quit, true),
    (Signal::SIGUSR1, JobSignal::User1, false),
    (Signal::SIGUSR2, JobSignal::User2, false),
];

/// Passes signals on from now on. The first that asks the job to end it may answer as it likes; the second, or the end
/// of [`GRACE`], cancels it. SIGTSTP stops the job and this process, SIGCONT lets both go on.
pub(super) fn pass_on(
    cancel: CancellationToken,
    terminal: Option<(Pty, CallersTerminal)>,
) -> io::Result<Signals> {
    let (words, signals) = Signals::channel();
    let asked = CancellationToken::new();
    for (from, to, asks_to_end) in PASSED_ON {
        let mut caught = signal(SignalKind::from_raw(from as i32))?;
        let (words, asked, cancel) = (words.clone(), asked.clone(), cancel.clone());
        tokio::spawn(async move {
            while caught.recv().await.is_some() {
                if asks_to_end && asked.is_cancelled() {
                    cancel.cancel();
                }
                // A job that is over hears nothing.
                let _over = words.send(Word::Signal(to));
                if asks_to_end {
                    asked.cancel();
                }
            }
        });
    }
    tokio::spawn(async move {
        asked.cancelled().await;
        tokio::time::sleep(GRACE).await;
        cancel.cancel();
    });
    tokio::spawn(stop_and_go_on(
        words,
        signal(SignalKind::from_raw(Signal::SIGTSTP as i32))?,
        terminal.clone(),
    ));
    if let Some((pty, callers)) = terminal {
        let mut resized = signal(SignalKind::window_change())?;
        tokio::spawn(async move {
            while resized.recv().await.is_some() {
                pty.resize(&callers);
            }
        });
    }
    Ok(signals)
}

async fn stop_and_go_on(
    words: mpsc::UnboundedSender<Word>,
    mut stopped: tokio::signal::unix::Signal,
    terminal: Option<(Pty, CallersTerminal)>,
) {
    while stopped.recv().await.is_some() {
        let (paused, when_paused) = oneshot::channel();
        let _over = words.send(Word::Pause(paused));
        // One that is over answers by letting go.
        let _answered = when_paused.await;
        let callers = terminal.as_ref().map(|(_, callers)| callers);
        callers.inspect(|callers| callers.restore());
        // This process stands still here until somebody sends SIGCONT.
        let _stopped = raise(Signal::SIGSTOP);
        callers.inspect(|callers| callers.make_raw());
        if let Some((pty, callers)) = &terminal {
            pty.resize(callers);
        }
        let _over = words.send(Word::Resume);
    }
}
