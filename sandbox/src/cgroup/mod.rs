//! Control groups: a place under which each job gets a group of its own.
//!
//! Every controller is used where the host has it: in the cgroup2 hierarchy, or, on a host in transition, in
//! its version 1 hierarchy. A cgroup2 hierarchy must be there in any case, for `cgroup.kill`, for
//! `CLONE_INTO_CGROUP` and for processor time. <https://docs.kernel.org/admin-guide/cgroup-v2.html>

mod delegated;
mod disks;
mod file;
mod leaf;
mod limits;
mod mounts;
mod parent;
mod stats;
mod sweep;

use std::path::PathBuf;

pub(crate) use leaf::{Leaf, LeafDescriptors};
pub(crate) use parent::Worker;
pub use parent::{CgroupConfig, CgroupParent, ParentOrigin};
pub(crate) use stats::{CpuTime, Gauges, Stats, Throttled};

/// Where a controller sits on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hierarchy {
    /// In the cgroup2 hierarchy.
    V2,
    /// In a version 1 hierarchy.
    V1,
}

/// A controller that jobs are limited by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Controller {
    Memory,
    Pids,
    Cpu,
    /// Only a job whose policy limits it needs this one, and not every host has it.
    Io,
}

impl Controller {
    pub(crate) const ALL: [Self; 4] = [Self::Memory, Self::Pids, Self::Cpu, Self::Io];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
            Self::Io => "io",
        }
    }

    /// As version 1 calls it.
    pub(crate) const fn v1_name(self) -> &'static str {
        match self {
            Self::Io => "blkio",
            other => other.name(),
        }
    }

    /// Whether no job runs without it.
    pub(crate) const fn is_required(self) -> bool {
        !matches!(self, Self::Io)
    }
}

/// Each controller that this host has, and where it sits; nothing without a cgroup2 hierarchy.
pub(crate) fn hierarchies() -> Vec<(&'static str, Hierarchy)> {
    let Ok(mounts) = mounts::Mounts::find() else { return Vec::new() };
    let group = delegated::find(&mounts.unified).unwrap_or_else(|| mounts.unified.clone());
    mounts.present(&group).into_iter().map(|(controller, place, _)| (controller.name(), place)).collect()
}

/// Control groups cannot be used as they must.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// There is no cgroup2 hierarchy.
    #[error("no cgroup2 file system is mounted; mount one (`mount -t cgroup2 none /sys/fs/cgroup/unified`)")]
    NoUnified,
    /// A controller is nowhere.
    #[error(
        "control group controller `{0}` is available neither in cgroup2 nor in version 1; enable it in the kernel, and in \
         a group that is delegated hand it down (`Delegate=yes`)"
    )]
    NoController(&'static str),
    /// A file of the hierarchy could not be used.
    #[error("cannot {what} control group file `{path}`: {source}")]
    File {
        /// `read`, `write`, `make`, …
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel has another limit than the one that was written.
    #[error("control group limit `{path}` reads `{found}` after `{wanted}` was written; the job is refused")]
    Mismatch {
        /// Which.
        path: PathBuf,
        /// What was written.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// A sandbox is not where its limits are.
    #[error("the sandbox is not in its control group `{path}` but in `{found}`; the job is refused")]
    Elsewhere {
        /// Where it was to be.
        path: PathBuf,
        /// Where it is, as `/proc/PID/cgroup` names it.
        found: String,
    },
    /// A limit on reading from disk was asked for, and the disk is not known.
    #[error("cannot tell which disk `{path}` is on, to limit reading from it: {why}; the job is refused")]
    NoDisk {
        /// What the job would read.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A file does not have the form the kernel's documentation gives.
    #[error("control group file `{path}` has no field `{field}`")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is missing.
        field: &'static str,
    },
}
