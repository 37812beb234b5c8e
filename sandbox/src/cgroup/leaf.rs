//! The control group of one job.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use stockade_plan::Request;

use super::file::{make_directory, write};
use super::mounts::{Placed, directories};
use super::sweep::WorkerName;
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
    pub(super) controllers: Vec<Placed>,
}

/// A leaf's directories as descriptors, for the launcher.
pub(crate) struct LeafDescriptors {
    pub(crate) unified: OwnedFd,
    pub(crate) v1: Vec<OwnedFd>,
}

impl LeafDescriptors {
    /// The request for a sandbox in this leaf, at `terminal` if there is one, and the descriptors beside it.
    pub(crate) fn request<'a>(
        &'a self,
        id: u64,
        terminal: Option<&'a OwnedFd>,
    ) -> std::io::Result<(Request, Vec<BorrowedFd<'a>>)> {
        let v1_groups = u8::try_from(self.v1.len()).map_err(std::io::Error::other)?;
        let fds = std::iter::once(&self.unified).chain(&self.v1).chain(terminal).map(AsFd::as_fd).collect();
        Ok((Request::Prepare { id, v1_groups, terminal: terminal.is_some() }, fds))
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

    /// Stops every process in it, or lets them go on; `cgroup.freeze`, cgroup-v2.rst.
    pub(crate) fn freeze(&self, frozen: bool) -> Result<(), CgroupError> {
        write(&self.unified, "cgroup.freeze", if frozen { "1" } else { "0" })
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
        directories(&self.unified, &self.controllers)
    }

    /// Where a controller sits and the leaf's directory there.
    pub(crate) fn place(&self, wanted: Controller) -> Result<(Hierarchy, &Path), CgroupError> {
        self.controllers
            .iter()
            .find(|(controller, _, _)| *controller == wanted)
            .map(|(_, hierarchy, path)| (*hierarchy, path.as_path()))
            .ok_or(CgroupError::NoController(wanted.name()))
    }

    /// Compares where a sandbox's init found itself, lines of `/proc/PID/cgroup`, with where it was put: its limits are
    /// those of the group it is in. cgroups(7): number, controllers, path; `0::` is the cgroup2 hierarchy.
    pub(crate) fn has(&self, joined: &[String]) -> Result<(), CgroupError> {
        let mut expected: Vec<(&str, &Path)> = vec![("", self.unified.as_path())];
        expected.extend(
            self.controllers
                .iter()
                .filter(|(_, hierarchy, _)| *hierarchy == Hierarchy::V1)
                .map(|(controller, _, path)| (controller.v1_name(), path.as_path())),
        );
        expected.into_iter().try_for_each(|(controller, path)| {
            let found = path_in(joined, controller);
            if found.is_some_and(|found| Path::new(found).ends_with(own_part(path))) {
                return Ok(());
            }
            Err(CgroupError::Elsewhere {
                path: path.to_owned(),
                found: found.unwrap_or("no group of that hierarchy").to_owned(),
            })
        })
    }

    /// Whether reading from disk can be limited in it.
    pub(crate) fn limits_disks(&self) -> bool {
        self.place(Controller::Io).is_ok()
    }
}

/// The path in the hierarchy that has this controller; no controller: the cgroup2 one.
fn path_in<'l>(lines: &'l [String], controller: &str) -> Option<&'l str> {
    lines.iter().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        controllers.split(',').any(|name| name == controller).then_some(path)
    })
}

/// From the worker's group on, whose name no other process of the host has: what is above it depends on who looks.
fn own_part(path: &Path) -> PathBuf {
    let is_worker = |part: &std::path::Component<'_>| {
        part.as_os_str().to_str().is_some_and(|name| WorkerName::parse(name).is_some())
    };
    let mut parts: Vec<_> = path.components().collect();
    let from = parts.iter().rposition(is_worker).unwrap_or(0);
    parts.drain(..from);
    parts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf() -> Leaf {
        let at = |hierarchy: &str| PathBuf::from(format!("/sys/fs/cgroup/{hierarchy}/stockade/w-17-4/j2"));
        Leaf {
            unified: at("unified"),
            controllers: vec![
                (Controller::Memory, Hierarchy::V1, at("memory")),
                (Controller::Cpu, Hierarchy::V1, at("cpu,cpuacct")),
                (Controller::Pids, Hierarchy::V2, at("unified")),
            ],
        }
    }

    fn joined(unified: &str, memory: &str, cpu: &str) -> Vec<String> {
        [format!("9:memory:{memory}"), format!("3:cpu,cpuacct:{cpu}"), format!("0::{unified}")].into()
    }

    #[test]
    fn a_sandbox_is_in_its_groups_when_each_hierarchy_says_so() {
        let own = "/stockade/w-17-4/j2";
        assert!(leaf().has(&joined(own, own, own)).is_ok());
        // Seen from a container whose groups lie deeper.
        let deep = format!("/docker/5af{own}");
        assert!(leaf().has(&joined(&deep, &deep, &deep)).is_ok());
    }

    #[test]
    fn one_hierarchy_in_which_it_is_elsewhere_is_an_error() {
        let own = "/stockade/w-17-4/j2";
        for other in ["/", "/stockade/w-17-4", "/stockade/w-17-4/j1", "/stockade/w-17-5/j2", "/j2"] {
            for lines in [joined(other, own, own), joined(own, other, own), joined(own, own, other)] {
                assert!(matches!(leaf().has(&lines), Err(CgroupError::Elsewhere { .. })), "{lines:?}");
            }
        }
        assert!(leaf().has(&[]).is_err());
        assert!(leaf().has(&joined(own, own, own)[..2]).is_err());
    }
}
