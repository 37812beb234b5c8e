//! How much of everything a job may use up.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::yaml::{Node, Reader, show_thousandths};

/// One key of `resource_limits`. Values are whole numbers of the unit in the key's name, but for `cpu_cores`,
/// which is kept in thousandths of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum LimitKey {
    MemoryMb,
    CpuCores,
    CpuSeconds,
    WallSeconds,
    Pids,
    DiskMb,
    Files,
    OpenFiles,
    OutputKb,
}

/// What a limit may be, and what it is where no policy says anything.
struct Bounds {
    name: &'static str,
    min: u64,
    max: u64,
    closed: u64,
}

impl LimitKey {
    pub(crate) const ALL: [Self; 9] = [
        Self::MemoryMb,
        Self::CpuCores,
        Self::CpuSeconds,
        Self::WallSeconds,
        Self::Pids,
        Self::DiskMb,
        Self::Files,
        Self::OpenFiles,
        Self::OutputKb,
    ];

    /// The lower bounds are what an interpreter needs to start at all; the upper ones catch a slip of the unit
    /// (a week, a tebibyte) and keep every product below within 64 bits.
    const fn bounds(self) -> Bounds {
        let (name, min, max, closed) = match self {
            Self::MemoryMb => ("memory_mb", 4, 1024 * 1024, 128),
            Self::CpuCores => ("cpu_cores", 10, 1024 * 1000, 1000),
            Self::CpuSeconds => ("cpu_seconds", 1, 7 * 86_400, 10),
            Self::WallSeconds => ("wall_seconds", 1, 7 * 86_400, 30),
            Self::Pids => ("pids", 1, 32_768, 16),
            Self::DiskMb => ("disk_mb", 1, 1024 * 1024, 16),
            Self::Files => ("files", 16, 10_000_000, 256),
            Self::OpenFiles => ("open_files", 16, 65_536, 64),
            Self::OutputKb => ("output_kb", 1, 64 * 1024, 256),
        };
        Bounds { name, min, max, closed }
    }

    pub(crate) const fn name(self) -> &'static str {
        self.bounds().name
    }

    /// The limit of a job whose policies say nothing of it.
    pub(crate) const fn closed(self) -> u64 {
        self.bounds().closed
    }

    pub(crate) const fn range(self) -> std::ops::RangeInclusive<u64> {
        let bounds = self.bounds();
        bounds.min..=bounds.max
    }

    pub(crate) fn decode(self, reader: &Reader, node: &Node) -> Option<u64> {
        match self {
            Self::CpuCores => reader.thousandths(node, self.range()),
            _ => reader.integer(node, self.range()),
        }
    }

    /// The value as a policy file writes it.
    pub(crate) fn show(self, value: u64) -> String {
        match self {
            Self::CpuCores => show_thousandths(value),
            _ => value.to_string(),
        }
    }
}

impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The limits of a job, by the keys of a policy file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ResourceLimits {
    /// Memory of all its processes, page cache and tmpfs included, mebibytes.
    pub memory_mb: u64,
    /// Processor cores, in thousandths; serialized as a decimal number.
    #[serde(rename = "cpu_cores", serialize_with = "as_cores")]
    pub cpu_millicores: u64,
    /// Processor time, seconds.
    pub cpu_seconds: u64,
    /// Time from start to end, seconds.
    pub wall_seconds: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Size of `/job`, `/tmp` and `/dev/shm` together, mebibytes.
    pub disk_mb: u64,
    /// Files, directories and links in them.
    pub files: u64,
    /// Open descriptors of each process.
    pub open_files: u64,
    /// Standard output, standard error and each collected output, kibibytes.
    pub output_kb: u64,
}

impl ResourceLimits {
    pub(crate) fn from_values(value: impl Fn(LimitKey) -> u64) -> Self {
        Self {
            memory_mb: value(LimitKey::MemoryMb),
            cpu_millicores: value(LimitKey::CpuCores),
            cpu_seconds: value(LimitKey::CpuSeconds),
            wall_seconds: value(LimitKey::WallSeconds),
            pids: value(LimitKey::Pids),
            disk_mb: value(LimitKey::DiskMb),
            files: value(LimitKey::Files),
            open_files: value(LimitKey::OpenFiles),
            output_kb: value(LimitKey::OutputKb),
        }
    }
}

/// At most 1,024,000 thousandths: exact in a double.
fn as_cores<S: Serializer>(millicores: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    let millicores = u32::try_from(*millicores).unwrap_or(u32::MAX);
    serializer.serialize_f64(f64::from(millicores) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_says_is_within_what_may_be_said() {
        for key in LimitKey::ALL {
            assert!(key.range().contains(&key.closed()), "{key}");
        }
    }

    #[test]
    fn the_page_says_the_bounds_that_hold() {
        let page = include_str!("../../../docs/policy.md");
        for key in LimitKey::ALL {
            let start = format!("| `{key}` |");
            let row =
                page.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no {key}"));
            let [from, to] = [key.range().start(), key.range().end()].map(|bound| key.show(*bound));
            let end = format!("| {from} | {to} | {} |", key.show(key.closed()));
            assert!(row.ends_with(&end), "{row} should end in {end}");
        }
    }

    #[test]
    fn limits_serialize_under_the_keys_of_a_policy_file() {
        let limits = ResourceLimits::from_values(LimitKey::closed);
        let json = serde_json::to_value(limits).unwrap();
        let keys: Vec<&str> = LimitKey::ALL.iter().map(|key| key.name()).collect();
        assert!(keys.iter().all(|key| json.get(key).is_some()));
        assert_eq!(json["cpu_cores"], 1.0);
    }
}
