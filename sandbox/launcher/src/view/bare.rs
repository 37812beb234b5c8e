//! Mount namespaces with next to nothing in them, in which views are built.
//!
//! To copy the host's mounts and to detach them again takes longer than to build a view, and the kernel waits for every
//! processor in between. So that is done once: the *bare* namespace holds one empty read-only tmpfs, and each view's
//! namespace begins as a copy of it.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{OFlag, open, openat};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{fchdir, pivot_root};

use crate::abi::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};
use crate::steps::{During, Fault};
use crate::sys;

/// The root of the bare namespace holds nothing, ever.
const OPTIONS: [(&CStr, &CStr); 3] = [(c"size", c"4k"), (c"nr_inodes", c"1"), (c"mode", c"0555")];
const ATTRIBUTES: u64 = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

/// The launcher's own mount namespace and the bare one.
#[derive(Debug)]
pub(crate) struct BareNamespace {
    /// `/proc/self/ns`, which is not to be found from within.
    namespaces: OwnedFd,
    own: OwnedFd,
    bare: OwnedFd,
}

impl BareNamespace {
    /// Makes the bare namespace; `staging` is an empty directory to mount its root on for a moment.
    pub(super) fn make(staging: &Path) -> Result<Self, Fault> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let namespaces = open("/proc/self/ns", flags, Mode::empty()).during("open", "/proc/self/ns")?;
        let own = current(namespaces.as_fd())?;
        let bare = apart(own.as_fd(), || {
            unshare(CloneFlags::CLONE_NEWNS).during("unshare", "mount namespace")?;
            leave_host(staging)?;
            current(namespaces.as_fd())
        })?;
        Ok(Self { namespaces, own, bare })
    }

    /// A new namespace whose root is `root`, a mount that is attached nowhere, over the bare one's.
    pub(super) fn namespace_with(&self, root: BorrowedFd<'_>) -> Result<OwnedFd, Fault> {
        apart(self.own.as_fd(), || {
            setns(self.bare.as_fd(), CloneFlags::CLONE_NEWNS).during("setns", "bare mount namespace")?;
            unshare(CloneFlags::CLONE_NEWNS).during("unshare", "bare mount namespace")?;
            let below = open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
                .during("open", "root of the bare mount namespace")?;
            // Whoever enters a mount namespace starts at what is on top of its root: setns(2), path_resolution(7).
            sys::move_mount(root, below.as_fd()).during("move_mount", "root tmpfs")?;
            current(self.namespaces.as_fd())
        })
    }

    /// Runs `work` in `namespace`, where mounts can be attached, and comes back.
    pub(super) fn within<T>(
        &self,
        namespace: &OwnedFd,
        work: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        apart(self.own.as_fd(), || {
            setns(namespace, CloneFlags::CLONE_NEWNS).during("setns", "mount namespace of a view")?;
            work()
        })
    }
}

/// Runs `work`, which goes to another mount namespace, and comes back to `own`, root and working directory included:
/// setns(2). If that failed the launcher would be lost: every later request fails for lack of /proc, and none runs.
fn apart<T>(own: BorrowedFd<'_>, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let done = work();
    setns(own, CloneFlags::CLONE_NEWNS).during("setns", "the launcher's mount namespace")?;
    done
}

/// Makes an empty tmpfs the root of this mount namespace; the host's is detached with everything on it.
fn leave_host(staging: &Path) -> Result<(), Fault> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .during("make private", "/")?;
    let tmpfs = sys::detached_tmpfs(&OPTIONS, ATTRIBUTES).during("fsmount", "bare root")?;
    let path = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let target = open(staging, path, Mode::empty()).during("open", &staging.display().to_string())?;
    sys::move_mount(tmpfs.as_fd(), target.as_fd()).during("move_mount", "bare root")?;
    fchdir(&tmpfs).during("chdir", "bare root")?;
    // pivot_root(2), NOTES: with both paths the same, the old root ends up on top of the new one.
    pivot_root(".", ".").during("pivot_root", "bare root")?;
    umount2(".", MntFlags::MNT_DETACH).during("umount", "the host's root")
}

fn current(namespaces: BorrowedFd<'_>) -> Result<OwnedFd, Fault> {
    openat(namespaces, "mnt", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
        .during("open", "/proc/self/ns/mnt")
}
