//! What each sandbox mounts for itself: `/proc` and the work tmpfs.

use std::ffi::CString;
use std::os::fd::AsFd;

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::unistd::{Gid, Uid, fchown};
use stockade_plan::{Limits, WORK_DIR};

use crate::abi::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID};
use crate::steps::{During, Fault};
use crate::sys;
use crate::uids::HostId;

/// The parts of the work tmpfs: name in it, where it goes, mode.
const PARTS: [(&str, &str, u32); 3] =
    [("job", WORK_DIR, 0o700), ("tmp", "/tmp", 0o1777), ("shm", "/dev/shm", 0o1777)];
/// The root of the tmpfs and its three parts, which are not the job's files.
pub(crate) const OWN_INODES: u64 = 4;

/// Mounts `/proc` with nothing in it but the sandbox's own processes, and one tmpfs behind `/job`, `/tmp` and
/// `/dev/shm`, so that one limit on size and one on files holds for all three.
pub(super) fn mount_own(limits: &Limits, owner: HostId) -> Result<(), Fault> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // proc(5): `subset=pid` leaves out everything that is not about a process (/proc/sys, kcore, keys, …).
    mount(Some("proc"), "/proc", Some("proc"), flags, Some("subset=pid,hidepid=invisible"))
        .during("mount", "/proc")?;
    work_tmpfs(limits, owner)
}

fn work_tmpfs(limits: &Limits, owner: HostId) -> Result<(), Fault> {
    let number = |value: u64| CString::new(value.to_string()).unwrap_or_default();
    let (size, inodes) = (number(limits.disk_bytes), number(limits.files + OWN_INODES));
    let options = [(c"size", size.as_c_str()), (c"nr_inodes", inodes.as_c_str()), (c"mode", c"0755")];
    let attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    let tmpfs = sys::detached_tmpfs(&options, attributes).during("fsmount", "work tmpfs")?;
    // Kernels before 6.15 clone only from mounts that are attached. The whole stays where its first part covers it: to detach it
    // would have the kernel wait for every processor, and there is nothing in it but the three parts.
    let stage = open_dir(WORK_DIR)?;
    sys::move_mount(tmpfs.as_fd(), stage.as_fd()).during("move_mount", "work tmpfs")?;
    let mut trees = Vec::new();
    for (name, target, mode) in PARTS {
        mkdirat(&tmpfs, name, Mode::from_bits_truncate(mode)).during("mkdir", target)?;
        let part = nix::fcntl::openat(&tmpfs, name, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
            .during("open", target)?;
        // mkdir(2) subtracts the umask. First the mode, then the owner: root without CAP_FOWNER cannot change
        // the mode of somebody else's directory.
        fchmod(&part, Mode::from_bits_truncate(mode)).during("chmod", target)?;
        fchown(&part, Some(Uid::from_raw(owner.raw())), Some(Gid::from_raw(owner.raw())))
            .during("chown", target)?;
        trees.push((sys::open_tree_clone(part.as_fd(), c"").during("open_tree", target)?, target));
    }
    for (tree, target) in trees {
        sys::move_mount(tree.as_fd(), open_dir(target)?.as_fd()).during("move_mount", target)?;
    }
    Ok(())
}

fn open_dir(path: &str) -> Result<std::os::fd::OwnedFd, Fault> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).during("open", path)
}
