//! What a job may use up.

use serde::{Deserialize, Serialize};

/// The period over which the cpu controller counts, microseconds; `cpu.max`, Documentation/admin-guide/cgroup-v2.rst.
pub const CPU_PERIOD_US: u64 = 100_000;

/// Limits on the whole job, all of its processes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// Memory including page cache, tmpfs and kernel memory, bytes. Swap is always zero.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u32,
    /// Microseconds of processor time in each [`CPU_PERIOD_US`]: 100000 is one core.
    pub cpu_quota_us: u64,
    /// Processor time in all, milliseconds.
    pub cpu_time_ms: u64,
    /// Time from the job's start to its end, milliseconds.
    pub wall_time_ms: u64,
    /// Size of the tmpfs that holds `/job`, `/tmp` and `/dev/shm` together, bytes.
    pub disk_bytes: u64,
    /// Files, directories and links in that tmpfs.
    pub files: u64,
    /// Bytes per second that it may read from each disk that its view shows files of; `None` is as fast as they are. It
    /// cannot write to any.
    pub disk_read_bytes_per_second: Option<u64>,
    /// Standard output and standard error kept, bytes each.
    pub output_bytes: u64,
}
