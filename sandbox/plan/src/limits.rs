//! What a job may use up.

use serde::{Deserialize, Serialize};

use crate::bounded::{between, between_if_any};

/// The most bytes a limit may be: a pebibyte. More is a slip, and overflows what is computed from it.
const BYTES_MAX: u64 = 1 << 50;
/// The most milliseconds a limit may be: a year.
const MS_MAX: u64 = 366 * 86_400_000;

/// The period over which the cpu controller counts, microseconds; `cpu.max`, Documentation/admin-guide/cgroup-v2.rst.
pub const CPU_PERIOD_US: u64 = 100_000;

/// Limits on the whole job, all of its processes together. One that is zero or beyond every host does not decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// Memory including page cache, tmpfs and kernel memory, bytes. Swap is always zero.
    #[serde(deserialize_with = "between::<{ 1 << 20 }, BYTES_MAX, _, _>")]
    pub memory_bytes: u64,
    /// Processes and threads.
    #[serde(deserialize_with = "between::<1, 4_194_304, _, _>")]
    pub pids: u32,
    /// Microseconds of processor time in each [`CPU_PERIOD_US`]: 100000 is one core.
    #[serde(deserialize_with = "between::<1000, { 8192 * CPU_PERIOD_US }, _, _>")]
    pub cpu_quota_us: u64,
    /// Processor time in all, milliseconds.
    #[serde(deserialize_with = "between::<1, MS_MAX, _, _>")]
    pub cpu_time_ms: u64,
    /// Time from the job's start to its end, milliseconds.
    #[serde(deserialize_with = "between::<1, MS_MAX, _, _>")]
    pub wall_time_ms: u64,
    /// Size of the tmpfs that holds `/job`, `/tmp` and `/dev/shm` together, bytes.
    #[serde(deserialize_with = "between::<4096, BYTES_MAX, _, _>")]
    pub disk_bytes: u64,
    /// Files, directories and links in that tmpfs.
    #[serde(deserialize_with = "between::<1, { 1 << 32 }, _, _>")]
    pub files: u64,
    /// Bytes per second that it may read from each disk that its view shows files of; `None` is as fast as they are. It
    /// cannot write to any.
    #[serde(deserialize_with = "between_if_any::<1, BYTES_MAX, _>")]
    pub disk_read_bytes_per_second: Option<u64>,
    /// Standard output and standard error kept, bytes each.
    #[serde(deserialize_with = "between::<1, { 1 << 32 }, _, _>")]
    pub output_bytes: u64,
}
