//! Comparing what is in force with what was asked for. Any difference stops the job before it starts.

use nix::errno::Errno;
use stockade_plan::{Confinement, Evidence, Limits, Mounted, Namespaces};

use super::rlimits;
use crate::abi::SECUREBITS_LOCKED;
use crate::init::mounts::OWN_INODES;
use crate::init::user_namespace::INNER_ID;
use crate::steps::Fault;

/// `SECCOMP_MODE_FILTER`, seccomp(2).
const FILTER_MODE: u32 = 2;

/// The first difference found, if any.
pub(super) fn verify(found: &Evidence, asked: &Confinement, host: &Namespaces) -> Result<(), Fault> {
    let checks = [
        ("ids", found.uid == INNER_ID),
        ("groups", found.groups == 0),
        ("capabilities", found.capabilities == [0; 5]),
        ("secure bits", found.securebits == SECUREBITS_LOCKED),
        ("no_new_privs", found.no_new_privs),
        ("seccomp mode", found.seccomp_mode == FILTER_MODE && found.seccomp_filters >= 1),
        ("landlock domain", found.landlock_probe_refused),
        ("cgroup namespace", found.cgroup_paths.iter().all(|line| line.ends_with(":/"))),
        ("namespaces", all_differ(&found.namespaces, host)),
        ("mount flags", mounts_hold(&found.mounts)),
        ("work tmpfs limits", work_limits_hold(&found.mounts, &asked.limits)),
        ("rlimits", rlimits::within(&found.rlimits, &asked.rlimits)),
        ("network", asked.network.is_held_by(found.network.as_ref())),
        ("descriptors", found.descriptors.as_slice() == [0, 1, 2]),
    ];
    match checks.into_iter().find(|(_, holds)| !holds) {
        None => Ok(()),
        Some((what, _)) => Err(Fault::new("read back", what, Errno::EPROTO)),
    }
}

/// Every namespace is known and is not the host's.
fn all_differ(job: &Namespaces, host: &Namespaces) -> bool {
    job.named().iter().zip(host.named()).all(|((_, job), (_, host))| *job != 0 && *job != host)
}

fn mounts_hold(mounts: &[Mounted]) -> bool {
    mounts.iter().all(|mount| {
        let own = mount.nosuid && mount.nodev && mount.noexec;
        own && (mount.read_only || mount.path != "/")
    })
}

/// tmpfs(5): the size is rounded up to whole pages.
fn work_limits_hold(mounts: &[Mounted], limits: &Limits) -> bool {
    const PAGE: u64 = 4096;
    let size = limits.disk_bytes.next_multiple_of(PAGE);
    let inodes = limits.files + OWN_INODES;
    ["/job", "/tmp", "/dev/shm"].iter().all(|path| {
        mounts.iter().any(|mount| mount.path == *path && mount.size_bytes == size && mount.inodes == inodes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespaces(first: u64) -> Namespaces {
        let at = |offset| first + offset;
        Namespaces { user: at(0), mnt: at(1), pid: at(2), net: at(3), ipc: at(4), uts: at(5), cgroup: at(6) }
    }

    #[test]
    fn one_namespace_shared_with_the_host_is_a_difference() {
        let host = namespaces(100);
        assert!(all_differ(&namespaces(200), &host));
        assert!(!all_differ(&Namespaces { net: host.net, ..namespaces(200) }, &host));
        assert!(!all_differ(&Namespaces { ipc: 0, ..namespaces(200) }, &host));
    }

    #[test]
    fn a_root_that_can_be_written_or_a_work_directory_that_can_execute_is_a_difference() {
        let mount = |path: &str, read_only, noexec| Mounted {
            path: path.to_owned(),
            read_only,
            nosuid: true,
            nodev: true,
            noexec,
            size_bytes: 0,
            inodes: 0,
        };
        assert!(mounts_hold(&[mount("/", true, true), mount("/job", false, true)]));
        assert!(!mounts_hold(&[mount("/", false, true)]));
        assert!(!mounts_hold(&[mount("/job", false, false)]));
    }
}
