//! What was in force in a container: checked before the job starts, and told in the words of a sandbox's.

use std::os::unix::fs::MetadataExt as _;

use stockade_plan::{ContainerEvidence, Limits, Mounted};
use stockade_policies::ContainerPlan;
use stockade_sandbox::{Enforcement, Layer, State};

use super::container::{Part, parts};
use super::engine::EngineFacts;
use super::image::Image;

/// What is missing: then the job does not start.
pub(super) fn lacking(
    found: &ContainerEvidence,
    plan: &ContainerPlan,
    image: &Image,
    facts: &EngineFacts,
    uid: u32,
) -> Option<String> {
    let limits = &plan.errand.limits;
    let parts = parts(plan, image);
    let mount =
        |path: &str| found.mounts.iter().chain(found.writable.iter()).find(|mount| mount.path == path);
    let fenced = |part: &Part| {
        mount(&part.path).is_some_and(|mount| {
            // Whole pages.
            let bytes = part.bytes.next_multiple_of(4096);
            // None at all: not counted.
            let bounded = mount.size_bytes <= bytes && (1..=part.inodes).contains(&mount.inodes);
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
        (
            found.seccomp_mode == 2 && found.seccomp_mark == Some(plan.seccomp_mark),
            "its system calls are filtered as its policy says",
        ),
        (mount("/").is_some_and(|mount| mount.read_only), "its root is read-only"),
        (parts.iter().all(fenced), "what it can write to is bounded and not executable"),
        (
            found.writable.iter().all(|mount| parts.iter().any(|part| part.path == mount.path)),
            "it can write nowhere else",
        ),
        (found.core_bytes == (0, 0), "it leaves no core dumps"),
        (found.open_files.1 == plan.open_files, "its open files are limited"),
        (own_descriptors(found), "it has no descriptors but those that it was given"),
        (found.interfaces.iter().all(|name| name == "lo"), "it has no network"),
        (
            plan.errand.network.is_held_by(found.network.as_ref()),
            "its loopback is up and its only way, and on it listens what was handed over and nobody else",
        ),
        (apart(found, facts), "its namespaces are not the host's"),
        (cgroup(found, limits), "its control group has the limits of the policy"),
    ];
    let failed = checks.into_iter().find(|(holds, _)| !holds).map(|(_, what)| what.to_owned());
    failed.or_else(|| not_had(&enforcement(found, plan, facts), &plan.required))
}

/// A layer that the policy asks for and that is not wholly there.
fn not_had(layers: &Enforcement, required: &[&'static str]) -> Option<String> {
    let had = |name: &&&str| layers.0.get(**name).is_some_and(|layer| layer.state == State::Enforced);
    let name = required.iter().find(|name| !had(name))?;
    let detail = layers.0.get(name).map_or("not there", |layer| layer.detail.as_str());
    Some(format!("`{name}` is enforced, which the policy requires (it is: {detail})"))
}

/// Three streams, the file that says whom the kernel ends first, and the listing itself. One more is somebody else's: what a
/// runtime leaves open leads out of the container (CVE-2024-21626).
fn own_descriptors(found: &ContainerEvidence) -> bool {
    const OWN: usize = 5;
    found.descriptors.iter().count() <= OWN
}

/// An engine may run in namespaces of its own: what counts is that the container's are others than ours.
fn apart(found: &ContainerEvidence, facts: &EngineFacts) -> bool {
    let may_be_shared = |name: &str| match name {
        "user" => true,
        // Podman's interface does not take one, and its own default is the host's with control groups of version 1.
        "cgroup" => facts.podman && !facts.cgroup_v2,
        _ => false,
    };
    found.namespaces.named().iter().all(|(name, inode)| may_be_shared(name) || !shared(name, *inode))
}

fn shared(name: &str, inode: u64) -> bool {
    // One of ours that cannot be looked at may be the same.
    std::fs::metadata(format!("/proc/self/ns/{name}")).map_or(true, |own| own.ino() == inode)
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
    if shared("cgroup", found.namespaces.cgroup) {
        let detail = "the host's: it sees what its control groups are called, and none but its own";
        layers.insert("cgroup_namespace", absent(detail));
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
        enforced(format!(
            "filter mode, {filters}, a profile of {} bytes, told by its mark",
            plan.seccomp.len()
        )),
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
    if let Some(work) = layers.get_mut("work_filesystem") {
        let volumes = found.writable.iter().map(|mount| format!(", {}", mount.path));
        work.detail.extend(volumes);
    }
    if let Some(module) = &found.module {
        layers.insert("security_module", security_module(module));
    }
    Enforcement(layers)
}

/// As AppArmor and SELinux call a process that they let do anything.
fn security_module(label: &str) -> Layer {
    let free = label == "unconfined" || label.split(':').any(|part| part == "unconfined_t");
    let state = if free { State::Absent } else { State::Enforced };
    Layer { state, detail: label.to_owned() }
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

#[cfg(test)]
mod tests {
    use stockade_plan::{CPU_PERIOD_US, ContainerLimits, Namespaces};

    use super::super::container::tests::{facts, image, plan};
    use super::*;

    const UID: u32 = 0x7F00_0001;

    /// What a container's first process finds when all is as it was asked for.
    fn good(plan: &ContainerPlan) -> ContainerEvidence {
        let limits = &plan.errand.limits;
        let mount = |path: &str, size_bytes, inodes| Mounted {
            path: path.to_owned(),
            read_only: path == "/",
            nosuid: true,
            nodev: true,
            noexec: true,
            size_bytes,
            inodes,
        };
        let mut own: Vec<_> =
            parts(plan, &image()).iter().map(|part| mount(&part.path, part.bytes, part.inodes)).collect();
        let volumes = own.split_off(3);
        let mounts = [mount("/", 1, 1), mount("/proc", 0, 0)].into_iter().chain(own).collect::<Vec<_>>();
        ContainerEvidence {
            namespaces: Namespaces { user: 1, mnt: 2, pid: 3, net: 4, ipc: 5, uts: 6, cgroup: 7 },
            ids: (UID, UID),
            groups: vec![UID].try_into().unwrap(),
            capabilities: [0; 5],
            no_new_privs: true,
            seccomp_mode: 2,
            seccomp_filters: Some(1),
            seccomp_mark: Some(plan.seccomp_mark),
            module: None,
            mounts: mounts.try_into().unwrap(),
            writable: volumes.try_into().unwrap(),
            limits: ContainerLimits {
                version: Some(1),
                memory_bytes: Some(limits.memory_bytes),
                swap_bytes: Some(0),
                pids: Some(u64::from(limits.pids) + 1),
                cpu: Some((limits.cpu_quota_us, CPU_PERIOD_US)),
            },
            open_files: (plan.open_files, plan.open_files),
            core_bytes: (0, 0),
            interfaces: vec!["lo".to_owned()].try_into().unwrap(),
            network: None,
            descriptors: vec![0, 1, 2, 3, 4].try_into().unwrap(),
        }
    }

    #[test]
    fn a_job_starts_only_if_its_own_filter_and_nothing_writable_besides_is_found() {
        let (plan, facts) = (plan(), facts(false, false));
        let lacks = |change: &dyn Fn(&mut ContainerEvidence)| {
            let mut found = good(&plan);
            change(&mut found);
            lacking(&found, &plan, &image(), &facts, UID)
        };
        assert_eq!(lacks(&|_| ()), None);
        let another = plan.seccomp_mark ^ 1;
        for mark in [None, Some(another)] {
            let said = lacks(&|found| found.seccomp_mark = mark).unwrap();
            assert!(said.contains("filtered as its policy says"), "{said}");
        }
        let volume = good(&plan).writable.iter().next().unwrap().clone();
        let other = Mounted { path: "/run".to_owned(), ..volume.clone() };
        let large = Mounted { size_bytes: volume.size_bytes * 2, ..volume.clone() };
        let executable = Mounted { noexec: false, ..volume.clone() };
        for (writable, word) in [
            (vec![volume, other], "write nowhere else"),
            (vec![large], "bounded and not executable"),
            (vec![executable], "bounded and not executable"),
            (Vec::new(), "bounded and not executable"),
        ] {
            let said = lacks(&|found| found.writable = writable.clone().try_into().unwrap()).unwrap();
            assert!(said.contains(word), "{said}");
        }
    }

    #[test]
    fn a_namespace_of_ours_is_none_of_its_own_and_only_podman_may_leave_out_that_of_control_groups() {
        let ours = std::fs::metadata("/proc/self/ns/cgroup").unwrap().ino();
        let mut plan = plan();
        let mut found = good(&plan);
        found.namespaces.cgroup = ours;
        let docker = facts(false, false);
        let podman = EngineFacts { podman: true, cgroup_v2: false, ..docker.clone() };
        let newer = EngineFacts { cgroup_v2: true, ..podman.clone() };
        for engine in [&docker, &newer] {
            assert!(
                lacking(&found, &plan, &image(), engine, UID)
                    .unwrap()
                    .contains("namespaces are not the host's")
            );
        }
        plan.required.clear();
        assert_eq!(lacking(&found, &plan, &image(), &podman, UID), None);
        assert_eq!(enforcement(&found, &plan, &podman).0["cgroup_namespace"].state, State::Absent);
        plan.required.push("cgroup_namespace");
        let said = lacking(&found, &plan, &image(), &podman, UID).unwrap();
        assert!(said.contains("`cgroup_namespace` is enforced, which the policy requires"), "{said}");
    }

    #[test]
    fn a_module_that_lets_a_process_do_anything_does_not_count() {
        for (label, state) in [
            ("docker-default (enforce)", State::Enforced),
            ("system_u:system_r:container_t:s0:c1,c2", State::Enforced),
            ("unconfined", State::Absent),
            ("unconfined_u:unconfined_r:unconfined_t:s0", State::Absent),
        ] {
            assert_eq!(security_module(label).state, state, "{label}");
        }
    }
}
