//! What passes between the supervisor and the init of a container that it has an engine run.
//!
//! Both ways each value stands behind its length, four bytes, the lowest first: an [`Errand`] and the bytes of its inputs on
//! init's standard input, [`ContainerMessage`]s on its standard output. Init runs inside the container, beside the job: it
//! is believed no further than a job could be, but that the job cannot speak in its place (see the init itself).

use serde::{Deserialize, Serialize};

use crate::{
    Arg, Ended, EnvVar, FileName, Found, Input, Limits, List, Mounted, Namespaces, Network, NetworkFound,
    Output, Rusage,
};

/// The most bytes of the job's output in one message.
pub const OUTPUT_CHUNK_MAX: usize = 32 * 1024;

/// `getsid` of this process, which no kernel has (its number is above the largest `pid_max`, proc(5)), is answered by the
/// profile of a container with an error number that is the profile's own, from [`SECCOMP_MARKS`]: so its init finds out which
/// profile is in force.
pub const SECCOMP_MARK: i32 = 0x5354_4B44;

/// Above all error numbers that a kernel answers, and below `MAX_ERRNO`, up to which a filter can answer; seccomp(2).
pub const SECCOMP_MARKS: std::ops::Range<u16> = 2048..4095;

/// What a container is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// The program and its arguments. A program without a `/` is looked up in the job's `PATH`.
    pub arguments: List<Arg, 4096>,
    /// The whole environment of the job.
    pub environment: List<EnvVar, 1024>,
    /// What lies in `/job` when it starts.
    pub inputs: List<Input, 64>,
    /// The input that is its standard input too.
    pub stdin: Option<FileName>,
    /// What is collected from `/job` when it has ended.
    pub outputs: List<Output, 64>,
    /// What init makes of its network namespace, whose loopback is up already. Sockets are handed over at the Unix socket that it
    /// is started with the path of.
    pub network: Network,
    /// What it may use up. The engine was told the same; init reads back what came of it, and keeps those that no engine
    /// knows: wall clock, processor time, output.
    pub limits: Limits,
}

/// One message of a container's init.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerMessage {
    /// What is in force, read before the job was started. The job inherits all of it.
    Ready(Box<ContainerEvidence>),
    /// The job could not be started: what was being done, and what the kernel answered.
    NotStarted {
        /// What was being done, and to what.
        what: String,
        /// The error number.
        errno: i32,
    },
    /// The job's program has been executed.
    Started,
    /// The job printed this.
    Printed {
        /// Whether on standard error.
        error: bool,
        /// What.
        bytes: List<u8, OUTPUT_CHUNK_MAX>,
    },
    /// The job has ended, and every process with it.
    Ended(Box<Account>),
    /// What became of one declared output; [`ContainerMessage::Chunk`]s follow for a file that was found.
    Output {
        /// Its index in the errand's outputs.
        index: u32,
        /// What was there.
        found: Found,
    },
    /// The next bytes of that file.
    Chunk(List<u8, 65536>),
    /// Nothing follows.
    Done,
}

/// Why a job's processes were ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// Its first process ended by itself.
    Itself,
    /// Its supervisor said so.
    Told,
    /// Its wall clock ran out.
    WallTime,
    /// Its processor time was used up.
    CpuTime,
    /// It printed more than it may.
    Output,
}

/// What became of a container's job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// How its first process ended.
    pub ended: Ended,
    /// Why.
    pub cause: Cause,
    /// From its execution to its end, microseconds.
    pub wall_us: u64,
    /// What its processes used; getrusage(2), `RUSAGE_CHILDREN`.
    pub rusage: Rusage,
    /// Bytes that it printed on standard output and standard error, what was not passed on included.
    pub printed: [u64; 2],
    /// What the container's control group counted, init included.
    pub counted: Counted,
}

/// Readings of a container's control group. `None`: it is not shown inside, or this kernel has no such count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Processor time in user mode and in the kernel, microseconds.
    pub cpu_us: Option<(u64, u64)>,
    /// For how long processes were held back, microseconds, in how many periods.
    pub throttled: Option<(u64, u64)>,
    /// Mean of the memory in use, sampled, bytes.
    pub memory_bytes: Option<u64>,
    /// The most memory in use, bytes.
    pub peak_memory_bytes: Option<u64>,
    /// The most processes and threads.
    pub peak_processes: Option<u64>,
    /// How often a fork was refused.
    pub fork_refusals: Option<u64>,
    /// How many processes were killed for memory.
    pub oom_kills: Option<u64>,
}

/// What init found in force, for itself and so for the job that it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerEvidence {
    /// Inode numbers of the container's namespaces.
    pub namespaces: Namespaces,
    /// User id, group id.
    pub ids: (u32, u32),
    /// Supplementary groups.
    pub groups: List<u32, 64>,
    /// `CapInh`, `CapPrm`, `CapEff`, `CapBnd`, `CapAmb` of `/proc/self/status`.
    pub capabilities: [u64; 5],
    /// `NoNewPrivs` of `/proc/self/status`.
    pub no_new_privs: bool,
    /// `Seccomp` of `/proc/self/status`: 2 is filter mode.
    pub seccomp_mode: u32,
    /// `Seccomp_filters` of `/proc/self/status`; `None` where the kernel, or what stands in for it, does not say.
    pub seccomp_filters: Option<u32>,
    /// What the filter answered to the call that only the job's profile knows, see [`SECCOMP_MARK`]; `None` if it let that pass.
    pub seccomp_mark: Option<u16>,
    /// The confinement of the security module, if `/proc/self/attr/current` tells one.
    pub module: Option<String>,
    /// The root, `/job`, `/tmp`, `/dev/shm` and `/proc`.
    pub mounts: List<Mounted, 8>,
    /// Where else it could write: other mounts.
    pub writable: List<Mounted, 64>,
    /// The limits of the control group, as far as it is shown inside.
    pub limits: ContainerLimits,
    /// Soft and hard limit on open files.
    pub open_files: (u64, u64),
    /// Soft and hard limit on the size of core dumps.
    pub core_bytes: (u64, u64),
    /// Network interfaces by name.
    pub interfaces: List<String, 16>,
    /// What its network holds, if it has one; read when the sockets had been handed over.
    pub network: Option<NetworkFound>,
    /// Descriptors that are open before the job starts.
    pub descriptors: List<u32, 64>,
}

/// Limits as a container's control group shows them. `None`: not shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerLimits {
    /// 1 or 2.
    pub version: Option<u8>,
    /// Bytes.
    pub memory_bytes: Option<u64>,
    /// Bytes of swap beyond the memory.
    pub swap_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Processor time in each period, both microseconds.
    pub cpu: Option<(u64, u64)>,
}
