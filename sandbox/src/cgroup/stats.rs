//! What a job's control group has counted.

use super::file::{File, keyed};
use super::limits::INIT_PROCESSES;
use super::{CgroupError, Controller, Hierarchy, Leaf};

/// Readings of one moment. `None`: this kernel has no such count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stats {
    pub(crate) cpu: CpuTime,
    pub(crate) throttled: Throttled,
    pub(crate) memory_bytes: u64,
    pub(crate) peak_memory_bytes: Option<u64>,
    pub(crate) oom_kills: u64,
    /// The job's own processes and threads, its init not among them.
    pub(crate) peak_processes: Option<u64>,
    /// How often a fork was refused.
    pub(crate) fork_refusals: u64,
}

/// How long processes that could have run were kept from it, because the group had had its share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Throttled {
    pub(crate) us: u64,
    /// In so many periods of [`stockade_plan::CPU_PERIOD_US`].
    pub(crate) periods: u64,
}

/// Processor time, microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CpuTime {
    pub(crate) user_us: u64,
    pub(crate) system_us: u64,
}

impl CpuTime {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            user_us: self.user_us.saturating_sub(before.user_us),
            system_us: self.system_us.saturating_sub(before.system_us),
        }
    }

    pub(crate) fn millis(self) -> u64 {
        (self.user_us + self.system_us) / 1000
    }
}

/// A group's counts, open to be read as often as need be: to open such a file takes longer than to read it, and when a job has
/// ended somebody waits.
#[derive(Debug)]
pub(crate) struct Gauges {
    /// In the cgroup2 hierarchy, which counts processor time whether or not the cpu controller is there.
    cpu: File,
    /// Where version 1 counts how often the group was throttled; version 2 does so beside processor time.
    throttled: Option<File>,
    memory: File,
    /// `memory.peak` came with Linux 5.19.
    peak_memory: Option<File>,
    oom: File,
    peak_processes: Option<File>,
    pids: File,
}

impl Leaf {
    /// Opens what it counts.
    pub(crate) fn gauges(&self) -> Result<Gauges, CgroupError> {
        let (throttling, cpu) = self.place(Controller::Cpu)?;
        let (_, pids) = self.place(Controller::Pids)?;
        let (hierarchy, memory) = self.place(Controller::Memory)?;
        let [used, peak, oom] = match hierarchy {
            Hierarchy::V2 => ["memory.current", "memory.peak", "memory.events"],
            Hierarchy::V1 => ["memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.oom_control"],
        };
        Ok(Gauges {
            cpu: File::open(&self.unified, "cpu.stat")?,
            throttled: match throttling {
                Hierarchy::V2 => None,
                Hierarchy::V1 => Some(File::open(cpu, "cpu.stat")?),
            },
            memory: File::open(memory, used)?,
            peak_memory: File::open_if_there(memory, peak)?,
            oom: File::open(memory, oom)?,
            peak_processes: File::open_if_there(pids, "pids.peak")?,
            pids: File::open(pids, "pids.events")?,
        })
    }
}

impl Gauges {
    /// Reads everything.
    pub(crate) fn stats(&self) -> Result<Stats, CgroupError> {
        let cpu = self.cpu.read()?;
        let number = |file: &Option<File>| -> Result<Option<u64>, CgroupError> {
            Ok(file.as_ref().map(File::read).transpose()?.and_then(|text| text.parse().ok()))
        };
        let peak = number(&self.peak_processes)?;
        Ok(Stats {
            cpu: self.cpu_time_in(&cpu)?,
            throttled: self.throttled(&cpu)?,
            memory_bytes: self.memory_bytes()?,
            peak_memory_bytes: number(&self.peak_memory)?,
            oom_kills: self.oom_kills()?,
            peak_processes: peak.map(|peak| peak.saturating_sub(INIT_PROCESSES)),
            fork_refusals: keyed(&self.pids.read()?, "max").unwrap_or(0),
        })
    }

    /// User and system time of all its processes, microseconds.
    pub(crate) fn cpu_time(&self) -> Result<CpuTime, CgroupError> {
        self.cpu_time_in(&self.cpu.read()?)
    }

    /// Memory in use now, bytes.
    pub(crate) fn memory_bytes(&self) -> Result<u64, CgroupError> {
        self.memory.read()?.parse().map_err(|_| self.memory.lacks("bytes"))
    }

    /// How often the kernel has killed a process of the job for memory.
    pub(crate) fn oom_kills(&self) -> Result<u64, CgroupError> {
        keyed(&self.oom.read()?, "oom_kill").ok_or_else(|| self.oom.lacks("oom_kill"))
    }

    fn cpu_time_in(&self, text: &str) -> Result<CpuTime, CgroupError> {
        let field = |field: &'static str| keyed(text, field).ok_or_else(|| self.cpu.lacks(field));
        Ok(CpuTime { user_us: field("user_usec")?, system_us: field("system_usec")? })
    }

    fn throttled(&self, cpu: &str) -> Result<Throttled, CgroupError> {
        let count = |text, field| keyed(text, field).unwrap_or(0);
        Ok(match &self.throttled {
            None => Throttled { us: count(cpu, "throttled_usec"), periods: count(cpu, "nr_throttled") },
            Some(version_1) => {
                let text = version_1.read()?;
                // It counts nanoseconds.
                Throttled { us: count(&text, "throttled_time") / 1000, periods: count(&text, "nr_throttled") }
            }
        })
    }
}
