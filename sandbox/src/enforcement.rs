//! What was really in force for a job, layer by layer, read back from the kernel.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use stockade_plan::{Evidence, LauncherFacts, Mounted, Plan};

use crate::Hierarchy;

/// Layer by layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Enforcement(pub BTreeMap<&'static str, Layer>);

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Whether it held.
    pub state: State,
    /// What was read back.
    pub detail: String,
}

/// Whether a layer held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All that the plan asks of it.
    Enforced,
    /// Less than it could be on another host; the detail says what is missing.
    Degraded,
    /// Not at all.
    Absent,
    /// By somebody else, whose word there is and no evidence: the platform that runs a function.
    Delegated,
}

/// The newest part of Landlock that a job's confinement uses: ABI 6 keeps signals and abstract sockets inside.
const LANDLOCK_FULL: u8 = 6;

impl Enforcement {
    /// What the evidence shows. Init has compared all of it with the plan before it let the job start.
    pub(crate) fn of(
        evidence: &Evidence,
        plan: &Plan,
        facts: &LauncherFacts,
        controllers: &[(&'static str, Hierarchy)],
    ) -> Self {
        let mut layers = BTreeMap::new();
        layers.extend(namespaces(evidence, facts));
        if let (Some(found), Some(layer)) = (&evidence.network, layers.get_mut("network_namespace")) {
            layer.detail.push_str(&format!("; {found}"));
        }
        layers.extend(cgroups(plan, controllers));
        layers.insert(
            "ids",
            enforced(format!("uid {} is {} on the host, no groups", evidence.uid, evidence.host_uid)),
        );
        layers.insert("capabilities", enforced("all five sets empty, secure bits locked".to_owned()));
        layers.insert("no_new_privs", enforced("1".to_owned()));
        layers.insert("seccomp", seccomp(evidence, plan));
        layers.insert("landlock", landlock(evidence, plan, facts));
        layers.insert("rlimits", enforced(rlimits(evidence)));
        layers.insert("descriptors", enforced("0, 1, 2".to_owned()));
        layers.extend(evidence.mounts.iter().filter_map(mount));
        Self(layers)
    }

    /// Adds from where it is learned what was refused the job, and whether that is all.
    pub(crate) fn told_by(&mut self, plan: &Plan, audit: (bool, String)) {
        self.0.insert("evidence", denials(plan, audit));
    }
}

fn enforced(detail: String) -> Layer {
    Layer { state: State::Enforced, detail }
}

fn namespaces<'a>(
    evidence: &'a Evidence,
    facts: &'a LauncherFacts,
) -> impl Iterator<Item = (&'static str, Layer)> + 'a {
    let host = facts.host_namespaces.layers();
    let both = evidence.namespaces.layers().into_iter().zip(host);
    both.map(|((layer, job), (_, host))| (layer, enforced(format!("{job}, the host's is {host}"))))
}

fn cgroups<'a>(
    plan: &'a Plan,
    controllers: &'a [(&'static str, Hierarchy)],
) -> impl Iterator<Item = (&'static str, Layer)> + 'a {
    let limits = &plan.confinement.limits;
    controllers.iter().filter_map(move |(controller, hierarchy)| {
        let version = match hierarchy {
            Hierarchy::V2 => "cgroup v2",
            Hierarchy::V1 => "cgroup v1",
        };
        let (layer, limit) = match *controller {
            "memory" => ("cgroup_memory", format!("{} bytes, no swap", limits.memory_bytes)),
            "pids" => ("cgroup_pids", format!("{} processes", limits.pids)),
            "cpu" => ("cgroup_cpu", format!("{} us of every 100000", limits.cpu_quota_us)),
            _ => (
                "cgroup_io",
                format!("{} bytes a second read from each disk", limits.disk_read_bytes_per_second?),
            ),
        };
        Some((layer, enforced(format!("{limit}, {version}"))))
    })
}

fn seccomp(evidence: &Evidence, plan: &Plan) -> Layer {
    let filters = evidence.seccomp_filters;
    enforced(format!(
        "filter mode, {filters} filter, {} instructions",
        plan.confinement.filter.instructions.len()
    ))
}

fn landlock(evidence: &Evidence, plan: &Plan, facts: &LauncherFacts) -> Layer {
    let mut detail = format!(
        "ABI {} of the kernel's {}, {} rules, probe refused, errata {:#x}",
        plan.confinement.landlock.abi,
        evidence.landlock_abi,
        plan.confinement.landlock.rules.len(),
        facts.landlock_errata
    );
    let missing: Vec<&str> = [
        (3, "truncation"),
        (4, "TCP ports"),
        (5, "device ioctls"),
        (LANDLOCK_FULL, "signals and abstract sockets"),
    ]
    .into_iter()
    .filter(|(abi, _)| plan.confinement.landlock.abi < *abi)
    .map(|(_, what)| what)
    .collect();
    if missing.is_empty() {
        return enforced(detail);
    }
    // Writing to a String cannot fail.
    let _infallible = write!(detail, "; not confined by this ABI: {}", missing.join(", "));
    Layer { state: State::Degraded, detail }
}

/// Where it is learned what was refused a job.
fn denials(plan: &Plan, (audit, detail): (bool, String)) -> Layer {
    let calls = plan.confinement.filter.watched.len();
    let detail = format!("{calls} system calls by the sandbox's init; {detail}");
    Layer { state: if audit { State::Enforced } else { State::Degraded }, detail }
}

fn rlimits(evidence: &Evidence) -> String {
    let found = &evidence.rlimits;
    format!(
        "open files {}, file size {} bytes, processes {}, cpu {} s, no core dumps",
        found.open_files, found.file_bytes, found.processes, found.cpu_seconds
    )
}

fn mount(mount: &Mounted) -> Option<(&'static str, Layer)> {
    let flags = mount.flags();
    match mount.path.as_str() {
        "/" => Some(("root_filesystem", enforced(flags))),
        "/job" => {
            let detail = format!("{flags}, {} bytes and {} files with /tmp", mount.size_bytes, mount.inodes);
            Some(("work_filesystem", enforced(detail)))
        }
        "/proc" => Some(("proc_filesystem", enforced(format!("own processes only, {flags}")))),
        _ => None,
    }
}
