//! Writing a job's limits, each read back.

use stockade_plan::{CPU_PERIOD_US, Confinement};

use super::disks::{self, Disk};
use super::file::{read, set, write};
use super::{CgroupError, Controller, Hierarchy, Leaf};

/// The sandbox's own init, which the job's limit on processes does not count.
pub(super) const INIT_PROCESSES: u64 = 1;
const PAGE_BYTES: u64 = 4096;

impl Leaf {
    /// Writes every limit and reads it back.
    pub(crate) fn limit(&self, confinement: &Confinement) -> Result<(), CgroupError> {
        let limits = &confinement.limits;
        self.limit_memory(limits.memory_bytes)?;
        let (_, pids) = self.place(Controller::Pids)?;
        set(pids, "pids.max", &(u64::from(limits.pids) + INIT_PROCESSES).to_string())?;
        self.limit_cpu(limits.cpu_quota_us)?;
        match limits.disk_read_bytes_per_second {
            None => Ok(()),
            Some(rate) => disks::behind(&confinement.view)?
                .into_iter()
                .try_for_each(|disk| self.limit_reads(disk, rate)),
        }
    }

    /// Bytes per second read from a disk. Neither file reads as it was written: each has a line for each disk.
    fn limit_reads(&self, disk: Disk, rate: u64) -> Result<(), CgroupError> {
        let (hierarchy, io) = self.place(Controller::Io)?;
        let (file, wanted, start) = match hierarchy {
            Hierarchy::V2 => ("io.max", format!("{disk} rbps={rate}"), format!("{disk} rbps={rate} ")),
            Hierarchy::V1 => {
                ("blkio.throttle.read_bps_device", format!("{disk} {rate}"), format!("{disk} {rate} "))
            }
        };
        write(io, file, &wanted)?;
        let found = read(io, file)?;
        if found.lines().any(|line| format!("{line} ").starts_with(&start)) {
            return Ok(());
        }
        Err(CgroupError::Mismatch { path: io.join(file), wanted, found })
    }

    /// Memory, with no swap at all. The kernel counts whole pages, so the limit is rounded down to one.
    fn limit_memory(&self, bytes: u64) -> Result<(), CgroupError> {
        let value = (bytes - bytes % PAGE_BYTES).to_string();
        let (hierarchy, memory) = self.place(Controller::Memory)?;
        match hierarchy {
            Hierarchy::V2 => {
                set(memory, "memory.max", &value)?;
                set(memory, "memory.swap.max", "0")?;
                // One process killed for memory means all are: a job without a part of itself is no job.
                set(memory, "memory.oom.group", "1")
            }
            Hierarchy::V1 => {
                set(memory, "memory.limit_in_bytes", &value)?;
                // Memory and swap together: the same number leaves nothing for swap.
                set(memory, "memory.memsw.limit_in_bytes", &value)
            }
        }
    }

    fn limit_cpu(&self, quota_us: u64) -> Result<(), CgroupError> {
        let (hierarchy, cpu) = self.place(Controller::Cpu)?;
        match hierarchy {
            Hierarchy::V2 => set(cpu, "cpu.max", &format!("{quota_us} {CPU_PERIOD_US}")),
            Hierarchy::V1 => {
                set(cpu, "cpu.cfs_period_us", &CPU_PERIOD_US.to_string())?;
                set(cpu, "cpu.cfs_quota_us", &quota_us.to_string())
            }
        }
    }
}
