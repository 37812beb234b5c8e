//! What was read back from the kernel, in the job's own process, before its first instruction.

use serde::{Deserialize, Serialize};

use crate::{List, NetworkFound, Rlimits, Stage};

/// Facts about a sandbox, each of them read from the kernel after it was set. Init compared them with the
/// plan before it let the job start; the supervisor records them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Inode numbers of the job's namespaces; namespaces(7).
    pub namespaces: Namespaces,
    /// The id the job runs as, on the host.
    pub host_uid: u32,
    /// The id the job sees.
    pub uid: u32,
    /// How many supplementary groups it has.
    pub groups: u32,
    /// `CapInh`, `CapPrm`, `CapEff`, `CapBnd`, `CapAmb` of `/proc/self/status`; capabilities(7).
    pub capabilities: [u64; 5],
    /// `PR_GET_SECUREBITS`.
    pub securebits: u32,
    /// `NoNewPrivs` of `/proc/self/status`.
    pub no_new_privs: bool,
    /// `Seccomp` of `/proc/self/status`: 2 is filter mode.
    pub seccomp_mode: u32,
    /// `Seccomp_filters` of `/proc/self/status`.
    pub seccomp_filters: u32,
    /// The Landlock ABI of the kernel.
    pub landlock_abi: u8,
    /// A file that permissions allow and no Landlock rule grants was refused with EACCES.
    pub landlock_probe_refused: bool,
    /// The lines of `/proc/self/cgroup`, as the host's control group hierarchies name them from inside the
    /// job's cgroup namespace; every path is `/`.
    pub cgroup_paths: List<String, 16>,
    /// The same lines as init saw them after it had joined its groups and before it entered that namespace: where it
    /// is, and the job with it.
    pub joined: List<String, 16>,
    /// The root, `/job`, `/tmp`, `/dev/shm` and `/proc`.
    pub mounts: List<Mounted, 8>,
    /// Read by getrlimit(2).
    pub rlimits: Rlimits,
    /// Descriptors that stay open across the execution, from `/proc/self/fd`.
    pub descriptors: List<u32, 16>,
    /// Of a network that has listeners.
    pub network: Option<NetworkFound>,
    /// How long each stage took.
    pub stages: List<StageTime, 32>,
}

/// Inode numbers of namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    /// user_namespaces(7).
    pub user: u64,
    /// mount_namespaces(7).
    pub mnt: u64,
    /// pid_namespaces(7).
    pub pid: u64,
    /// network_namespaces(7).
    pub net: u64,
    /// ipc_namespaces(7).
    pub ipc: u64,
    /// uts_namespaces(7).
    pub uts: u64,
    /// cgroup_namespaces(7).
    pub cgroup: u64,
}

impl Namespaces {
    /// Name and inode number of each, in a fixed order.
    pub const fn named(&self) -> [(&'static str, u64); 7] {
        [
            ("user", self.user),
            ("mnt", self.mnt),
            ("pid", self.pid),
            ("net", self.net),
            ("ipc", self.ipc),
            ("uts", self.uts),
            ("cgroup", self.cgroup),
        ]
    }

    /// The same under the names that these layers of confinement have in what is recorded of a job.
    pub const fn layers(&self) -> [(&'static str, u64); 7] {
        [
            ("user_namespace", self.user),
            ("mount_namespace", self.mnt),
            ("pid_namespace", self.pid),
            ("network_namespace", self.net),
            ("ipc_namespace", self.ipc),
            ("uts_namespace", self.uts),
            ("cgroup_namespace", self.cgroup),
        ]
    }
}

/// A mount as statvfs(3) shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounted {
    /// Where.
    pub path: String,
    /// `ST_RDONLY`.
    pub read_only: bool,
    /// `ST_NOSUID`.
    pub nosuid: bool,
    /// `ST_NODEV`.
    pub nodev: bool,
    /// `ST_NOEXEC`.
    pub noexec: bool,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// How many files it can hold.
    pub inodes: u64,
}

impl Mounted {
    /// The restrictions that it has, as mount(8) names them: `read-only nosuid nodev noexec`.
    pub fn flags(&self) -> String {
        let flags = [
            (self.read_only, "read-only"),
            (self.nosuid, "nosuid"),
            (self.nodev, "nodev"),
            (self.noexec, "noexec"),
        ];
        let set: Vec<&str> = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
        set.join(" ")
    }
}

/// How long a stage took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageTime {
    /// Which.
    pub stage: Stage,
    /// Microseconds since the stage before it ended.
    pub us: u32,
}
