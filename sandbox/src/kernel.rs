//! What the kernel here can confine with, asked without privilege and without running a job.

use std::fs;

use landlock::{AccessFs, LandlockStatus, Ruleset, RulesetAttr as _};

use crate::cgroup::{Hierarchy, hierarchies};

/// What the kernel of this host offers. What a job was really given is its [`crate::Enforcement`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The Landlock ABI, 0 where there is none; landlock(7).
    pub landlock_abi: u8,
    /// Whether it takes system-call filters; seccomp(2).
    pub seccomp: bool,
    /// What a filter can answer with, by the kernel's names; `/proc/sys/kernel/seccomp/actions_avail`.
    pub seccomp_actions: Vec<String>,
    /// Whether it keeps an audit trail; `CONFIG_AUDIT`.
    pub audit: bool,
    /// Swap space, bytes; proc_swaps(5).
    pub swap_bytes: u64,
    /// How many user namespaces it allows at a time; `/proc/sys/user/max_user_namespaces`, namespaces(7).
    pub user_namespaces: u64,
    /// Each controller that jobs are limited by and that is there, and the hierarchy it sits in. None at all without
    /// a cgroup2 hierarchy.
    pub controllers: Vec<(&'static str, Hierarchy)>,
    /// The namespaces that it makes, by their names in an enforcement; namespaces(7).
    pub namespaces: Vec<&'static str>,
}

impl Kernel {
    /// That of this host.
    pub fn here() -> Self {
        let seccomp_actions = seccomp_actions();
        Self {
            landlock_abi: landlock_abi(),
            seccomp: seccomp_actions.iter().any(|action| action == "errno"),
            seccomp_actions,
            // The file is there if and only if the kernel has audit; proc_pid_loginuid(5).
            audit: fs::symlink_metadata("/proc/self/loginuid").is_ok(),
            swap_bytes: fs::read_to_string("/proc/swaps").map_or(0, |text| swap_bytes(&text)),
            user_namespaces: fs::read_to_string("/proc/sys/user/max_user_namespaces")
                .ok()
                .and_then(|limit| limit.trim().parse().ok())
                .unwrap_or(0),
            controllers: hierarchies(),
            namespaces: namespaces(),
        }
    }
}

/// The kernel tells its ABI to whoever restricts himself. That holds for one thread, so one is started for it and
/// thrown away.
fn landlock_abi() -> u8 {
    let asked = std::thread::spawn(|| {
        let ruleset = Ruleset::default().handle_access(AccessFs::Execute)?.create()?;
        ruleset.restrict_self().map(|status| status.landlock)
    });
    match asked.join() {
        Ok(Ok(LandlockStatus::Available { effective_abi, kernel_abi })) => {
            u8::try_from(kernel_abi.unwrap_or(effective_abi as i32)).unwrap_or(0)
        }
        _ => 0,
    }
}

/// The file is there if and only if the kernel has filters.
fn seccomp_actions() -> Vec<String> {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    actions.split_whitespace().map(str::to_owned).collect()
}

/// The third column is KiB; the first line is the columns' names.
fn swap_bytes(text: &str) -> u64 {
    let sizes = text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    sizes.map(|kib| kib.saturating_mul(1024)).sum()
}

/// A kind of namespace is there if `/proc/self/ns` has it, and can be made if the host's limit is not zero.
fn namespaces() -> Vec<&'static str> {
    let kinds = [
        ("user", "user_namespace"),
        ("mnt", "mount_namespace"),
        ("pid", "pid_namespace"),
        ("net", "network_namespace"),
        ("ipc", "ipc_namespace"),
        ("uts", "uts_namespace"),
        ("cgroup", "cgroup_namespace"),
    ];
    let there = |kind: &str| {
        let limit = fs::read_to_string(format!("/proc/sys/user/max_{kind}_namespaces"));
        fs::symlink_metadata(format!("/proc/self/ns/{kind}")).is_ok()
            && limit.map_or(true, |limit| limit.trim() != "0")
    };
    kinds.into_iter().filter(|(kind, _)| there(kind)).map(|(_, layer)| layer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_for_the_abi_confines_nobody_else() {
        let first = landlock_abi();
        assert_eq!(landlock_abi(), first);
        // Execute was restricted to nothing, for a thread that is gone.
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        assert!(status.contains("NoNewPrivs:\t0"), "{status}");
    }

    #[test]
    fn swap_space_is_added_up() {
        let text =
            "Filename\tType\tSize\tUsed\tPriority\n/dev/vdb partition 262140 0 -2\n/swap file 4 0 -3\n";
        assert_eq!(swap_bytes(text), 262_144 * 1024);
        assert_eq!(swap_bytes("Filename Type\n"), 0);
    }

    #[test]
    fn a_host_that_runs_these_tests_has_namespaces_and_controllers() {
        let kernel = Kernel::here();
        assert_eq!(kernel.namespaces.len(), 7);
        assert!(kernel.controllers.len() >= 3);
        assert!(kernel.seccomp && kernel.user_namespaces > 0);
    }
}
