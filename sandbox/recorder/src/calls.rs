//! The calls whose arguments name something: which argument is what.

use nix::libc;
use stockade_plan::How;

/// Where a call's path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PathAt {
    pub(crate) how: How,
    /// The argument with the directory that a relative path starts at; the working directory if there is none.
    pub(crate) directory: Option<usize>,
    pub(crate) path: usize,
}

/// What an argument of a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Path(PathAt),
    /// A file is opened; `flags` is the argument with open(2)'s flags.
    Open {
        at: PathAt,
        flags: usize,
    },
    /// openat2(2): the flags are the first word of the structure that this argument points to.
    OpenHow {
        at: PathAt,
        how: usize,
    },
    /// A program is executed.
    Execute(PathAt),
    /// A file is mapped: protection, flags and descriptor are arguments 2, 3 and 4.
    Map,
    /// A socket address: pointer and length.
    Address(usize, usize),
    /// clone(2): the flags are argument 0.
    Clone,
}

const fn at(how: How, directory: usize, path: usize) -> PathAt {
    PathAt { how, directory: Some(directory), path }
}

const fn plain(how: How, path: usize) -> PathAt {
    PathAt { how, directory: None, path }
}

/// What call `number` names. Of two names (rename, link) it is the new one: the old one lies on the same file system.
pub(crate) fn subject(number: i64) -> Option<Subject> {
    Some(match number {
        libc::SYS_open => Subject::Open { at: plain(How::Read, 0), flags: 1 },
        libc::SYS_openat => Subject::Open { at: at(How::Read, 0, 1), flags: 2 },
        libc::SYS_openat2 => Subject::OpenHow { at: at(How::Read, 0, 1), how: 2 },
        libc::SYS_execve => Subject::Execute(plain(How::Execute, 0)),
        libc::SYS_execveat => Subject::Execute(at(How::Execute, 0, 1)),
        libc::SYS_mmap => Subject::Map,
        libc::SYS_connect | libc::SYS_bind => Subject::Address(1, 2),
        libc::SYS_sendto => Subject::Address(4, 5),
        libc::SYS_clone => Subject::Clone,
        _ => Subject::Path(looked(number).or_else(|| written(number))?),
    })
}

fn looked(number: i64) -> Option<PathAt> {
    Some(match number {
        libc::SYS_stat
        | libc::SYS_lstat
        | libc::SYS_access
        | libc::SYS_readlink
        | libc::SYS_chdir
        | libc::SYS_statfs
        | libc::SYS_getxattr
        | libc::SYS_lgetxattr
        | libc::SYS_listxattr
        | libc::SYS_llistxattr => plain(How::Look, 0),
        libc::SYS_newfstatat
        | libc::SYS_readlinkat
        | libc::SYS_faccessat
        | libc::SYS_faccessat2
        | libc::SYS_statx => at(How::Look, 0, 1),
        _ => return None,
    })
}

fn written(number: i64) -> Option<PathAt> {
    Some(match number {
        libc::SYS_creat
        | libc::SYS_truncate
        | libc::SYS_mkdir
        | libc::SYS_rmdir
        | libc::SYS_unlink
        | libc::SYS_chmod
        | libc::SYS_chown
        | libc::SYS_lchown
        | libc::SYS_utime
        | libc::SYS_utimes
        | libc::SYS_mknod
        | libc::SYS_setxattr
        | libc::SYS_lsetxattr => plain(How::Write, 0),
        libc::SYS_rename | libc::SYS_link | libc::SYS_symlink => plain(How::Write, 1),
        libc::SYS_mkdirat
        | libc::SYS_mknodat
        | libc::SYS_unlinkat
        | libc::SYS_fchmodat
        | libc::SYS_fchmodat2
        | libc::SYS_fchownat
        | libc::SYS_futimesat
        | libc::SYS_utimensat => at(How::Write, 0, 1),
        libc::SYS_symlinkat => at(How::Write, 1, 2),
        libc::SYS_renameat | libc::SYS_renameat2 | libc::SYS_linkat => at(How::Write, 2, 3),
        _ => return None,
    })
}

/// Whether a call may make the work directories smaller: what they held is looked at before.
pub(crate) fn shrinks(number: i64) -> bool {
    matches!(
        number,
        libc::SYS_unlink
            | libc::SYS_unlinkat
            | libc::SYS_rmdir
            | libc::SYS_rename
            | libc::SYS_renameat
            | libc::SYS_renameat2
            | libc::SYS_truncate
            | libc::SYS_ftruncate
            | libc::SYS_exit_group
    )
}

/// Whether a call answers with a new descriptor.
pub(crate) fn opens(number: i64) -> bool {
    matches!(
        number,
        libc::SYS_open
            | libc::SYS_openat
            | libc::SYS_openat2
            | libc::SYS_creat
            | libc::SYS_dup
            | libc::SYS_dup2
            | libc::SYS_dup3
            | libc::SYS_socket
            | libc::SYS_accept
            | libc::SYS_accept4
            | libc::SYS_epoll_create1
            | libc::SYS_eventfd2
            | libc::SYS_timerfd_create
            | libc::SYS_signalfd4
            | libc::SYS_pidfd_open
    )
}

/// What a file is opened for, by open(2)'s flags.
pub(crate) fn opened_for(flags: u64) -> How {
    let flags = i32::try_from(flags & 0x7fff_ffff).unwrap_or(0);
    if flags & libc::O_PATH != 0 {
        How::Look
    } else if flags & libc::O_ACCMODE != libc::O_RDONLY || flags & (libc::O_CREAT | libc::O_TRUNC) != 0 {
        How::Write
    } else {
        How::Read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_opened_for_is_in_its_flags() {
        let how = |flags: i32| opened_for(u64::from(flags.cast_unsigned()));
        assert_eq!(how(libc::O_RDONLY | libc::O_CLOEXEC | libc::O_DIRECTORY), How::Read);
        assert_eq!(how(libc::O_WRONLY), How::Write);
        assert_eq!(how(libc::O_RDWR), How::Write);
        assert_eq!(how(libc::O_RDONLY | libc::O_CREAT), How::Write);
        assert_eq!(how(libc::O_PATH), How::Look);
    }

    #[test]
    fn a_relative_new_name_starts_at_its_own_directory() {
        assert_eq!(subject(libc::SYS_renameat2), Some(Subject::Path(at(How::Write, 2, 3))));
        assert_eq!(subject(libc::SYS_symlinkat), Some(Subject::Path(at(How::Write, 1, 2))));
        assert_eq!(subject(libc::SYS_read), None);
    }
}
