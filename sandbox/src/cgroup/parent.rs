//! The group under which a worker makes its jobs' groups.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::getpid;

use super::file::{make_directory_if_missing, read, write};
use super::leaf::Leaf;
use super::mounts::Mounts;
use super::sweep::{self, WorkerName};
use super::{CgroupError, Controller, Hierarchy};
use crate::User;

/// Where the groups are made.
#[derive(Debug, Clone, Default)]
pub struct CgroupConfig {
    /// A group, as a path within every hierarchy. `stockade` at the top if none is given; other groups are
    /// never touched.
    pub parent: Option<PathBuf>,
}

/// A group in every hierarchy that is used, handed to the unprivileged supervisor once.
#[derive(Debug)]
pub struct CgroupParent {
    unified: PathBuf,
    controllers: Vec<(Controller, Hierarchy, PathBuf)>,
}

impl CgroupParent {
    /// Makes the groups where they are missing, hands them to `owner`, and removes what workers that are no
    /// longer alive have left behind, processes included. Must be called as root.
    ///
    /// # Errors
    /// [`CgroupError`] if the host lacks a controller or a file cannot be used.
    pub fn prepare(config: &CgroupConfig, owner: &User) -> Result<Self, CgroupError> {
        let mounts = Mounts::find()?;
        let group = config.parent.as_deref().unwrap_or(Path::new("stockade"));
        let place = |mount: &Path| mount.join(group.strip_prefix("/").unwrap_or(group));
        let in_unified: Vec<_> =
            mounts.controllers.iter().filter(|(_, place, _)| *place == Hierarchy::V2).map(|c| c.0).collect();
        let parent = Self {
            unified: place(&mounts.unified),
            controllers: mounts.controllers.iter().map(|(c, h, mount)| (*c, *h, place(mount))).collect(),
        };
        make_with_ancestors(&mounts.unified, &parent.unified, &in_unified)?;
        for (_, _, directory) in parent.v1() {
            std::fs::create_dir_all(directory).map_err(|source| CgroupError::File {
                what: "make",
                path: directory.clone(),
                source,
            })?;
        }
        for directory in parent.directories() {
            hand_over(directory, owner)?;
        }
        sweep::sweep(&parent.unified, &parent.directories())?;
        Ok(parent)
    }

    /// Where each controller sits: `memory`, `pids`, `cpu`.
    pub fn controllers(&self) -> Vec<(&'static str, Hierarchy)> {
        self.controllers.iter().map(|(controller, hierarchy, _)| (controller.name(), *hierarchy)).collect()
    }

    /// A group for this process's jobs; no privilege needed.
    pub(crate) fn worker(self) -> Result<Worker, CgroupError> {
        let in_unified = self.in_unified();
        let worker = self.named();
        for directory in worker.directories() {
            make_directory_if_missing(directory)?;
        }
        enable(&worker.unified, &in_unified)?;
        Ok(worker)
    }

    /// A group for the one job that this process has: where there is but one, it needs no group above its own. The
    /// worker's [`Worker::leaf`] must not be asked for.
    pub(crate) fn worker_of_one(self) -> Result<(Worker, Leaf), CgroupError> {
        let worker = self.named();
        let leaf = Leaf { unified: worker.unified.clone(), controllers: worker.controllers.clone() };
        leaf.make()?;
        Ok((worker, leaf))
    }

    fn named(self) -> Worker {
        let name = WorkerName::of_this_process(getpid().as_raw_nonzero().get()).to_string();
        let unified = self.unified.join(&name);
        let controllers = self.controllers.into_iter().map(|(c, h, path)| (c, h, path.join(&name))).collect();
        Worker { unified, controllers, jobs: AtomicU64::new(0) }
    }

    fn in_unified(&self) -> Vec<Controller> {
        self.controllers.iter().filter(|(_, h, _)| *h == Hierarchy::V2).map(|(c, _, _)| *c).collect()
    }

    fn v1(&self) -> impl Iterator<Item = &(Controller, Hierarchy, PathBuf)> {
        self.controllers.iter().filter(|(_, hierarchy, _)| *hierarchy == Hierarchy::V1)
    }

    /// Each once, though two controllers may share a hierarchy.
    fn directories(&self) -> Vec<&PathBuf> {
        let mut all: Vec<_> =
            std::iter::once(&self.unified).chain(self.v1().map(|(_, _, path)| path)).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// Makes the group and its ancestors in the cgroup2 hierarchy, with the controllers handed down to the group's
/// children: "Top-down Constraint", cgroup-v2.rst.
fn make_with_ancestors(mount: &Path, group: &Path, controllers: &[Controller]) -> Result<(), CgroupError> {
    enable(mount, controllers)?;
    let mut at = mount.to_owned();
    for component in group.strip_prefix(mount).unwrap_or(group).components() {
        at.push(component);
        make_directory_if_missing(&at)?;
        enable(&at, controllers)?;
    }
    Ok(())
}

/// Hands the controllers down to the children of `group`, those that are not yet.
fn enable(group: &Path, controllers: &[Controller]) -> Result<(), CgroupError> {
    let enabled = read(group, "cgroup.subtree_control")?;
    for controller in controllers {
        if !enabled.split_whitespace().any(|name| name == controller.name()) {
            write(group, "cgroup.subtree_control", &format!("+{}", controller.name()))?;
        }
    }
    Ok(())
}

/// "Model of Delegation", cgroup-v2.rst: the directory and the files that move processes and hand down
/// controllers; the limits of the group itself stay root's.
fn hand_over(directory: &Path, owner: &User) -> Result<(), CgroupError> {
    // The directory comes last: when it is the owner's, so is all that was to become his.
    let files = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "tasks", ""];
    let owned = |found: std::fs::Metadata| (found.uid(), found.gid()) == (owner.uid, owner.gid);
    if std::fs::symlink_metadata(directory).is_ok_and(owned) {
        return Ok(());
    }
    for path in files.map(|file| directory.join(file)) {
        match chown(&path, Some(owner.uid), Some(owner.gid)) {
            Ok(()) => {}
            // Each version has files the other lacks.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(CgroupError::File { what: "hand over", path, source }),
        }
    }
    Ok(())
}

/// This process's group; jobs' groups are its children.
#[derive(Debug)]
pub(crate) struct Worker {
    unified: PathBuf,
    controllers: Vec<(Controller, Hierarchy, PathBuf)>,
    jobs: AtomicU64,
}

impl Worker {
    /// A new group, without limits yet.
    pub(crate) fn leaf(&self) -> Result<Leaf, CgroupError> {
        let name = format!("j{}", self.jobs.fetch_add(1, Ordering::Relaxed));
        let leaf = Leaf {
            unified: self.unified.join(&name),
            controllers: self.controllers.iter().map(|(c, h, path)| (*c, *h, path.join(&name))).collect(),
        };
        leaf.make()?;
        Ok(leaf)
    }

    /// Removes this process's group; its jobs' groups have gone before it, or were this one.
    pub(crate) fn remove(&self) -> Result<(), CgroupError> {
        for path in self.directories() {
            match std::fs::remove_dir(path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(CgroupError::File { what: "remove", path: path.clone(), source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Each once, though two controllers may share a hierarchy.
    fn directories(&self) -> Vec<&PathBuf> {
        let mut all: Vec<&PathBuf> =
            self.controllers.iter().map(|(_, _, path)| path).chain([&self.unified]).collect();
        all.sort();
        all.dedup();
        all
    }
}
