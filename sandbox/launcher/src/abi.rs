//! Constants of the kernel's interface that the libc crate lacks, or has in a type too narrow to hold them.

/// linux/sched.h: put the child straight into the cgroup2 group of `clone_args.cgroup`.
pub(crate) const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// linux/mount.h: clone the mount instead of opening it.
pub(crate) const OPEN_TREE_CLONE: u32 = 1;
/// linux/mount.h: `O_CLOEXEC` for open_tree(2).
pub(crate) const OPEN_TREE_CLOEXEC: u32 = 0o2_000_000;

/// linux/mount.h: the source is the descriptor itself.
pub(crate) const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x04;
/// linux/mount.h: the target is the descriptor itself.
pub(crate) const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;

/// linux/mount.h, `enum fsconfig_command`: set a parameter to a string.
pub(crate) const FSCONFIG_SET_STRING: u32 = 1;
/// linux/mount.h, `enum fsconfig_command`: create the superblock.
pub(crate) const FSCONFIG_CMD_CREATE: u32 = 6;
/// linux/mount.h.
pub(crate) const FSOPEN_CLOEXEC: u32 = 1;
/// linux/mount.h.
pub(crate) const FSMOUNT_CLOEXEC: u32 = 1;

/// linux/mount.h: read-only.
pub(crate) const MOUNT_ATTR_RDONLY: u64 = 0x01;
/// linux/mount.h: set-user-id and set-group-id bits and file capabilities have no effect.
pub(crate) const MOUNT_ATTR_NOSUID: u64 = 0x02;
/// linux/mount.h: device nodes cannot be opened.
pub(crate) const MOUNT_ATTR_NODEV: u64 = 0x04;
/// linux/mount.h: nothing can be executed or mapped executable.
pub(crate) const MOUNT_ATTR_NOEXEC: u64 = 0x08;

/// linux/mount.h, `struct mount_attr` of mount_setattr(2).
#[repr(C)]
pub(crate) struct MountAttr {
    /// `MOUNT_ATTR_*` to set.
    pub(crate) attr_set: u64,
    /// `MOUNT_ATTR_*` to clear.
    pub(crate) attr_clr: u64,
    /// `MS_PRIVATE` and its like, or 0 to leave it.
    pub(crate) propagation: u64,
    /// For id-mapped mounts.
    pub(crate) userns_fd: u64,
}

/// linux/securebits.h: every bit of capabilities(7) that takes the magic from uid 0, and its lock:
/// `NOROOT`, `NO_SETUID_FIXUP`, `NO_CAP_AMBIENT_RAISE` with their locks, and `KEEP_CAPS` locked at zero.
pub(crate) const SECUREBITS_LOCKED: u32 = 0b1110_1111;

/// linux/pidfd.h.
pub(crate) const PIDFD_SIGNAL_PROCESS_GROUP: u32 = 1 << 2;

/// linux/seccomp.h: let a call about which was asked go ahead; the libc crate has it in a signed type.
pub(crate) const SECCOMP_USER_NOTIF_FLAG_CONTINUE: u32 = 1;
