//! What was in force in a container: checked before the job starts, and told in the words of a sandbox's.

use std::os::unix::fs::MetadataExt as _;

use stockade_plan::{ContainerEvidence, Limits, Mounted};
use stockade_policies::ContainerPlan;
use stockade_sandbox::{Enforcement, Layer, State};

use super::engine::EngineFacts;

/// What is missing: then the job does not start.
pub(super) fn lacking(found: &ContainerEvidence, plan: &ContainerPlan, uid: u32) -> Option<String> {
    let limits = &plan.errand.limits;
    let mount = |path: &str| found.mounts.iter().find(|mount| mount.path == path);
    let fenced = |path: &str, of: u64| {
        mount(path).is_some_and(|mount| {
            // Whole pages; and the directory itself is a file.
            let bytes = (limits.disk_bytes / of).max(4096).next_multiple_of(4096);
            let bounded = mount.size_bytes <= bytes && mount.inodes <= (limits.files / of).max(1) + 1;
            mount.nosuid && mount.nodev && mount.noexec && bounded
        })
    };
    let checks = [
        (
            found.ids == (uid, uid) && found.groups.iter().all(|group| *group == uid),
            "it has the ids it was given, and no groups",
        ),
        (found.capabilities == [0; 5], "it has no capability"),
        (found.no_new_privs, "it can gain no privileges"),
        (found.seccomp_mode == 2, "its system calls are filtered"),
        (mount("/").is_some_and(|mount| mount.read_only), "its root is read-only"),
        (
            fenced("/job", 2) && fenced("/tmp", 4) && fenced("/dev/shm", 4),
            "what it can write to is bounded and not executable",
        ),
        (found.core_bytes == (0, 0), "it leaves no core dumps"),
        (found.open_files.1 == plan.open_files, "its open files are limited"),
        (own_descriptors(found), "it has no descriptors but those that it was given"),
        (found.interfaces.iter().all(|name| name == "lo"), "it has no network"),
        (
            plan.errand.network.is_held_by(found.network.as_ref()),
            "its loopback is up and its only way, and on it listens what was handed over and nobody else",
        ),
        (apart(found), "its namespaces are not the host's"),
        (cgroup(found, limits), "its control group has the limits of the policy"),
    ];
    checks.into_iter().find(|(holds, _)| !holds).map(|(_, what)| what.to_owned())
}

/// Three streams, the file that says whom the kernel ends first, and the listing itself. One more is somebody else's: what a
/// runtime leaves open leads out of the container (CVE-2024-21626).
fn own_descriptors(found: &ContainerEvidence) -> bool {
    const OWN: usize = 5;
    found.descriptors.iter().count() <= OWN
}

/// An engine may run in namespaces of its own: what counts is that the container's are others than ours.
fn apart(found: &ContainerEvidence) -> bool {
    let shared = |name: &str, inode: u64| {
        // One of ours that cannot be looked at may be the same.
        std::fs::metadata(format!("/proc/self/ns/{name}")).map_or(true, |own| own.ino() == inode)
    };
    found.namespaces.named().iter().all(|(name, inode)| *name == "user" || !shared(name, *inode))
}

fn cgroup(found: &ContainerEvidence, limits: &Limits) -> bool {
    let said = &found.limits;
    said.memory_bytes == Some(limits.memory_bytes)
        // Where swap is not accounted for nobody knows whether it is used.
        && said.swap_bytes == Some(0)
        && said.pids == Some(u64::from(limits.pids) + 1)
        && said.cpu.is_some_and(|(quota, period)| {
            quota.saturating_mul(stockade_plan::CPU_PERIOD_US) <= limits.cpu_quota_us.saturating_mul(period)
        })
}

/// Layer by layer, under the names that a sandbox's have.
pub(super) fn enforcement(
    found: &ContainerEvidence,
    plan: &ContainerPlan,
    facts: &EngineFacts,
) -> Enforcement {
    let limits = &plan.errand.limits;
    let enforced = |detail: String| Layer { state: State::Enforced, detail };
    let mut layers: std::collections::BTreeMap<&'static str, Layer> = found
        .namespaces
        .layers()
        .into_iter()
        .map(|(layer, inode)| (layer, enforced(inode.to_string())))
        .collect();
    if !facts.own_ids {
        let detail =
            "the engine's: its containers share the host's ids, and this one's is nobody else's".to_owned();
        layers.insert("user_namespace", Layer { state: State::Absent, detail });
    }
    if let Some(network) = layers.get_mut("network_namespace") {
        let what =
            found.network.as_ref().map_or_else(|| format!("only {}", found.interfaces), ToString::to_string);
        network.detail.push_str(&format!("; {what}"));
    }
    let version = found.limits.version.map_or("unknown".to_owned(), |version| format!("v{version}"));
    layers.insert(
        "cgroup_memory",
        enforced(format!("{} bytes, no swap, cgroup {version}", limits.memory_bytes)),
    );
    layers.insert("cgroup_pids", enforced(format!("{} processes, cgroup {version}", limits.pids)));
    layers.insert(
        "cgroup_cpu",
        enforced(format!("{} us of every 100000, cgroup {version}", limits.cpu_quota_us)),
    );
    layers.insert("ids", enforced(format!("uid {}, no groups", found.ids.0)));
    layers.insert("capabilities", enforced("all five sets empty".to_owned()));
    layers.insert("no_new_privs", enforced("1".to_owned()));
    let filters = found
        .seccomp_filters
        .map_or("an unknown number of filters".to_owned(), |count| format!("{count} filter"));
    layers.insert(
        "seccomp",
        enforced(format!("filter mode, {filters}, a profile of {} bytes", plan.seccomp.len())),
    );
    layers.insert(
        "landlock",
        absent("container engines do not use it: an image's files are all that there is to reach"),
    );
    layers.insert("rlimits", enforced(format!("open files {}, no core dumps", found.open_files.1)));
    layers
        .insert("descriptors", enforced(format!("{} at the start of its first process", found.descriptors)));
    layers.insert(
        "evidence",
        Layer {
            state: State::Degraded,
            detail: "what the control group counts; of refused calls, files and connections no engine tells"
                .to_owned(),
        },
    );
    layers.extend(found.mounts.iter().filter_map(|mount| mounted(mount, enforced)));
    if let Some(module) = &found.module {
        layers.insert("security_module", enforced(module.clone()));
    }
    Enforcement(layers)
}

fn absent(why: &str) -> Layer {
    Layer { state: State::Absent, detail: why.to_owned() }
}

fn mounted(mount: &Mounted, enforced: impl Fn(String) -> Layer) -> Option<(&'static str, Layer)> {
    let flags = mount.flags();
    match mount.path.as_str() {
        "/" => Some(("root_filesystem", enforced(flags))),
        "/job" => Some((
            "work_filesystem",
            enforced(format!(
                "{flags}, {} bytes and {} files, as much again for /tmp and /dev/shm",
                mount.size_bytes, mount.inodes
            )),
        )),
        "/proc" => Some(("proc_filesystem", enforced(format!("own processes only, {flags}")))),
        _ => None,
    }
}
