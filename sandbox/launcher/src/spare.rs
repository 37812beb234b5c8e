//! Namespaces made before they are asked for. A network namespace is the dearest part of a sandbox and depends on
//! nothing that a request says; so one set lies ready, made when nobody waits, and serves one sandbox.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{OFlag, open, openat};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;

use crate::steps::{During, Fault};

/// What a set has.
const KINDS: [(&str, CloneFlags); 3] =
    [("net", CloneFlags::CLONE_NEWNET), ("ipc", CloneFlags::CLONE_NEWIPC), ("uts", CloneFlags::CLONE_NEWUTS)];

/// Network, ipc and uts namespaces, owned by the host's user namespace.
#[derive(Debug)]
pub(crate) struct Set([OwnedFd; KINDS.len()]);

impl Set {
    /// That of the calling process.
    fn current() -> Result<Self, Fault> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = open("/proc/self/ns", flags, Mode::empty()).during("open", "/proc/self/ns")?;
        let of = |(name, _): (&str, CloneFlags)| {
            openat(&directory, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).during("open", name)
        };
        let [net, ipc, uts] = KINDS.map(of);
        Ok(Self([net?, ipc?, uts?]))
    }

    /// Puts the calling process into it.
    pub(crate) fn enter(&self) -> Result<(), Fault> {
        let mut all = self.0.iter().zip(KINDS);
        all.try_for_each(|(namespace, (name, kind))| setns(namespace, kind).during("setns", name))
    }

    /// Its descriptors.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(AsFd::as_fd)
    }
}

/// The launcher's own namespaces, and the set that lies ready.
#[derive(Debug)]
pub(crate) struct Spare {
    own: Set,
    ready: Option<Set>,
}

impl Spare {
    pub(crate) fn new() -> Result<Self, Fault> {
        Ok(Self { own: Set::current()?, ready: None })
    }

    pub(crate) fn is_lacking(&self) -> bool {
        self.ready.is_none()
    }

    /// The set that lies ready. Nobody gets it again.
    pub(crate) fn take(&mut self) -> Option<Set> {
        self.ready.take()
    }

    /// Makes a set: the launcher, which has one thread, enters new namespaces, holds on to them and comes back.
    ///
    /// # Errors
    /// The launcher may be lost in a sandbox's namespaces then, and must serve no longer.
    pub(crate) fn make(&mut self) -> Result<(), Fault> {
        let kinds = KINDS.into_iter().map(|(_, kind)| kind).collect();
        // Without namespaces to spare each sandbox makes its own, or says why it cannot.
        if unshare(kinds).is_ok() {
            let made = Set::current();
            self.own.enter()?;
            self.ready = made.ok();
        }
        Ok(())
    }
}
