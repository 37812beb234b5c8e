//! What the container's control group says, where the engine shows it inside; cgroups(7), Documentation/admin-guide.

use std::fs::read_to_string;

use stockade_plan::{ContainerLimits, Counted};

const ROOT: &str = "/sys/fs/cgroup";

/// The control group of this container: its files are at the root of the control group namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    V1,
    V2,
    /// Not shown.
    Hidden,
}

impl Group {
    pub(crate) fn find() -> Self {
        let there = |path: &str| std::fs::symlink_metadata(format!("{ROOT}/{path}")).is_ok();
        if there("memory/memory.limit_in_bytes") {
            Self::V1
        } else if there("memory.max") {
            Self::V2
        } else {
            Self::Hidden
        }
    }

    /// The file of version 1 below its hierarchy, or that of version 2.
    fn text(self, v1: &str, v2: &str) -> Option<String> {
        let name = match self {
            Self::V1 => v1,
            Self::V2 => v2,
            Self::Hidden => return None,
        };
        read_to_string(format!("{ROOT}/{name}")).ok()
    }

    fn number(self, v1: &str, v2: &str) -> Option<u64> {
        self.text(v1, v2)?.trim().parse().ok()
    }

    fn keyed(self, v1: (&str, &str), v2: (&str, &str)) -> Option<u64> {
        let key = if self == Self::V1 { v1.1 } else { v2.1 };
        keyed(&self.text(v1.0, v2.0)?, key)
    }

    pub(crate) fn limits(self) -> ContainerLimits {
        let memory = self.number("memory/memory.limit_in_bytes", "memory.max");
        let swap = match self {
            // Memory and swap together.
            Self::V1 => self
                .number("memory/memory.memsw.limit_in_bytes", "")
                .zip(memory)
                .map(|(both, memory)| both.saturating_sub(memory)),
            _ => self.number("", "memory.swap.max"),
        };
        ContainerLimits {
            version: match self {
                Self::V1 => Some(1),
                Self::V2 => Some(2),
                Self::Hidden => None,
            },
            memory_bytes: memory,
            swap_bytes: swap,
            pids: self.number("pids/pids.max", "pids.max"),
            cpu: self.cpu(),
        }
    }

    fn cpu(self) -> Option<(u64, u64)> {
        match self {
            Self::V1 => self.number("cpu/cpu.cfs_quota_us", "").zip(self.number("cpu/cpu.cfs_period_us", "")),
            _ => {
                let text = self.text("", "cpu.max")?;
                let mut parts = text.split_whitespace().map(|part| part.parse::<u64>().ok());
                parts.next().flatten().zip(parts.next().flatten())
            }
        }
    }

    /// Processor time, user mode and kernel, microseconds.
    pub(crate) fn cpu_time(self) -> Option<(u64, u64)> {
        match self {
            Self::V1 => {
                let nanos = |file: &str| Some(self.number(&format!("cpuacct/{file}"), "")? / 1000);
                nanos("cpuacct.usage_user").zip(nanos("cpuacct.usage_sys"))
            }
            _ => {
                let text = self.text("", "cpu.stat")?;
                keyed(&text, "user_usec").zip(keyed(&text, "system_usec"))
            }
        }
    }

    /// Memory in use now, bytes.
    pub(crate) fn memory(self) -> Option<u64> {
        self.number("memory/memory.usage_in_bytes", "memory.current")
    }

    /// Everything but the mean of the memory.
    pub(crate) fn counted(self) -> Counted {
        let throttled = match self {
            // Version 1 counts nanoseconds.
            Self::V1 => self.keyed(("cpu/cpu.stat", "throttled_time"), ("", "")).map(|nanos| nanos / 1000),
            _ => self.keyed(("", ""), ("cpu.stat", "throttled_usec")),
        };
        let periods = self.keyed(("cpu/cpu.stat", "nr_throttled"), ("cpu.stat", "nr_throttled"));
        Counted {
            cpu_us: self.cpu_time(),
            throttled: throttled.zip(periods),
            memory_bytes: None,
            peak_memory_bytes: self.number("memory/memory.max_usage_in_bytes", "memory.peak"),
            peak_processes: self.number("pids/pids.peak", "pids.peak"),
            fork_refusals: self.keyed(("pids/pids.events", "max"), ("pids.events", "max")),
            oom_kills: self.oom_kills(),
        }
    }

    pub(crate) fn oom_kills(self) -> Option<u64> {
        self.keyed(("memory/memory.oom_control", "oom_kill"), ("memory.events", "oom_kill"))
    }
}

fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.split_once(' ').filter(|(name, _)| *name == key))?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_found_by_its_whole_name() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(keyed(text, "oom_kill"), Some(3));
        assert_eq!(keyed(text, "oom"), None);
    }

    #[test]
    fn what_is_not_shown_is_unknown_and_not_zero() {
        assert_eq!(Group::Hidden.counted(), Counted::default());
        assert_eq!(Group::Hidden.limits(), ContainerLimits::default());
    }
}
