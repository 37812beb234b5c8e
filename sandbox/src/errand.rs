//! A launcher for one job, which comes right after it: the sandbox is asked for before the launcher has even greeted,
//! and the job's policy can be read meanwhile.

use std::os::fd::{AsFd as _, OwnedFd};

use stockade_plan::encode;

use crate::Hierarchy;
use crate::cgroup::{CgroupParent, Leaf, Worker};
use crate::launcher::{LaunchError, LauncherProcess};
use crate::sandbox::{self, Sandbox};

/// A launcher that makes ready for one job.
#[derive(Debug)]
pub struct Errand {
    launcher: LauncherProcess,
    controllers: Vec<(&'static str, Hierarchy)>,
    worker: Worker,
    leaf: Leaf,
}

impl Errand {
    /// Makes the job's control group and asks the launcher for a sandbox in it. With a `terminal`, the job's end of a
    /// pseudo-terminal, the job has that in place of pipes: its other end must come as the job's
    /// [`crate::Stdin::Terminal`]. Needs no privilege and no runtime.
    ///
    /// # Errors
    /// [`LaunchError`] if the groups cannot be used or the launcher has ended.
    pub fn begin(
        launcher: LauncherProcess,
        cgroups: CgroupParent,
        terminal: Option<OwnedFd>,
    ) -> Result<Self, LaunchError> {
        let controllers = cgroups.controllers();
        let (worker, leaf) = cgroups.worker_of_one()?;
        let errand = Self { launcher, controllers, worker, leaf };
        errand.ask(terminal.as_ref()).inspect_err(|_| drop(errand.worker.remove()))?;
        Ok(errand)
    }

    fn ask(&self, terminal: Option<&OwnedFd>) -> Result<(), LaunchError> {
        let groups = self.leaf.open()?;
        let (request, fds) = groups.request(sandbox::FIRST, terminal)?;
        Ok(sandbox::send(self.launcher.socket.as_fd(), &encode(&request)?, &fds)?)
    }

    /// Waits for the launcher's greeting. The first job that the sandbox runs must be its only one.
    ///
    /// # Errors
    /// [`LaunchError`] if the launcher does not greet as it should.
    pub async fn sandbox(self) -> Result<Sandbox, LaunchError> {
        Sandbox::of_errand(self.launcher, self.controllers, self.worker, self.leaf).await
    }
}
