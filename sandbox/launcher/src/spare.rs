//! Namespaces made before they are asked for. A network namespace is the dearest part of a sandbox and depends on
//! nothing that a request says, nor does the job's user namespace; so one of each lies ready, made when nobody waits, and
//! serves one sandbox.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{OFlag, open, openat};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;

use crate::init::user_namespace::UserNamespace;
use crate::steps::{During, Fault};
use crate::uids::{HostId, HostIds};

/// Those that init enters itself.
const KINDS: [(&str, CloneFlags); 3] =
    [("net", CloneFlags::CLONE_NEWNET), ("ipc", CloneFlags::CLONE_NEWIPC), ("uts", CloneFlags::CLONE_NEWUTS)];

/// All of them.
pub(crate) fn kinds() -> CloneFlags {
    KINDS.into_iter().map(|(_, kind)| kind).collect()
}

/// Network, ipc and uts namespaces, owned by the host's user namespace, in the order of [`KINDS`].
#[derive(Debug)]
struct Set([OwnedFd; KINDS.len()]);

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
    fn enter(&self) -> Result<(), Fault> {
        let mut all = self.0.iter().zip(KINDS);
        all.try_for_each(|(namespace, (name, kind))| setns(namespace, kind).during("setns", name))
    }
}

/// What one sandbox is given: namespaces, and the host id that its user namespace belongs to.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) host_id: HostId,
    user: OwnedFd,
    others: Set,
}

impl Ready {
    /// Puts the calling process into the network, ipc and uts namespaces; the user namespace is for the job.
    pub(crate) fn enter(self) -> Result<OwnedFd, Fault> {
        self.others.enter().map(|()| self.user)
    }

    /// Its descriptors.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.others.0.iter().chain([&self.user]).map(AsFd::as_fd)
    }
}

/// The launcher's own namespaces, and those that lie ready.
#[derive(Debug)]
pub(crate) struct Spare {
    own: Set,
    ready: Option<Ready>,
    /// Tried once: what could not be made is not tried again before somebody asks for it.
    tried: bool,
}

impl Spare {
    pub(crate) fn new() -> Result<Self, Fault> {
        Ok(Self { own: Set::current()?, ready: None, tried: false })
    }

    pub(crate) fn is_lacking(&self) -> bool {
        self.ready.is_none() && !self.tried
    }

    /// What lies ready. Nobody gets it again.
    pub(crate) fn take(&mut self) -> Option<Ready> {
        self.tried = false;
        self.ready.take()
    }

    /// Makes what is lacking, if there is an id to spare. Where it cannot be made each sandbox makes its own, or says
    /// why it cannot.
    ///
    /// # Errors
    /// The launcher may be lost in a sandbox's namespaces then, and must serve no longer.
    pub(crate) fn make(&mut self, ids: &mut HostIds) -> Result<(), Fault> {
        self.tried = true;
        let Some(host_id) = ids.take() else { return Ok(()) };
        let user = UserNamespace::begun(host_id).ok();
        let others = self.others()?;
        let made = user.and_then(|user| user.made().ok()).zip(others);
        match made {
            Some((user, others)) => self.ready = Some(Ready { host_id, user, others }),
            None => ids.release(host_id),
        }
        Ok(())
    }

    /// The launcher, which has one thread, enters new namespaces, holds on to them and comes back.
    fn others(&self) -> Result<Option<Set>, Fault> {
        if unshare(kinds()).is_err() {
            return Ok(None);
        }
        let made = Set::current();
        self.own.enter()?;
        Ok(made.ok())
    }
}
