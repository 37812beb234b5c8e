//! What confines a job: what it sees, Landlock, seccomp, limits.

use serde::{Deserialize, Serialize};

use crate::bounded::between;
use crate::{AbsPath, Hostname, Limits, List, Network, View, WatchList};

/// Everything a sandbox is made of. A sandbox can be built from it before the job is known that will run in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Confinement {
    /// What the job sees.
    pub view: View,
    /// What it may touch of that.
    pub landlock: Landlock,
    /// The system calls of the job.
    pub filter: Filter,
    /// The system calls of the sandbox's own init once it has built the sandbox.
    pub init_filter: Filter,
    /// Per-process limits.
    pub rlimits: Rlimits,
    /// Limits on the job as a whole.
    pub limits: Limits,
    /// The host name it sees.
    pub hostname: Hostname,
    /// How far its network reaches.
    pub network: Network,
}

/// The Landlock domain of the job, landlock(7). Everything the host's ABI knows is handled, so whatever no
/// rule grants is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Landlock {
    /// The ABI this plan was compiled for; the launcher refuses to run it under an older one.
    pub abi: u8,
    /// What is granted of files. Paths are looked up inside the sandbox, after the root has been changed. Of TCP
    /// nothing is granted but to connect to the ports of [`Network`].
    pub rules: List<LandlockRule, 512>,
}

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LandlockRule {
    /// A file, or a directory and all beneath it.
    pub path: AbsPath,
    /// What is granted there.
    pub access: Access,
}

/// A set of Landlock rights that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Access {
    /// Open files for reading, list directories.
    Read,
    /// Read and execute: allowed commands, their interpreters and loaders.
    Execute,
    /// Read, and make, change, rename and remove regular files, directories, symbolic links, FIFOs and sockets.
    Write,
    /// Open a device for reading and writing.
    Device,
}

/// The most instructions a filter may have: `BPF_MAXINSNS`, linux/bpf_common.h.
pub const FILTER_MAX: usize = 4096;

/// A classic BPF program for seccomp(2). It is compiled on the unprivileged side and only checked for size
/// here; the kernel verifies the rest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Filter {
    /// The program.
    pub instructions: List<Instruction, FILTER_MAX>,
    /// The calls to which it answers that init be asked; none for a filter without a listener.
    pub watched: WatchList,
}

/// `struct sock_filter`, linux/filter.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Instruction {
    /// Operation code.
    pub code: u16,
    /// Jump offset if true.
    pub jt: u8,
    /// Jump offset if false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Per-process limits, getrlimit(2); soft and hard are the same. `RLIMIT_MEMLOCK`, `RLIMIT_MSGQUEUE` and the
/// real-time limits are always zero, and no core is ever dumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rlimits {
    /// `RLIMIT_NOFILE`.
    #[serde(deserialize_with = "between::<8, { 1 << 20 }, _, _>")]
    pub open_files: u64,
    /// `RLIMIT_FSIZE`, bytes.
    #[serde(deserialize_with = "between::<1, { 1 << 50 }, _, _>")]
    pub file_bytes: u64,
    /// `RLIMIT_NPROC`: a second bound behind the pids controller; the job's uid is its own.
    #[serde(deserialize_with = "between::<1, 4_194_304, _, _>")]
    pub processes: u64,
    /// `RLIMIT_CPU`, seconds: a second bound behind the control group's count.
    #[serde(deserialize_with = "between::<1, { 366 * 86_400 }, _, _>")]
    pub cpu_seconds: u64,
    /// `RLIMIT_STACK`, bytes.
    #[serde(deserialize_with = "between::<65536, { 1 << 40 }, _, _>")]
    pub stack_bytes: u64,
    /// `RLIMIT_SIGPENDING`.
    #[serde(deserialize_with = "between::<1, { 1 << 20 }, _, _>")]
    pub pending_signals: u64,
}
