//! Pid 1 of a sandbox: builds it, starts the job, reaps, collects the outputs.
//!
//! Init is the launcher's own image after clone3(2), with one thread and the launcher's capabilities. It gives
//! them up before it hears of the job. From then on it is as confined as the job, under the same host id, and what
//! it does costs the job: it lives in the job's control groups.

mod confine;
mod inputs;
pub(crate) mod mounts;
mod namespaces;
mod network;
mod reap;
pub(crate) mod start;
mod task;
pub(crate) mod user_namespace;
mod witness;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::dup2_stderr;
use stockade_plan::{Confinement, Report, SetupError, Stage};

use crate::job::evidence::cgroup_paths;
use crate::request::Groups;
use crate::spare::Ready;
use crate::spawn::SandboxEnds;
use crate::startup::Launcher;
use crate::steps::{During, Fault, Steps};
use crate::sys;
use crate::uids::HostId;
use crate::{frames, orders};

/// What init has from the launcher.
pub(crate) struct Init<'l> {
    pub(crate) launcher: &'l Launcher,
    pub(crate) groups: &'l Groups,
    pub(crate) host_id: HostId,
    /// Namespaces that lay ready.
    pub(crate) ready: Option<Ready>,
    pub(crate) ends: SandboxEnds,
    pub(crate) steps: Steps,
}

/// Init's whole life. Never returns into the launcher's loop.
pub(crate) fn main(mut init: Init<'_>) -> ! {
    let told = match init.start() {
        Ok(started) => {
            reap::supervise(started, init.ends.task.into(), &mut init.steps, init.ends.status.as_fd())
        }
        Err(error) => frames::send(init.ends.status.as_fd(), &Report::SetupFailed(error)),
    };
    // With the supervisor gone there is nobody left to tell.
    sys::exit_now(i32::from(told.is_err()))
}

impl Init<'_> {
    fn start(&mut self) -> Result<reap::Started, SetupError> {
        self.prepare().map_err(|fault| fault.at(Stage::Clone))?;
        let joined = self.steps.run(Stage::Cgroup, || {
            namespaces::join_v1_groups(&self.groups.v1)?;
            cgroup_paths()
        })?;
        let (ready, host_id) = (self.ready.take(), self.host_id);
        let user_namespace = self.steps.run(Stage::Namespaces, || namespaces::take(ready, host_id))?;
        let user_namespace = self.steps.run(Stage::UserNamespace, || user_namespace.made())?;
        let confinement = self.build()?;
        let mut started = start::start_job(self, &confinement, user_namespace)?;
        started.evidence.joined = joined;
        Ok(started)
    }

    /// Leaves behind what belongs to the launcher: descriptors, signal actions, its life.
    fn prepare(&self) -> Result<(), Fault> {
        sys::close_all_but(&self.kept_descriptors()).during("close_range", "the launcher's descriptors")?;
        self.null_streams()?;
        sys::reset_signals().during("sigaction", "default actions")?;
        die_with_launcher(self.launcher.lifeline.as_fd())
    }

    fn kept_descriptors(&self) -> Vec<i32> {
        let fixed = [0, self.launcher.lifeline.as_raw_fd(), self.launcher.ids.lock().as_raw_fd()];
        let groups = self.groups.v1.iter().map(AsRawFd::as_raw_fd);
        let ready = self.ready.iter().flat_map(Ready::descriptors).map(|fd| fd.as_raw_fd());
        let mut keep: Vec<i32> =
            fixed.into_iter().chain(self.ends.raw()).chain(groups).chain(ready).collect();
        keep.sort_unstable();
        keep
    }

    /// The launcher's output and error are the supervisor's: init must not hold them.
    fn null_streams(&self) -> Result<(), Fault> {
        let null = std::io::stdin();
        sys::become_stream(null.as_fd(), 1).during("dup2", "/dev/null")?;
        dup2_stderr(null.as_fd()).during("dup2", "/dev/null")
    }

    /// Waits until it is known what to build, and builds it.
    fn build(&mut self) -> Result<Confinement, SetupError> {
        let ordered = orders::await_them(self.ends.orders.as_fd());
        let (confinement, view) = ordered.map_err(|fault| fault.at(Stage::View))?;
        self.steps.resume();
        self.steps.run(Stage::EnterView, || namespaces::enter_view(view.as_fd()))?;
        self.steps.run(Stage::Mounts, || mounts::mount_own(&confinement.limits, self.host_id))?;
        self.steps.run(Stage::Hostname, || namespaces::name_host(&confinement.hostname))?;
        let task = self.ends.task.as_fd();
        self.steps.run(Stage::Network, || network::listen(&confinement.network, task))?;
        Ok(confinement)
    }
}

/// Asks the kernel for `SIGKILL` when the launcher dies, prctl(2), and makes sure that it has not died already.
/// A change of ids clears the request, so it is made again after each.
pub(crate) fn die_with_launcher(lifeline: BorrowedFd<'_>) -> Result<(), Fault> {
    prctl::set_pdeathsig(Signal::SIGKILL).during("PR_SET_PDEATHSIG", "SIGKILL")?;
    let mut fds = [PollFd::new(lifeline, PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).during("poll", "the launcher's lifeline")?;
    match fds.first().and_then(PollFd::any) {
        Some(false) => Ok(()),
        _ => Err(Fault::new("check", "the launcher is gone", Errno::EOWNERDEAD)),
    }
}
