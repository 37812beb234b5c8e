//! What a job used, as the kernel counted it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use stockade_plan::Rusage;

use crate::cgroup::Stats;

/// Measured, never estimated. `None` is a count that this kernel does not keep or that was lost with an init
/// that had to be killed; which of them, `unknown` says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Usage {
    /// From the job's first instruction to its end, seconds.
    pub duration_seconds: f64,
    /// The same, milliseconds.
    pub wall_ms: f64,
    /// From the request to the job's first instruction: short where a sandbox was ready.
    pub setup_ms: f64,
    /// Processor time in user mode, all processes; what building the sandbox cost is not the job's.
    pub user_cpu_ms: f64,
    /// Processor time in the kernel.
    pub system_cpu_ms: f64,
    /// Processor time by time; 100 is one core all the time.
    pub cpu_usage_percent: f64,
    /// How long the job was ready to run but held back by its processor limit.
    pub throttled_ms: f64,
    /// Mean of the memory in use, MiB, sampled while the job ran and once at its end.
    pub memory_mb: f64,
    /// The most memory in use at any moment, MiB; page cache, tmpfs and kernel memory included.
    pub peak_memory_mb: Option<f64>,
    /// The most processes and threads at any moment.
    pub peak_processes: Option<u64>,
    /// Bytes read by read(2) and its like, from any file or pipe.
    pub read_bytes: Option<u64>,
    /// Bytes written.
    pub written_bytes: Option<u64>,
    /// Bytes fetched from block devices.
    pub block_read_bytes: u64,
    /// Bytes sent to block devices.
    pub block_written_bytes: u64,
    /// Bytes on standard output and standard error, what was cut included.
    pub output_bytes: u64,
    /// Why a figure is `None`, by its name.
    pub unknown: BTreeMap<&'static str, &'static str>,
}

/// Why a figure is not known.
const NOT_COUNTED: &str = "this kernel keeps no such count; `stockade doctor` says which it keeps";
const LOST: &str = "the job was ended from outside, and with it who counted";

/// The readings that a usage is computed from.
pub(crate) struct Measured<'a> {
    pub(crate) setup: Duration,
    pub(crate) wall: Duration,
    pub(crate) stats: Stats,
    pub(crate) memory_samples: &'a [u64],
    pub(crate) rusage: Rusage,
    pub(crate) io: Option<(Option<u64>, Option<u64>)>,
    pub(crate) output_bytes: u64,
}

/// `ru_inblock` and `ru_oublock` count in this unit; getrusage(2).
const BLOCK_BYTES: u64 = 512;
const MIB: f64 = 1024.0 * 1024.0;

impl Usage {
    pub(crate) fn of(measured: &Measured<'_>) -> Self {
        let Measured { setup, wall, stats, memory_samples, rusage, io, output_bytes } = measured;
        let cpu_us = stats.cpu.user_us + stats.cpu.system_us;
        let wall_us = wall.as_secs_f64() * 1e6;
        let (read_bytes, written_bytes) = io.unwrap_or((None, None));
        let of_init = if io.is_some() { NOT_COUNTED } else { LOST };
        let unknown = [
            ("peak_memory_mb", stats.peak_memory_bytes, NOT_COUNTED),
            ("peak_processes", stats.peak_processes, NOT_COUNTED),
            ("read_bytes", read_bytes, of_init),
            ("written_bytes", written_bytes, of_init),
        ];
        Self {
            duration_seconds: wall.as_secs_f64(),
            wall_ms: millis(wall_us),
            setup_ms: millis(setup.as_secs_f64() * 1e6),
            user_cpu_ms: millis(float(stats.cpu.user_us)),
            system_cpu_ms: millis(float(stats.cpu.system_us)),
            cpu_usage_percent: if wall_us > 0.0 { 100.0 * float(cpu_us) / wall_us } else { 0.0 },
            throttled_ms: millis(float(stats.throttled.us)),
            memory_mb: mean(memory_samples) / MIB,
            peak_memory_mb: stats.peak_memory_bytes.map(|bytes| float(bytes) / MIB),
            peak_processes: stats.peak_processes,
            read_bytes,
            written_bytes,
            block_read_bytes: rusage.blocks_in * BLOCK_BYTES,
            block_written_bytes: rusage.blocks_out * BLOCK_BYTES,
            output_bytes: *output_bytes,
            unknown: unknown
                .into_iter()
                .filter(|(_, known, _)| known.is_none())
                .map(|(name, _, why)| (name, why))
                .collect(),
        }
    }
}

fn millis(us: f64) -> f64 {
    us / 1000.0
}

/// Exact up to 2^53: 285 years in microseconds, eight pebibytes.
#[expect(clippy::as_conversions, reason = "there is no lossless conversion; the bound is stated above")]
fn float(value: u64) -> f64 {
    value as f64
}

fn mean(samples: &[u64]) -> f64 {
    let sum: u64 = samples.iter().sum();
    if samples.is_empty() { 0.0 } else { float(sum) / float(samples.len() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::{CpuTime, Throttled};

    fn measured() -> Measured<'static> {
        Measured {
            setup: Duration::from_millis(500),
            wall: Duration::from_millis(1500),
            stats: Stats {
                cpu: CpuTime { user_us: 900_000, system_us: 600_000 },
                throttled: Throttled { us: 1500, periods: 1 },
                memory_bytes: 0,
                peak_memory_bytes: Some(3 << 20),
                oom_kills: 0,
                peak_processes: None,
                fork_refusals: 0,
            },
            memory_samples: &[1 << 20, 3 << 20],
            rusage: Rusage { blocks_in: 8, blocks_out: 2, ..Rusage::default() },
            io: Some((Some(10), None)),
            output_bytes: 5,
        }
    }

    #[test]
    fn readings_become_the_units_they_are_named_by() {
        let usage = Usage::of(&measured());
        assert_eq!((usage.user_cpu_ms, usage.system_cpu_ms, usage.throttled_ms), (900.0, 600.0, 1.5));
        assert!((usage.cpu_usage_percent - 100.0).abs() < 1e-9);
        assert_eq!((usage.memory_mb, usage.peak_memory_mb), (2.0, Some(3.0)));
        assert_eq!((usage.block_read_bytes, usage.block_written_bytes), (4096, 1024));
        assert_eq!((usage.read_bytes, usage.written_bytes), (Some(10), None));
    }

    #[test]
    fn what_is_not_known_says_why() {
        let kept = Usage::of(&measured()).unknown;
        assert_eq!(kept, BTreeMap::from([("peak_processes", NOT_COUNTED), ("written_bytes", NOT_COUNTED)]));
        let killed = Usage::of(&Measured { io: None, ..measured() }).unknown;
        assert_eq!(
            killed,
            BTreeMap::from([("peak_processes", NOT_COUNTED), ("read_bytes", LOST), ("written_bytes", LOST)])
        );
    }

    #[test]
    fn a_job_that_took_no_time_used_no_percent() {
        let usage = Usage::of(&Measured { setup: Duration::ZERO, wall: Duration::ZERO, ..measured() });
        assert!(usage.cpu_usage_percent.abs() < f64::EPSILON);
    }
}
