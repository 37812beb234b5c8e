//! The control group of one job.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use stockade_plan::Request;

use super::file::{keyed, make_directory, read, write};
use super::{CgroupError, Controller, Hierarchy};

/// How long the kernel may take to let go of a group whose processes have been reaped.
const REMOVE_TRIES: u32 = 200;
const REMOVE_PAUSE: Duration = Duration::from_millis(10);
/// A minute of pauses.
const KILL_TRIES: u32 = 6000;

/// One job's group in every hierarchy.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(super) unified: PathBuf,
    pub(super) controllers: Vec<(Controller, Hierarchy, PathBuf)>,
}

/// A leaf's directories as descriptors, for the launcher.
pub(crate) struct LeafDescriptors {
    pub(crate) unified: OwnedFd,
    pub(crate) v1: Vec<OwnedFd>,
}

impl LeafDescriptors {
    /// The request for a sandbox in this leaf, and the descriptors beside it.
    pub(crate) fn request(&self, id: u64) -> std::io::Result<(Request, Vec<BorrowedFd<'_>>)> {
        let v1_groups = u8::try_from(self.v1.len()).map_err(std::io::Error::other)?;
        let fds = std::iter::once(&self.unified).chain(&self.v1).map(AsFd::as_fd).collect();
        Ok((Request::Prepare { id, v1_groups }, fds))
    }
}

impl Leaf {
    /// Its name in the cgroup2 hierarchy.
    pub(crate) fn name(&self) -> String {
        self.unified.display().to_string()
    }

    /// Makes its directories: all of them, or none.
    pub(super) fn make(&self) -> Result<(), CgroupError> {
        let made = self.directories().into_iter().try_for_each(|path| make_directory(path));
        if made.is_err() {
            self.remove_directories();
        }
        made
    }

    /// Opens the leaf's directories: the cgroup2 one, then each version 1 one.
    pub(crate) fn open(&self) -> Result<LeafDescriptors, CgroupError> {
        let open_directory = |path: &PathBuf| {
            open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|errno| CgroupError::File { what: "open", path: path.clone(), source: errno.into() })
        };
        let v1 = self.directories().into_iter().filter(|path| **path != self.unified).map(open_directory);
        Ok(LeafDescriptors { v1: v1.collect::<Result<_, _>>()?, unified: open_directory(&self.unified)? })
    }

    /// Kills every process in it, all at once: no process can fork its way out, `cgroup.kill`, cgroup-v2.rst.
    pub(crate) fn kill(&self) -> Result<(), CgroupError> {
        write(&self.unified, "cgroup.kill", "1")
    }

    /// Kills every process in it, however long it takes to be able to: opening `cgroup.kill` takes a descriptor, and a job
    /// must not outlive its end because there is none to spare.
    pub(crate) async fn kill_surely(&self) -> Result<(), CgroupError> {
        let mut tries = KILL_TRIES;
        loop {
            match self.kill() {
                // It has gone, and what was in it before it.
                Err(CgroupError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(());
                }
                Err(_) if tries > 0 => tries -= 1,
                killed => return killed,
            }
            tokio::time::sleep(REMOVE_PAUSE).await;
        }
    }

    /// Kills what is left and removes the group. It is killed in every round: a launcher that was slow may put a
    /// process into it even now. A group that still has processes after two seconds stays, and
    /// is an error: the next worker's sweep finds it.
    pub(crate) async fn remove(self) -> Result<(), CgroupError> {
        for _ in 0..REMOVE_TRIES {
            self.kill_surely().await?;
            if self.remove_directories() {
                return Ok(());
            }
            tokio::time::sleep(REMOVE_PAUSE).await;
        }
        let source = std::io::Error::from(std::io::ErrorKind::ResourceBusy);
        Err(CgroupError::File { what: "remove", path: self.unified, source })
    }

    /// Whether all are gone.
    pub(super) fn remove_directories(&self) -> bool {
        let gone = |path: &PathBuf| match std::fs::remove_dir(path) {
            Ok(()) => true,
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        // Every directory is tried, also after one that is still in use.
        let left = self.directories().into_iter().filter(|path| !gone(path)).count();
        left == 0
    }

    /// Each once, though two controllers may share a hierarchy.
    pub(super) fn directories(&self) -> Vec<&PathBuf> {
        let mut all: Vec<_> =
            self.controllers.iter().map(|(_, _, path)| path).chain([&self.unified]).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Where a controller sits and the leaf's directory there.
    pub(crate) fn place(&self, wanted: Controller) -> Result<(Hierarchy, &Path), CgroupError> {
        self.controllers
            .iter()
            .find(|(controller, _, _)| *controller == wanted)
            .map(|(_, hierarchy, path)| (*hierarchy, path.as_path()))
            .ok_or(CgroupError::NoController(wanted.name()))
    }

    /// How often the kernel has killed a process of the job for memory.
    pub(crate) fn oom_kills(&self) -> Result<u64, CgroupError> {
        let (hierarchy, path) = self.place(Controller::Memory)?;
        let file = match hierarchy {
            Hierarchy::V2 => "memory.events",
            Hierarchy::V1 => "memory.oom_control",
        };
        keyed(&read(path, file)?, "oom_kill")
            .ok_or_else(|| CgroupError::Malformed { path: path.join(file), field: "oom_kill" })
    }
}
