//! The sandboxes that are alive.

use std::os::fd::{AsFd, OwnedFd};

use nix::libc::pid_t;

use crate::sys;
use crate::uids::HostId;

/// One running sandbox.
#[derive(Debug)]
pub(crate) struct Live {
    /// The supervisor's number for it.
    pub(crate) id: u64,
    /// Of init; not reused before it is reaped here.
    pub(crate) pid: pid_t,
    /// Of init.
    pub(crate) pidfd: OwnedFd,
    /// The job's id on the host.
    pub(crate) host_id: HostId,
    /// Where init waits to be told what to build; gone once it has been told.
    pub(crate) orders: Option<OwnedFd>,
}

impl Live {
    /// Kills init, and with it every process of the pid namespace; pid_namespaces(7).
    pub(crate) fn kill(&self) {
        // ESRCH means that it has already ended, which is what is wanted.
        let _already_dead = sys::pidfd_kill(self.pidfd.as_fd());
    }
}
