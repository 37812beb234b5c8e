//! What a job's control group has counted.

use super::file::{File, keyed, number, read, read_if_there};
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

/// The count of a group's processor time.
pub(crate) struct Meter(File);

impl Meter {
    pub(crate) fn read(&self) -> Result<CpuTime, CgroupError> {
        let text = self.0.read()?;
        let field = |field: &'static str| {
            keyed(&text, field).ok_or_else(|| CgroupError::Malformed { path: self.0.path.clone(), field })
        };
        Ok(CpuTime { user_us: field("user_usec")?, system_us: field("system_usec")? })
    }
}

impl Leaf {
    /// Reads everything.
    pub(crate) fn stats(&self) -> Result<Stats, CgroupError> {
        let (_, pids) = self.place(Controller::Pids)?;
        let peak = read_if_there(pids, "pids.peak")?.and_then(|text| text.parse::<u64>().ok());
        Ok(Stats {
            cpu: self.cpu_time()?,
            throttled: self.throttled()?,
            memory_bytes: self.memory_bytes()?,
            peak_memory_bytes: self.peak_memory_bytes()?,
            oom_kills: self.oom_kills()?,
            peak_processes: peak.map(|peak| peak.saturating_sub(INIT_PROCESSES)),
            fork_refusals: keyed(&read(pids, "pids.events")?, "max").unwrap_or(0),
        })
    }

    /// User and system time of all its processes, microseconds: the cgroup2 hierarchy counts them whether or
    /// not the cpu controller is there.
    pub(crate) fn cpu_time(&self) -> Result<CpuTime, CgroupError> {
        self.meter()?.read()
    }

    /// Where [`Leaf::cpu_time`] is read, for whoever will have no time to lose when he reads it.
    pub(crate) fn meter(&self) -> Result<Meter, CgroupError> {
        File::open(&self.unified, "cpu.stat").map(Meter)
    }

    /// Memory in use now, bytes.
    pub(crate) fn memory_bytes(&self) -> Result<u64, CgroupError> {
        let (hierarchy, path) = self.place(Controller::Memory)?;
        match hierarchy {
            Hierarchy::V2 => number(path, "memory.current"),
            Hierarchy::V1 => number(path, "memory.usage_in_bytes"),
        }
    }

    /// `memory.peak` came with Linux 5.19.
    fn peak_memory_bytes(&self) -> Result<Option<u64>, CgroupError> {
        let (hierarchy, path) = self.place(Controller::Memory)?;
        let file = match hierarchy {
            Hierarchy::V2 => "memory.peak",
            Hierarchy::V1 => "memory.max_usage_in_bytes",
        };
        Ok(read_if_there(path, file)?.and_then(|text| text.parse().ok()))
    }

    fn throttled(&self) -> Result<Throttled, CgroupError> {
        let (hierarchy, path) = self.place(Controller::Cpu)?;
        let text = read(path, "cpu.stat")?;
        let us = match hierarchy {
            Hierarchy::V2 => keyed(&text, "throttled_usec").unwrap_or(0),
            // Version 1 counts nanoseconds.
            Hierarchy::V1 => keyed(&text, "throttled_time").unwrap_or(0) / 1000,
        };
        Ok(Throttled { us, periods: keyed(&text, "nr_throttled").unwrap_or(0) })
    }
}
