//! The group under which a worker makes its jobs' groups.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::getpid;

use super::file::{make_directory_if_missing, read, write};
use super::leaf::Leaf;
use super::mounts::{Mounts, Placed, directories};
use super::sweep::{self, WorkerName};
use super::{CgroupError, Controller, Hierarchy, delegated};
use crate::User;

/// The group that is made where none is configured.
const NAME: &str = "stockade";

/// Where the groups are made.
#[derive(Debug, Clone, Default)]
pub struct CgroupConfig {
    /// A group, as a path within every hierarchy. If none is given: `stockade` within the group that has been delegated
    /// to this process, or else at the top. Other groups are never touched.
    pub parent: Option<PathBuf>,
}

/// Why the groups are where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ParentOrigin {
    /// The configuration names the place.
    Configured,
    /// The host's manager has delegated it to this service.
    Delegated,
    /// A group of our own at the top of the hierarchy.
    Top,
}

/// A group in every hierarchy that is used, handed to the unprivileged supervisor once.
#[derive(Debug)]
pub struct CgroupParent {
    unified: PathBuf,
    origin: ParentOrigin,
    controllers: Vec<Placed>,
}

impl CgroupParent {
    /// Makes the groups where they are missing, hands them to `owner`, and removes what workers that are no
    /// longer alive have left behind, processes included. Must be called as root. In a group that has been delegated
    /// the processes of this service move into one of their own.
    ///
    /// # Errors
    /// [`CgroupError`] if the host lacks a controller or a file cannot be used.
    pub fn prepare(config: &CgroupConfig, owner: &User) -> Result<Self, CgroupError> {
        let mounts = Mounts::find()?;
        let delegated = config.parent.is_none().then(|| delegated::find(&mounts.unified)).flatten();
        if let Some(group) = &delegated {
            delegated::make_room(group)?;
        }
        let origin = match (&config.parent, &delegated) {
            (Some(_), _) => ParentOrigin::Configured,
            (None, Some(_)) => ParentOrigin::Delegated,
            (None, None) => ParentOrigin::Top,
        };
        // What is above it is the manager's.
        let base = delegated.as_ref().unwrap_or(&mounts.unified);
        let group = config.parent.as_deref().unwrap_or(Path::new(NAME));
        let group = group.strip_prefix("/").unwrap_or(group);
        let controllers = mounts.controllers(base)?.into_iter().map(|(controller, hierarchy, mount)| {
            let at = if hierarchy == Hierarchy::V2 { base } else { &mount };
            (controller, hierarchy, at.join(group))
        });
        let parent = Self { unified: base.join(group), origin, controllers: controllers.collect() };
        make_with_ancestors(base, &parent.unified, &parent.in_unified())?;
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

    /// The group in the cgroup2 hierarchy.
    pub fn path(&self) -> &Path {
        &self.unified
    }

    /// Why the groups are there.
    pub const fn origin(&self) -> ParentOrigin {
        self.origin
    }

    /// Where each controller sits: `memory`, `pids`, `cpu`, and `io` if the host has it.
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
        let used = worker.controllers.iter().filter(|placed| !is_disks_of_v1(placed));
        let leaf = Leaf { unified: worker.unified.clone(), controllers: used.cloned().collect() };
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

    fn v1(&self) -> impl Iterator<Item = &Placed> {
        self.controllers.iter().filter(|(_, hierarchy, _)| *hierarchy == Hierarchy::V1)
    }

    /// Each once, though two controllers may share a hierarchy.
    fn directories(&self) -> Vec<&PathBuf> {
        directories(&self.unified, &self.controllers)
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
    controllers: Vec<Placed>,
    jobs: AtomicU64,
}

impl Worker {
    /// A new group, without limits yet. A version 1 hierarchy that few jobs need costs every job that is in it, so a group
    /// there is made only `with_disks`.
    pub(crate) fn leaf(&self, with_disks: bool) -> Result<Leaf, CgroupError> {
        let name = format!("j{}", self.jobs.fetch_add(1, Ordering::Relaxed));
        let used = self.controllers.iter().filter(|placed| with_disks || !is_disks_of_v1(placed));
        let leaf = Leaf {
            unified: self.unified.join(&name),
            controllers: used.map(|(c, h, path)| (*c, *h, path.join(&name))).collect(),
        };
        leaf.make()?;
        Ok(leaf)
    }

    /// The group of a worker that has but one, made anew with disks.
    pub(crate) fn leaf_again(&self) -> Result<Leaf, CgroupError> {
        let leaf = Leaf { unified: self.unified.clone(), controllers: self.controllers.clone() };
        leaf.make()?;
        Ok(leaf)
    }

    /// Whether a group that was made without a thought of disks has a limit on them to offer.
    pub(crate) fn every_leaf_limits_disks(&self) -> bool {
        !self.controllers.iter().any(is_disks_of_v1)
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
        directories(&self.unified, &self.controllers)
    }
}

fn is_disks_of_v1((controller, hierarchy, _): &Placed) -> bool {
    (*controller, *hierarchy) == (Controller::Io, Hierarchy::V1)
}
