//! The unsafe code of the repository: one function per system call that no safe library covers, each safe by
//! its types. Nothing else in Stockade contains `unsafe`.
#![expect(unsafe_code, reason = "system calls and descriptor ownership that no safe wrapper covers")]

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_short, c_ulong};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::errno::Errno;
use nix::libc;
use stockade_plan::{Ended, Instruction, Rusage};

use crate::abi;

/// The result of [`clone3`] in each of the two processes.
pub(crate) enum Cloned {
    /// In the new process.
    Child,
    /// In the calling process: the child's pid in the caller's pid namespace, and its pidfd.
    Parent { pid: libc::pid_t, pidfd: OwnedFd },
}

/// clone3(2) with fork semantics: no shared memory, `SIGCHLD` at the end, a pidfd, and, when `cgroup` is given,
/// straight into that cgroup2 group (`CLONE_INTO_CGROUP`).
///
/// <https://man7.org/linux/man-pages/man2/clone.2.html>
pub(crate) fn clone3(namespaces: u64, cgroup: Option<BorrowedFd<'_>>) -> nix::Result<Cloned> {
    let mut pidfd: c_int = -1;
    let mut flags = namespaces | libc::CLONE_PIDFD as u64;
    if cgroup.is_some() {
        flags |= abi::CLONE_INTO_CGROUP;
    }
    let args = libc::clone_args {
        flags,
        pidfd: ptr::from_mut(&mut pidfd) as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: cgroup.map_or(0, |fd| u64::from(fd.as_raw_fd().cast_unsigned())),
    };
    // SAFETY: `args` outlives the call and its size is passed with it. No stack and no CLONE_VM are given, so
    // the child runs on a copy-on-write copy of this address space. The launcher has one thread, as it makes sure
    // before each call, and init, its copy, starts none: no lock of the allocator or of libc can be held by a thread that the
    // child lacks.
    let result = unsafe { libc::syscall(libc::SYS_clone3, ptr::from_ref(&args), size_of_val(&args)) };
    match Errno::result(result)? {
        0 => Ok(Cloned::Child),
        pid => {
            // SAFETY: CLONE_PIDFD made the kernel store a new descriptor in `pidfd`; nobody else owns it.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            let pid = libc::pid_t::try_from(pid).map_err(|_| Errno::EOVERFLOW)?;
            Ok(Cloned::Parent { pid, pidfd })
        }
    }
}

/// Whether the calling process has one thread: `/proc/self/task` has a directory for each, proc(5), and two links of its
/// own. Where that cannot be told it is not so.
pub(crate) fn has_one_thread() -> bool {
    nix::sys::stat::stat("/proc/self/task").is_ok_and(|found| found.st_nlink == 3)
}

/// Ends the calling process at once, without destructors or exit handlers: those belong to the process this
/// one was cloned from.
///
/// <https://man7.org/linux/man-pages/man2/_exit.2.html>
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: _exit(2) takes any status, touches no memory and does not return.
    unsafe { libc::_exit(status) }
}

/// execveat(2) on the descriptor itself (`AT_EMPTY_PATH`): what was opened and checked is what runs. Returns
/// only on failure.
///
/// <https://man7.org/linux/man-pages/man2/execveat.2.html>
pub(crate) fn exec_descriptor(
    program: BorrowedFd<'_>,
    arguments: &[CString],
    environment: &[CString],
) -> Errno {
    let argv = null_terminated(arguments);
    let envp = null_terminated(environment);
    // SAFETY: the empty path is a static C string; `argv` and `envp` are arrays of pointers to C strings that
    // `arguments` and `environment` keep alive over the call, each ended by a null pointer.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            envp.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::last()
}

fn null_terminated(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

/// Installs a seccomp filter on the calling thread; no_new_privs must be set. If it `asks`, the descriptor on which its
/// questions come is returned: who asks waits for the answer, and once his question has been read no other signal than
/// a deadly one interrupts him, where the kernel can do that (from 5.19 on).
///
/// <https://man7.org/linux/man-pages/man2/seccomp.2.html>
pub(crate) fn seccomp_set_filter(instructions: &[Instruction], asks: bool) -> nix::Result<Option<OwnedFd>> {
    let program: Vec<libc::sock_filter> =
        instructions.iter().map(|i| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect();
    let Ok(len) = u16::try_from(program.len()) else { return Err(Errno::E2BIG) };
    let fprog = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    let install = |flags: c_ulong| {
        // SAFETY: `fprog` points to `len` instructions that live until the call returns; the kernel copies and
        // verifies them and never writes through the pointer.
        unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, ptr::from_ref(&fprog))
        }
    };
    if !asks {
        return Errno::result(install(0)).map(|_| None);
    }
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    match owned(install(listener | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)) {
        Err(Errno::EINVAL) => owned(install(listener)).map(Some),
        installed => installed.map(Some),
    }
}

/// A system call about which a filter asks: `struct seccomp_notif`, linux/seccomp.h.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    /// What the answer names.
    pub(crate) id: u64,
    /// The thread that waits, in the caller's pid namespace.
    pub(crate) pid: libc::pid_t,
    /// The number of the call.
    pub(crate) call: u32,
    /// Its arguments.
    pub(crate) arguments: [u64; 6],
}

/// The next question; `None` if whoever asked does not wait any more. Blocks if there is none.
///
/// <https://man7.org/linux/man-pages/man2/seccomp_unotify.2.html>
pub(crate) fn next_question(listener: BorrowedFd<'_>) -> nix::Result<Option<Question>> {
    // SAFETY: `seccomp_notif` is plain integers, for which all zero bytes are a value, and the one that the kernel
    // demands to be handed.
    let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a local of the very type whose size is part of the request's number.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked) };
    match Errno::result(result) {
        Ok(_) => {}
        Err(Errno::ENOENT | Errno::EINTR) => return Ok(None),
        Err(errno) => return Err(errno),
    }
    let pid = libc::pid_t::try_from(asked.pid).map_err(|_| Errno::EOVERFLOW)?;
    let call = asked.data.nr.cast_unsigned();
    Ok(Some(Question { id: asked.id, pid, call, arguments: asked.data.args }))
}

/// Whether whoever asked still waits, and so is still the process that it was.
pub(crate) fn still_asked(listener: BorrowedFd<'_>, id: u64) -> bool {
    // SAFETY: the pointer is to a local of the very type whose size is part of the request's number.
    unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const id) == 0 }
}

/// Answers a question: the call fails with this error number or, without one, goes ahead. Whoever does not wait any
/// more needs no answer.
pub(crate) fn answer(listener: BorrowedFd<'_>, id: u64, errno: Option<u16>) -> nix::Result<()> {
    let (error, flags) = match errno {
        Some(errno) => (-i32::from(errno), 0),
        None => (0, abi::SECCOMP_USER_NOTIF_FLAG_CONTINUE),
    };
    let response = libc::seccomp_notif_resp { id, val: 0, error, flags };
    // SAFETY: the pointer is to a local of the very type whose size is part of the request's number.
    let result =
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const response) };
    match Errno::result(result) {
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// A copy of a descriptor of another process, by its number there; pidfd_getfd(2). The caller must be allowed to trace
/// that process.
///
/// <https://man7.org/linux/man-pages/man2/pidfd_getfd.2.html>
pub(crate) fn descriptor_of(process: BorrowedFd<'_>, number: RawFd) -> nix::Result<OwnedFd> {
    // SAFETY: pidfd_getfd(2) takes integers only.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) })
}

/// prctl(2) with integer arguments only.
///
/// <https://man7.org/linux/man-pages/man2/prctl.2.html>
fn prctl(option: c_int, argument: c_ulong) -> nix::Result<c_int> {
    // SAFETY: callers below pass only options whose arguments are integers, so no memory is involved; the
    // unused arguments are zero as those options demand.
    Errno::result(unsafe { libc::prctl(option, argument, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) })
}

/// `PR_SET_SECUREBITS`; capabilities(7).
pub(crate) fn set_securebits(bits: u32) -> nix::Result<()> {
    prctl(libc::PR_SET_SECUREBITS, c_ulong::from(bits)).map(drop)
}

/// `PR_GET_SECUREBITS`.
pub(crate) fn securebits() -> nix::Result<u32> {
    prctl(libc::PR_GET_SECUREBITS, 0).map(c_int::cast_unsigned)
}

/// close_range(2) with `CLOSE_RANGE_CLOEXEC`: every descriptor from `first` on closes at the next execution.
///
/// <https://man7.org/linux/man-pages/man2/close_range.2.html>
pub(crate) fn cloexec_from(first: u32) -> nix::Result<()> {
    close_range(first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
}

/// Closes every descriptor but those in `keep`, which must be sorted.
pub(crate) fn close_all_but(keep: &[RawFd]) -> nix::Result<()> {
    let mut next = 0_u32;
    for fd in keep.iter().map(|fd| fd.cast_unsigned()) {
        if fd > next {
            close_range(next, fd - 1, 0)?;
        }
        next = fd + 1;
    }
    close_range(next, u32::MAX, 0)
}

fn close_range(first: u32, last: u32, flags: u32) -> nix::Result<()> {
    // SAFETY: close_range(2) takes integers only. Closing a descriptor that some OwnedFd still holds would
    // make that value stale: callers run in a fresh child that uses only the descriptors it keeps and leaves
    // by _exit or execveat, so no such destructor runs.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) }).map(drop)
}

/// A copy of the mount at `path`, without the mounts beneath it, detached; open_tree(2).
///
/// <https://man7.org/linux/man-pages/man2/open_tree.2.html>
pub(crate) fn open_tree_clone(dir: BorrowedFd<'_>, path: &CStr) -> nix::Result<OwnedFd> {
    let flags = abi::OPEN_TREE_CLONE
        | abi::OPEN_TREE_CLOEXEC
        | libc::AT_EMPTY_PATH.cast_unsigned()
        | libc::AT_SYMLINK_NOFOLLOW.cast_unsigned();
    // SAFETY: `path` is a C string and `dir` an open descriptor for the length of the call.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, dir.as_raw_fd(), path.as_ptr(), flags) };
    owned(fd)
}

/// Attaches the detached mount `tree` onto `target` itself, no links followed; move_mount(2).
///
/// <https://man7.org/linux/man-pages/man2/move_mount.2.html>
pub(crate) fn move_mount(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> nix::Result<()> {
    let flags = abi::MOVE_MOUNT_F_EMPTY_PATH | abi::MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: both paths are the empty static C string, both descriptors are open for the length of the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            target.as_raw_fd(),
            c"".as_ptr(),
            flags,
        )
    };
    Errno::result(result).map(drop)
}

/// Sets mount attributes (`MOUNT_ATTR_*`) on the mount `fd` stands on; mount_setattr(2).
///
/// <https://man7.org/linux/man-pages/man2/mount_setattr.2.html>
pub(crate) fn mount_setattr(fd: BorrowedFd<'_>, set: u64) -> nix::Result<()> {
    let attr = abi::MountAttr { attr_set: set, attr_clr: 0, propagation: libc::MS_PRIVATE, userns_fd: 0 };
    // SAFETY: `attr` lives over the call and its size is passed with it; the path is the empty C string.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            ptr::from_ref(&attr),
            size_of_val(&attr),
        )
    };
    Errno::result(result).map(drop)
}

/// A new tmpfs, mounted nowhere, with the given options and mount attributes; fsopen(2), fsconfig(2), fsmount(2).
///
/// <https://man7.org/linux/man-pages/man2/fsopen.2.html>
pub(crate) fn detached_tmpfs(options: &[(&CStr, &CStr)], attributes: u64) -> nix::Result<OwnedFd> {
    // SAFETY: the file system's name is a static C string.
    let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), abi::FSOPEN_CLOEXEC) })?;
    for (key, value) in options {
        fsconfig(context.as_fd(), abi::FSCONFIG_SET_STRING, key.as_ptr(), value.as_ptr())?;
    }
    fsconfig(context.as_fd(), abi::FSCONFIG_CMD_CREATE, ptr::null(), ptr::null())?;
    // SAFETY: fsmount(2) takes integers only.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), abi::FSMOUNT_CLOEXEC, attributes) })
}

fn fsconfig(
    context: BorrowedFd<'_>,
    command: u32,
    key: *const c_char,
    value: *const c_char,
) -> nix::Result<()> {
    // SAFETY: key and value are null or C strings that the caller keeps alive over the call, as each command
    // demands; the auxiliary argument is unused by both commands.
    let result = unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, key, value, 0) };
    Errno::result(result).map(drop)
}

/// Sends a signal to the process of a pidfd; pidfd_send_signal(2). A pid could be another process by now, a
/// pidfd never is.
///
/// <https://man7.org/linux/man-pages/man2/pidfd_send_signal.2.html>
pub(crate) fn pidfd_signal(pidfd: BorrowedFd<'_>, signal: c_int) -> nix::Result<()> {
    send_signal(pidfd, signal, 0)
}

/// Sends it to the process group that the process of a pidfd leads: `PIDFD_SIGNAL_PROCESS_GROUP`, since Linux 6.9.
pub(crate) fn pidfd_signal_group(pidfd: BorrowedFd<'_>, signal: c_int) -> nix::Result<()> {
    send_signal(pidfd, signal, abi::PIDFD_SIGNAL_PROCESS_GROUP)
}

fn send_signal(pidfd: BorrowedFd<'_>, signal: c_int, flags: u32) -> nix::Result<()> {
    // SAFETY: a null siginfo asks for the one kill(2) would send; the rest are integers.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            ptr::null::<libc::siginfo_t>(),
            flags,
        )
    };
    Errno::result(result).map(drop)
}

/// Makes a terminal the controlling one of the caller's session, which it leads and which has none; `TIOCSCTTY`,
/// ioctl_tty(2).
///
/// <https://man7.org/linux/man-pages/man2/TIOCSCTTY.2const.html>
pub(crate) fn set_controlling_terminal(terminal: BorrowedFd<'_>) -> nix::Result<()> {
    // SAFETY: the third argument of this request is an integer; 0 asks not to take a terminal away from anybody.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) }).map(drop)
}

/// Reaps a child of the caller, with what it and all it reaped have used; wait4(2). Blocks until it has ended.
///
/// <https://man7.org/linux/man-pages/man2/wait4.2.html>
pub(crate) fn wait4(pid: libc::pid_t) -> nix::Result<(Ended, Rusage)> {
    let mut status: c_int = 0;
    // SAFETY: `rusage` is plain integers, for which all zero bytes are a value.
    let mut used: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to locals that outlive the call.
    Errno::result(unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut used) })?;
    let ended = if libc::WIFSIGNALED(status) {
        Ended::Signaled(libc::WTERMSIG(status))
    } else {
        Ended::Exited(libc::WEXITSTATUS(status))
    };
    Ok((ended, rusage(&used)))
}

/// What the caller's reaped children, and theirs, have used; getrusage(2).
///
/// <https://man7.org/linux/man-pages/man2/getrusage.2.html>
pub(crate) fn children_usage() -> nix::Result<Rusage> {
    // SAFETY: `rusage` is plain integers, for which all zero bytes are a value.
    let mut used: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a local that outlives the call.
    Errno::result(unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut used) })?;
    Ok(rusage(&used))
}

fn rusage(used: &libc::rusage) -> Rusage {
    let count = |value: c_long| u64::try_from(value).unwrap_or(0);
    let micros = |time: libc::timeval| count(time.tv_sec) * 1_000_000 + count(time.tv_usec);
    Rusage {
        user_us: micros(used.ru_utime),
        system_us: micros(used.ru_stime),
        max_rss_kb: count(used.ru_maxrss),
        blocks_in: count(used.ru_inblock),
        blocks_out: count(used.ru_oublock),
        context_switches: count(used.ru_nvcsw) + count(used.ru_nivcsw),
    }
}

/// Gives every signal its default action and unblocks all: an ignored `SIGPIPE` would be inherited by the job
/// across execve(2), signal(7).
///
/// <https://man7.org/linux/man-pages/man2/sigaction.2.html>
pub(crate) fn reset_signals() -> nix::Result<()> {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL runs no handler of ours. The two signals whose action cannot be changed, and the
        // two that libc keeps for itself, answer EINVAL and keep their default.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: `sigset_t` is plain integers, for which all zero bytes are a value; sigemptyset then fills it.
    let mut none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are null or to a local that outlives the calls.
    Errno::result(unsafe {
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut())
    })
    .map(drop)
}

/// Ignores the signals that stop a program from a terminal or a service manager; [`reset_signals`] undoes it in
/// every sandbox.
///
/// <https://man7.org/linux/man-pages/man2/sigaction.2.html>
pub(crate) fn ignore_stop_signals() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        // SAFETY: SIG_IGN runs no handler of ours; the four signals are ones whose action can be changed.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Takes ownership of descriptors that recvmsg(2) has just installed in this process.
pub(crate) fn own_received(fds: Vec<RawFd>) -> Vec<OwnedFd> {
    // SAFETY: the kernel made these descriptors for this process with SCM_RIGHTS; the caller read them out of
    // one control message and nothing else knows their numbers.
    fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect()
}

/// Takes ownership of a descriptor inherited from the program that started this one.
///
/// Safe by use: called once, at the very start of `main`, for the one descriptor the command line names.
pub(crate) fn own_inherited(fd: RawFd) -> nix::Result<OwnedFd> {
    // SAFETY: F_GETFD takes no pointer; it tells whether the number is an open descriptor at all.
    Errno::result(unsafe { libc::fcntl(fd, libc::F_GETFD) })?;
    // SAFETY: the descriptor is open, and nothing in this process has taken it: `main` calls this before it
    // opens anything.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes `fd` the standard stream `number`; dup3(2).
pub(crate) fn become_stream(fd: BorrowedFd<'_>, number: RawFd) -> nix::Result<()> {
    // SAFETY: dup2(2) takes integers only. Numbers 0 to 2 belong to no OwnedFd in a sandbox's processes: the
    // launcher opens /dev/null on all three before anything else.
    Errno::result(unsafe { libc::dup2(fd.as_raw_fd(), number) }).map(drop)
}

fn owned(result: c_long) -> nix::Result<OwnedFd> {
    let fd = Errno::result(result)?;
    let fd = RawFd::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the call that returned this number made the descriptor for this process; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Drops every capability from the bounding set; needs `CAP_SETPCAP`; `PR_CAPBSET_DROP`, capabilities(7). The
/// kernel's own count ends the loop, so a capability newer than this program goes as well.
pub(crate) fn drop_bounding_set() -> nix::Result<()> {
    // To ask is cheaper than to drop what is not there; but where one is, so are most.
    let mut found = false;
    for capability in 0..64 {
        if !found {
            match prctl(libc::PR_CAPBSET_READ, capability) {
                Ok(there) => found = there != 0,
                Err(Errno::EINVAL) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
        if found {
            match prctl(libc::PR_CAPBSET_DROP, capability) {
                Ok(_) => {}
                Err(Errno::EINVAL) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(())
}

/// The Landlock ABI of the running kernel, 0 where there is none; `LANDLOCK_CREATE_RULESET_VERSION`,
/// landlock_create_ruleset(2).
///
/// <https://man7.org/linux/man-pages/man2/landlock_create_ruleset.2.html>
pub(crate) fn landlock_abi() -> u8 {
    const VERSION: u32 = 1;
    // SAFETY: with this flag the attribute pointer must be null and the size zero; no memory is involved.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<u8>(), 0, VERSION) };
    u8::try_from(abi).unwrap_or(0)
}

/// Clears the NIS domain name of the uts namespace, which uname(2) would show; setdomainname(2).
///
/// <https://man7.org/linux/man-pages/man2/setdomainname.2.html>
pub(crate) fn clear_domain_name() -> nix::Result<()> {
    // SAFETY: the kernel reads zero bytes from a valid static pointer.
    Errno::result(unsafe { libc::setdomainname(c"".as_ptr(), 0) }).map(drop)
}

/// The flags of a descriptor known by its number only, as `/proc/self/fd` lists it; `F_GETFD`, fcntl(2).
///
/// <https://man7.org/linux/man-pages/man2/fcntl.2.html>
pub(crate) fn descriptor_flags(number: RawFd) -> nix::Result<nix::fcntl::FdFlag> {
    // SAFETY: F_GETFD takes no pointer, and a number that is not open answers EBADF.
    let flags = Errno::result(unsafe { libc::fcntl(number, libc::F_GETFD) })?;
    Ok(nix::fcntl::FdFlag::from_bits_truncate(flags))
}

/// Brings the loopback of the socket's network namespace up, and tells whether it is; `SIOCSIFFLAGS`,
/// `SIOCGIFFLAGS`, netdevice(7). Needs `CAP_NET_ADMIN`.
///
/// <https://man7.org/linux/man-pages/man7/netdevice.7.html>
pub(crate) fn loopback_up(socket: BorrowedFd<'_>) -> nix::Result<bool> {
    // SAFETY: `ifreq` is a name and a union of plain integers and pointers that these two requests do not look
    // at; all zero bytes are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(*b"lo\0") {
        *to = from.cast_signed();
    }
    let up = c_short::try_from(libc::IFF_UP).map_err(|_| Errno::EOVERFLOW)?;
    request.ifr_ifru.ifru_flags = up;
    // SAFETY: both requests read, and the second writes, one `ifreq` that outlives the calls; its name ends in NUL.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) })?;
    // SAFETY: as above.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) })?;
    // SAFETY: the kernel has just written this member of the union, and any integer is a value of it.
    Ok(unsafe { request.ifr_ifru.ifru_flags } & up != 0)
}
