//! How much of everything a job may use up.

use std::fmt;

use serde::{Serialize, Serializer};

use super::units::Unit;
use crate::yaml::{Fields, Node, Reader, Spanned, Value, shorten, show_thousandths};

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
    DiskReadMbPerSecond,
    Files,
    OpenFiles,
    OutputKb,
}

/// More than any limit that can be stated: what holds of a limit that not every host can enforce, and that no policy
/// states.
const UNLIMITED: u64 = u64::MAX;

/// What a limit may be, and what it is where no policy says anything.
struct Bounds {
    name: &'static str,
    min: u64,
    max: u64,
    closed: u64,
}

impl LimitKey {
    pub(crate) const ALL: [Self; 10] = [
        Self::MemoryMb,
        Self::CpuCores,
        Self::CpuSeconds,
        Self::WallSeconds,
        Self::Pids,
        Self::DiskMb,
        Self::DiskReadMbPerSecond,
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
            Self::DiskReadMbPerSecond => ("disk_read_mb_per_second", 1, 1024 * 1024, UNLIMITED),
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

    fn decode(self, reader: &Reader, node: &Node) -> Option<u64> {
        if let Some(help) = self.unit_beside(node) {
            let [from, to] = [self.range().start(), self.range().end()].map(|bound| self.show(*bound));
            let expected = format!("a number from {from} to {to}");
            reader.report(reader.wrong(node, &expected).help(help));
            return None;
        }
        match self {
            Self::CpuCores => reader.thousandths(node, self.range()),
            _ => reader.integer(node, self.range()),
        }
    }

    /// What to do about a number with a unit, which the key has already.
    fn unit_beside(self, node: &Node) -> Option<String> {
        let Value::Scalar(scalar) = &node.value else { return None };
        let digits = scalar.text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = scalar.text.split_at_checked(digits)?;
        let is_unit = !number.is_empty() && unit.trim().bytes().all(|byte| byte.is_ascii_alphabetic());
        if !is_unit || unit.to_ascii_lowercase().starts_with('e') {
            return None;
        }
        Some(match (self, self.with_unit()) {
            (Self::CpuCores, _) => {
                "the unit is cores, without a word for it: `0.5` is half of one".to_owned()
            }
            (_, Some((other, Some(Unit::Seconds)))) => {
                format!("`{self}` is a plain number of seconds; a time with its unit is `{other}: 1m30s`")
            }
            (_, Some((other, Some(_)))) => {
                format!("`{self}` has its unit in its name; a size with its unit is `{other}: 512MiB`")
            }
            (Self::DiskReadMbPerSecond, _) => {
                format!("`{self}` has its unit in its name: it is a plain number of MiB a second")
            }
            _ => "this limit has no unit: leave it out".to_owned(),
        })
    }

    /// The other key of this limit, whose value says its unit.
    pub(crate) const fn with_unit(self) -> Option<(&'static str, Option<Unit>)> {
        match self {
            Self::MemoryMb => Some(("memory", Some(Unit::Mebibytes))),
            Self::CpuCores => Some(("cpu", None)),
            Self::CpuSeconds => Some(("cpu_time", Some(Unit::Seconds))),
            Self::WallSeconds => Some(("wall_time", Some(Unit::Seconds))),
            Self::DiskMb => Some(("disk", Some(Unit::Mebibytes))),
            Self::OutputKb => Some(("output", Some(Unit::Kibibytes))),
            Self::DiskReadMbPerSecond | Self::Pids | Self::Files | Self::OpenFiles => None,
        }
    }

    /// The limit as `fields` state it, under either of its keys but not under both.
    pub(crate) fn stated(self, fields: &mut Fields<'_, '_>) -> Option<Spanned<u64>> {
        let reader = fields.reader();
        let plain = fields.optional(self.name());
        let other = self.with_unit().and_then(|(name, unit)| Some((name, unit, fields.optional(name)?)));
        let (node, value) = match (plain, other) {
            (Some(plain), Some((name, _, node))) => {
                twice(reader, (self.name(), plain), (name, node));
                return None;
            }
            (Some(node), None) => (node, self.decode(reader, node)),
            (None, Some((_, Some(unit), node))) => (node, amount(reader, node, unit, self.range())),
            (None, Some((_, None, node))) => (node, self.decode(reader, node)),
            (None, None) => return None,
        };
        value.map(|value| reader.spanned(node, value))
    }

    /// The value as a policy file writes it.
    pub(crate) fn show(self, value: u64) -> String {
        match self {
            Self::CpuCores => show_thousandths(value),
            _ if value == UNLIMITED => "unlimited".to_owned(),
            _ => value.to_string(),
        }
    }

    /// Whether a job may use up as much as there is.
    pub(crate) fn is_unlimited(self, value: u64) -> bool {
        self.closed() == UNLIMITED && value == UNLIMITED
    }
}

/// Reports that one limit is stated under both of its keys.
pub(crate) fn twice(reader: &Reader, a: (&str, &Node), b: (&str, &Node)) {
    let (first, second) = if a.1.span.line <= b.1.span.line { (a, b) } else { (b, a) };
    let (line, column) = (first.1.span.line, first.1.span.column);
    let message =
        format!("`{}` is the limit that `{}` states already, at {line}:{column}", second.0, first.0);
    reader.report(reader.at(second.1.span).error("duplicate-limit", message).help("keep one of the two"));
}

/// An amount with its unit, kept in `unit`.
pub(crate) fn amount(
    reader: &Reader,
    node: &Node,
    unit: Unit,
    range: std::ops::RangeInclusive<u64>,
) -> Option<u64> {
    let Value::Scalar(scalar) = &node.value else {
        reader.report(reader.wrong(node, unit.expected()));
        return None;
    };
    let (text, at) = (shorten(&scalar.text), reader.at(node.span));
    let from_to = || format!("expected {} to {}", unit.show(*range.start()), unit.show(*range.end()));
    match unit.parse(&scalar.text) {
        Ok(value) if range.contains(&value) => return Some(value),
        Ok(_) => reader.report(at.error("out-of-range", format!("`{text}` is out of range")).help(from_to())),
        Err(error) => {
            let bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let meant = error.meant.or_else(|| bare.then(|| unit.of_number(&text)));
            let help = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("expected {}", unit.expected()),
            };
            reader.report(at.error("bad-unit", format!("`{text}` {}", error.reason)).help(help));
        }
    }
    None
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
    /// Reading from each disk, mebibytes a second; `None` is as fast as the disk.
    pub disk_read_mb_per_second: Option<u64>,
    /// Files, directories and links in them.
    pub files: u64,
    /// Open descriptors of each process.
    pub open_files: u64,
    /// Standard output, standard error and each collected output, kibibytes.
    pub output_kb: u64,
}

impl ResourceLimits {
    /// The same in the units of a plan.
    pub fn as_plan(&self) -> stockade_plan::Limits {
        crate::compile::limits(self)
    }

    pub(crate) fn from_values(value: impl Fn(LimitKey) -> u64) -> Self {
        let limited = |key: LimitKey| Some(value(key)).filter(|value| !key.is_unlimited(*value));
        Self {
            memory_mb: value(LimitKey::MemoryMb),
            cpu_millicores: value(LimitKey::CpuCores),
            cpu_seconds: value(LimitKey::CpuSeconds),
            wall_seconds: value(LimitKey::WallSeconds),
            pids: value(LimitKey::Pids),
            disk_mb: value(LimitKey::DiskMb),
            disk_read_mb_per_second: limited(LimitKey::DiskReadMbPerSecond),
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
            assert!(key.range().contains(&key.closed()) || key.is_unlimited(key.closed()), "{key}");
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
