//! `--tty`: a pseudo-terminal for the job, between it and the caller's.
//!
//! The job gets the inner end of a pair made for it alone, and never anything of the caller's terminal. What it prints is
//! copied to the caller's terminal as it is, escape sequences included; what is typed is copied to it.

use std::io::{self, Stdin, stdin};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

/// Our end of the job's terminal.
#[derive(Debug, Clone)]
pub(super) struct Pty(Arc<OwnedFd>);

impl Pty {
    /// A terminal, and the end that the job gets. It looks like the caller's: its modes and its size.
    pub(super) fn open(callers: &CallersTerminal) -> io::Result<(Self, OwnedFd)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        // By its other end: a path could lead elsewhere.
        let jobs = ioctl_tiocgptpeer(&ours, flags)?;
        tcsetattr(&jobs, OptionalActions::Now, &callers.modes)?;
        let pty = Self(Arc::new(ours));
        pty.resize(callers);
        Ok((pty, jobs))
    }

    /// A descriptor of our end.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.0.try_clone()
    }

    /// Gives it the size of the caller's terminal; the kernel tells the job. A terminal that has gone has no size.
    pub(super) fn resize(&self, callers: &CallersTerminal) {
        let _gone = tcgetwinsize(&callers.input).and_then(|size| tcsetwinsize(&*self.0, size));
    }
}

/// The terminal at which the caller sits: our standard input.
#[derive(Debug, Clone)]
pub(super) struct CallersTerminal {
    input: Arc<Stdin>,
    /// As they were.
    modes: Termios,
}

impl CallersTerminal {
    /// That of standard input; `None` if it is no terminal.
    pub(super) fn find() -> io::Result<Option<Self>> {
        let input = stdin();
        if !isatty(&input) {
            return Ok(None);
        }
        let modes = tcgetattr(&input)?;
        Ok(Some(Self { input: Arc::new(input), modes }))
    }

    /// From now on every key goes to the job, Ctrl-C too; until what is returned is dropped, or this process panics.
    pub(super) fn raw(&self) -> Raw {
        self.make_raw();
        let (restored, previous) = (self.clone(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            restored.restore();
            previous(panic);
        }));
        Raw(self.clone())
    }

    pub(super) fn make_raw(&self) {
        let mut modes = self.modes.clone();
        modes.make_raw();
        self.set(&modes);
    }

    /// Makes it as it was.
    pub(super) fn restore(&self) {
        self.set(&self.modes);
    }

    fn set(&self, modes: &Termios) {
        // A terminal that has gone has no modes.
        let _gone = tcsetattr(self.input.as_fd(), OptionalActions::Now, modes);
    }
}

/// A terminal in raw mode, until this is dropped.
#[derive(Debug)]
pub(super) struct Raw(CallersTerminal);

impl Drop for Raw {
    fn drop(&mut self) {
        self.0.restore();
    }
}
