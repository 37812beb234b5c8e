//! What the kernel says of itself, asked without privilege.

use stockade_sandbox::{Hierarchy, Kernel};

use super::{Check, advice};

/// The Landlock ABI that reports what it refuses to the audit trail; Linux 6.15.
const LANDLOCK_AUDIT: u8 = 7;
/// What filters answer with.
const ACTIONS: [&str; 3] = ["errno", "kill_process", "user_notif"];
const MIB: u64 = 1024 * 1024;

/// What does not take a job to be seen.
pub(super) fn examine(checks: &mut Vec<Check>, kernel: &Kernel) {
    checks.push(user_namespaces(kernel));
    checks.push(seccomp_actions(kernel));
    checks.push(disks(kernel));
    checks.push(swap(kernel));
    checks.push(audit(kernel));
}

fn user_namespaces(kernel: &Kernel) -> Check {
    let found = format!("{} at a time", kernel.user_namespaces);
    match kernel.user_namespaces {
        0 => Check::missing("user namespaces", found).advised(advice::of_layer("user_namespace")),
        _ => Check::good("user namespaces", found),
    }
}

fn seccomp_actions(kernel: &Kernel) -> Check {
    let found = kernel.seccomp_actions.join(" ");
    let lacking: Vec<&str> = ACTIONS
        .into_iter()
        .filter(|action| !kernel.seccomp_actions.iter().any(|there| there == action))
        .collect();
    match (kernel.seccomp, lacking.as_slice()) {
        (false, _) => {
            Check::missing("seccomp actions", "none".to_owned()).advised(advice::of_layer("seccomp"))
        }
        (true, []) => Check { required: false, ..Check::good("seccomp actions", found) },
        (true, lacking) => Check::gap("seccomp actions", format!("{found}, without {}", lacking.join(" ")))
            .advised(advice::ACTIONS),
    }
}

/// No job needs it whose policy says nothing of disks.
fn disks(kernel: &Kernel) -> Check {
    match kernel.controllers.iter().find(|(name, _)| *name == "io") {
        Some((_, Hierarchy::V2)) => optional("disk limits", "controller `io` of cgroup v2"),
        Some((_, Hierarchy::V1)) => optional("disk limits", "controller `blkio` of cgroup v1"),
        None => Check::gap("disk limits", "neither `io` in cgroup v2 nor `blkio` in cgroup v1".to_owned())
            .advised(advice::DISKS),
    }
}

/// Swap is no gap: the memory limit of a job leaves none to it, and that is read back.
fn swap(kernel: &Kernel) -> Check {
    match kernel.swap_bytes {
        0 => optional("swap", "none"),
        bytes => optional("swap", &format!("{} MiB, of which a job gets nothing", bytes / MIB)),
    }
}

fn audit(kernel: &Kernel) -> Check {
    if !kernel.audit {
        return Check::gap("audit", "the kernel has none".to_owned()).advised(advice::AUDIT);
    }
    if kernel.landlock_abi < LANDLOCK_AUDIT {
        let found = format!("there, but Landlock of ABI {} does not report to it", kernel.landlock_abi);
        return Check::gap("audit", found).advised(advice::AUDIT);
    }
    optional("audit", "there, and Landlock reports to it")
}

fn optional(name: &str, found: &str) -> Check {
    Check { required: false, ..Check::good(name, found.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Standing;

    fn kernel() -> Kernel {
        Kernel {
            landlock_abi: 7,
            seccomp: true,
            seccomp_actions: ACTIONS.map(str::to_owned).to_vec(),
            audit: true,
            swap_bytes: 0,
            user_namespaces: 1000,
            controllers: vec![("io", Hierarchy::V2)],
            namespaces: Vec::new(),
        }
    }

    fn bad(kernel: &Kernel) -> Vec<(String, Standing)> {
        let mut checks = Vec::new();
        examine(&mut checks, kernel);
        assert_eq!(checks.len(), 5);
        let bad: Vec<Check> = checks.into_iter().filter(|check| check.standing != Standing::Good).collect();
        assert!(bad.iter().all(|check| check.cost.is_some() && check.remedy.is_some()), "{bad:?}");
        bad.into_iter().map(|check| (check.name, check.standing)).collect()
    }

    #[test]
    fn a_kernel_with_everything_has_no_gap() {
        assert_eq!(bad(&kernel()), []);
        assert_eq!(bad(&Kernel { swap_bytes: 1 << 30, ..kernel() }), []);
    }

    #[test]
    fn each_gap_is_named_with_its_cost_and_what_to_do() {
        for (kernel, name, standing) in [
            (Kernel { landlock_abi: 6, ..kernel() }, "audit", Standing::Gap),
            (Kernel { audit: false, ..kernel() }, "audit", Standing::Gap),
            (Kernel { controllers: Vec::new(), ..kernel() }, "disk limits", Standing::Gap),
            (
                Kernel { seccomp_actions: vec!["errno".to_owned()], ..kernel() },
                "seccomp actions",
                Standing::Gap,
            ),
            (Kernel { seccomp: false, ..kernel() }, "seccomp actions", Standing::Missing),
            (Kernel { user_namespaces: 0, ..kernel() }, "user namespaces", Standing::Missing),
        ] {
            assert_eq!(bad(&kernel), [(name.to_owned(), standing)]);
        }
    }
}
