//! Control groups and namespaces.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{sethostname, write};
use stockade_plan::Hostname;

use super::user_namespace::UserNamespace;
use crate::spare::{self, Ready};
use crate::steps::{During, Fault};
use crate::sys;
use crate::uids::HostId;

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
/// The first three lay ready, and with them the job's user namespace; or they are made now, and the user namespace at the
/// same time. The last is rooted in the groups that were joined.
pub(super) fn take(ready: Option<Ready>, host_id: HostId) -> Result<UserNamespace, Fault> {
    let (user_namespace, others) = match ready {
        Some(ready) => (UserNamespace::Ready(ready.enter()?), CloneFlags::empty()),
        None => (UserNamespace::begun(host_id)?, spare::kinds()),
    };
    unshare(CloneFlags::CLONE_NEWCGROUP | others)
        .during("unshare", "network, ipc, uts and cgroup namespaces")?;
    Ok(user_namespace)
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
