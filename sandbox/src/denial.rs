//! What was refused a job.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use stockade_plan::{NotCollected, Plan};

use crate::cgroup::{Stats, Throttled};
use crate::outcome::{Captured, Collected, OutputState};

/// Something a job was refused, as the kernel or the supervisor counted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Denial {
    /// Which layer refused: `seccomp`, `landlock`, `view`, `network`, `cgroup`, `output`, …
    pub layer: &'static str,
    /// What was refused.
    pub what: &'static str,
    /// What it was applied to, or the limit that was hit.
    pub target: String,
    /// How often.
    pub count: u64,
    /// Whether it may have been more often: a job that was ended from outside took with it who counted. Shown only if so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
    /// When it was first noticed. In JSON as RFC 3339 has it, in UTC, to the millisecond, which is as fine as the kernel's audit
    /// tells it.
    #[serde(serialize_with = "to_the_millisecond")]
    pub at: DateTime<Utc>,
}

/// The same for every layer, however finely it keeps time.
fn to_the_millisecond<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// What init saw, and what the kernel's audit told, which in part is the same: that is one denial, with the higher count of
/// the two. A connection that the network refuses in any case is not also one that Landlock does.
pub(crate) fn merged(seen: Vec<Denial>, told: Vec<Denial>) -> Vec<Denial> {
    let mut denials = seen;
    for told in told {
        let same = |seen: &&mut Denial| {
            let layers = (seen.layer, told.layer);
            let one = layers.0 == layers.1 || (told.what == "connect" && layers == ("network", "landlock"));
            one && seen.what == told.what && seen.target == told.target
        };
        match denials.iter_mut().find(same) {
            Some(seen) => seen.count = seen.count.max(told.count),
            None => denials.push(told),
        }
    }
    denials.sort_by_key(|denial| denial.at);
    denials
}

impl Denial {
    /// A denial noticed now.
    pub(crate) fn now(layer: &'static str, what: &'static str, target: String, count: u64) -> Self {
        Self { layer, what, target, count, at_least: false, at: Utc::now() }
    }
}

impl Denial {
    /// What the control group counted, which outputs were not collected, which stream was cut.
    pub(crate) fn of(
        stats: &Stats,
        plan: &Plan,
        stdout: &Captured,
        stderr: &Captured,
        outputs: &[Collected],
    ) -> Vec<Self> {
        let limits = &plan.confinement.limits;
        let mut denials = Vec::new();
        if stats.oom_kills > 0 {
            let target = format!("memory limit of {} bytes", limits.memory_bytes);
            denials.push(Self::now("cgroup", "out_of_memory", target, stats.oom_kills));
        }
        if stats.fork_refusals > 0 {
            let target = format!("limit of {} processes", limits.pids);
            denials.push(Self::now("cgroup", "fork", target, stats.fork_refusals));
        }
        // Less than a millisecond is what the end of a period costs whoever uses his whole share.
        let Throttled { us, periods } = stats.throttled;
        if us >= 1000 {
            denials.push(Self::now("cgroup", "cpu_throttled", format!("{} ms", us / 1000), periods));
        }
        for (name, stream) in [("stdout", stdout), ("stderr", stderr)] {
            if stream.truncated {
                let target = format!("{name} beyond {} bytes", limits.output_bytes);
                denials.push(Self::now("output", "write", target, stream.total_bytes - limits.output_bytes));
            }
        }
        denials.extend(outputs.iter().filter_map(Self::of_output));
        denials
    }

    /// An output that is something else than a file was refused; one that is simply not there was not.
    pub fn of_output(output: &Collected) -> Option<Self> {
        let what = match output.state {
            OutputState::File(_) | OutputState::Not(NotCollected::Missing) => return None,
            OutputState::Not(NotCollected::Symlink) => "symlink",
            OutputState::Not(NotCollected::Directory) => "directory",
            OutputState::Not(NotCollected::Fifo) => "fifo",
            OutputState::Not(NotCollected::Socket) => "socket",
            OutputState::Not(NotCollected::Device) => "device",
            OutputState::Not(NotCollected::HardLinked) => "hard_link",
            OutputState::Not(NotCollected::TooLarge { .. }) => "too_large",
            OutputState::Not(NotCollected::Unreadable(_)) => "unreadable",
        };
        Some(Self::now("outputs", what, output.path.to_string(), 1))
    }
}
