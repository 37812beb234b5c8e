//! Control groups and namespaces.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{sethostname, write};
use stockade_plan::Hostname;

use crate::spare::Set;
use crate::steps::{During, Fault};
use crate::sys;

/// Joins groups of version 1 hierarchies. The cgroup2 group was joined by `CLONE_INTO_CGROUP`.
///
/// "0" in `tasks` moves the writing thread only, for which the kernel needs no lock over all processes of the
/// host; init has but one thread. No code of the job's has run yet, so there is no window to use.
pub(super) fn join_v1_groups(groups: &[OwnedFd]) -> Result<(), Fault> {
    for group in groups {
        let tasks =
            openat(group, "tasks", OFlag::O_WRONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW, Mode::empty())
                .during("open", "tasks of a control group")?;
        match write(tasks.as_fd(), b"0").during("write", "tasks of a control group")? {
            1 => {}
            _ => return Err(Fault::new("write", "tasks of a control group", Errno::EIO)),
        }
    }
    Ok(())
}

/// New network, ipc, uts and cgroup namespaces, owned by the host's user namespace: nobody inside a sandbox
/// has a capability over them, not even root in a user namespace of its own.
///
/// The first three lay ready, or are made now. The last is rooted in the groups that were joined.
pub(super) fn take(ready: Option<Set>) -> Result<(), Fault> {
    let others = match ready {
        Some(ready) => ready.enter().map(|()| CloneFlags::empty())?,
        None => CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS,
    };
    unshare(CloneFlags::CLONE_NEWCGROUP | others).during("unshare", "network, ipc, uts and cgroup namespaces")
}

/// Enters the view's mount namespace, then takes a copy of it for this sandbox alone.
pub(super) fn enter_view(view: BorrowedFd<'_>) -> Result<(), Fault> {
    setns(view, CloneFlags::CLONE_NEWNS).during("setns", "the view")?;
    unshare(CloneFlags::CLONE_NEWNS).during("unshare", "mount namespace")
}

/// Names the host in the sandbox's uts namespace.
pub(super) fn name_host(name: &Hostname) -> Result<(), Fault> {
    sethostname(name.as_str()).during("sethostname", name.as_str())?;
    sys::clear_domain_name().during("setdomainname", "none")
}
