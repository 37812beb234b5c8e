//! The sandboxes that are alive.

use std::os::fd::{AsFd, OwnedFd};

use nix::libc::{SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, c_int, pid_t};
use stockade_plan::JobSignal;

use crate::uids::HostId;
use crate::{orders, sys};

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
    /// The same, once it has been told: it says over it which process is the job's.
    pub(crate) told: Option<OwnedFd>,
    /// Of the job's first process, once somebody has asked.
    pub(crate) job: Option<OwnedFd>,
}

impl Live {
    /// Kills init, and with it every process of the pid namespace; pid_namespaces(7).
    pub(crate) fn kill(&self) {
        // ESRCH means that it has already ended, which is what is wanted.
        let _already_dead = sys::pidfd_signal(self.pidfd.as_fd(), SIGKILL);
    }

    /// Sends a signal to the job's first process and its process group. A job that has ended, or has not begun,
    /// misses it.
    pub(crate) fn signal(&mut self, signal: JobSignal) {
        if self.job.is_none() {
            self.job = self.told.as_ref().and_then(|told| orders::hear_of_job(told.as_fd()));
        }
        let Some(job) = &self.job else { return };
        let number = number(signal);
        if sys::pidfd_signal_group(job.as_fd(), number).is_err() {
            // Before Linux 6.9 there is no way to name a group that cannot hit another one.
            let _already_dead = sys::pidfd_signal(job.as_fd(), number);
        }
    }
}

fn number(signal: JobSignal) -> c_int {
    match signal {
        JobSignal::Hangup => SIGHUP,
        JobSignal::Interrupt => SIGINT,
        JobSignal::Quit => SIGQUIT,
        JobSignal::Terminate => SIGTERM,
        JobSignal::User1 => SIGUSR1,
        JobSignal::User2 => SIGUSR2,
    }
}
