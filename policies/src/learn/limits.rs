//! Limits from what was measured, with room to spare.

use stockade_plan::Recorded;

use crate::policy::LimitKey;

/// What a recorded program used up, the recorder included where it cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Measured {
    /// The most memory at any moment, bytes.
    pub memory_bytes: u64,
    /// Processor time, milliseconds.
    pub cpu_ms: u64,
    /// Time from start to end, milliseconds.
    pub wall_ms: u64,
    /// The most processes and threads at any moment.
    pub processes: u64,
    /// Bytes on the longer of standard output and standard error.
    pub output_bytes: u64,
}

/// A limit, and how it came about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) key: LimitKey,
    pub(super) value: u64,
    pub(super) why: String,
}

/// The recorder's own threads, and its own inodes of the work file system: root and the three directories.
const RECORDER_THREADS: u64 = 2;
const OWN_INODES: u64 = 4;
const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;

/// How a limit is made: measured times `factor`, up to a multiple of `step`, at least `floor`.
struct Rule {
    key: LimitKey,
    factor: u64,
    step: u64,
    floor: u64,
}

const fn rule(key: LimitKey, factor: u64, step: u64, floor: u64) -> Rule {
    Rule { key, factor, step, floor }
}

/// The rules; docs/policy.md has the same table.
const RULES: [Rule; 8] = [
    rule(LimitKey::MemoryMb, 2, 16, 32),
    rule(LimitKey::CpuSeconds, 4, 1, 2),
    rule(LimitKey::WallSeconds, 4, 5, 10),
    rule(LimitKey::Pids, 2, 1, 2),
    rule(LimitKey::DiskMb, 2, 1, 1),
    rule(LimitKey::Files, 2, 16, 16),
    rule(LimitKey::OpenFiles, 2, 16, 32),
    rule(LimitKey::OutputKb, 2, 16, 16),
];

/// The limits, in the order of the keys.
pub(super) fn limits(measured: &Measured, recorded: Option<&Recorded>, largest_output: u64) -> Vec<Limit> {
    let measured = |key: LimitKey| -> u64 {
        match key {
            LimitKey::MemoryMb => measured.memory_bytes.div_ceil(MIB),
            LimitKey::CpuSeconds => measured.cpu_ms.div_ceil(1000),
            LimitKey::WallSeconds => measured.wall_ms.div_ceil(1000),
            LimitKey::Pids => measured.processes.saturating_sub(RECORDER_THREADS).max(1),
            LimitKey::DiskMb => recorded.map_or(0, |recorded| recorded.disk_bytes.div_ceil(MIB)),
            LimitKey::Files => recorded.map_or(0, |recorded| recorded.files.saturating_sub(OWN_INODES)),
            LimitKey::OpenFiles => recorded.map_or(3, |recorded| u64::from(recorded.descriptor) + 1),
            LimitKey::OutputKb => measured.output_bytes.max(largest_output).div_ceil(KIB),
            LimitKey::CpuCores | LimitKey::DiskReadMbPerSecond => 1,
        }
    };
    let mut limits: Vec<Limit> = RULES.iter().map(|rule| rule.apply(measured(rule.key))).collect();
    let why = "what a recording says nothing about: raise it if one core is too slow".to_owned();
    limits.insert(1, Limit { key: LimitKey::CpuCores, value: 1000, why });
    limits
}

impl Rule {
    fn apply(&self, measured: u64) -> Limit {
        let room = measured.saturating_mul(self.factor);
        let wanted = room.checked_next_multiple_of(self.step).unwrap_or(room).max(self.floor);
        let (low, high) = (*self.key.range().start(), *self.key.range().end());
        let value = wanted.clamp(low, high);
        Limit { key: self.key, value, why: format!("measured {measured}, times {}", self.factor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(measured: &Measured, key: LimitKey) -> u64 {
        limits(measured, None, 0).into_iter().find(|limit| limit.key == key).unwrap().value
    }

    #[test]
    fn every_limit_is_set_once_and_within_its_range() {
        let huge = Measured {
            memory_bytes: u64::MAX,
            cpu_ms: u64::MAX,
            wall_ms: 0,
            processes: u64::MAX,
            output_bytes: u64::MAX,
        };
        for measured in [Measured::default(), huge] {
            let limits = limits(&measured, None, 0);
            // Not every host can limit reading from disk, and a recording does not say how fast is fast enough.
            let learned = LimitKey::ALL.into_iter().filter(|key| *key != LimitKey::DiskReadMbPerSecond);
            assert!(limits.iter().map(|limit| limit.key).eq(learned));
            assert!(limits.iter().all(|limit| limit.key.range().contains(&limit.value)), "{limits:?}");
        }
    }

    #[test]
    fn what_was_measured_gets_room_and_little_gets_the_floor() {
        let measured = Measured { memory_bytes: 50 * MIB, cpu_ms: 2100, ..Measured::default() };
        assert_eq!(value(&measured, LimitKey::MemoryMb), 112);
        assert_eq!(value(&measured, LimitKey::CpuSeconds), 12);
        assert_eq!(value(&measured, LimitKey::WallSeconds), 10);
    }

    #[test]
    fn the_page_has_the_same_rules() {
        let page = include_str!("../../../docs/policy.md");
        for rule in RULES {
            let row = format!("| `{}` | {} | {} | {} |", rule.key, rule.factor, rule.step, rule.floor);
            assert!(page.contains(&row), "{row}");
        }
    }
}
