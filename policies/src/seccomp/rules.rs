//! The few answers that depend on arguments. Each costs instructions on every such call, so there is one only
//! where a plain yes or no would be wrong.

use super::verdict::{Answer, Case, Condition, DONE, REFUSED, Rule, Verdict};

const fn is(argument: u8, value: u32) -> Condition {
    Condition { argument, upper: false, mask: u32::MAX, value }
}

const fn none_of(argument: u8, mask: u32) -> Condition {
    Condition { argument, upper: false, mask, value: 0 }
}

const fn has(argument: u8, bits: u32) -> Condition {
    Condition { argument, upper: false, mask: bits, value: bits }
}

const fn no_upper_half(argument: u8) -> Condition {
    Condition { argument, upper: true, mask: u32::MAX, value: 0 }
}

const fn allow(when: &'static [Condition]) -> Case<'static> {
    Case { when, then: Verdict::Allow }
}

const fn refuse(when: &'static [Condition]) -> Case<'static> {
    Case { when, then: REFUSED }
}

const fn only(cases: &'static [Case<'static>]) -> Answer<'static> {
    Answer::Ruled(Rule { cases, otherwise: REFUSED })
}

const fn noted_but(cases: &'static [Case<'static>]) -> Answer<'static> {
    Answer::Ruled(Rule { cases, otherwise: Verdict::Noted })
}

const fn all_but(cases: &'static [Case<'static>]) -> Answer<'static> {
    Answer::Ruled(Rule { cases, otherwise: Verdict::Allow })
}

/// `CLONE_NEW*` of linux/sched.h. `CLONE_NEWTIME` is not among them: its bit is part of the exit signal here.
pub(crate) const CLONE_NEW: u32 =
    0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;

/// Threads and processes, but no new namespace: a user namespace gives all capabilities inside it, and with
/// them most of the kernel's attack surface. clone(2).
pub(crate) const CLONE: Answer<'static> = only(&[allow(&[none_of(0, CLONE_NEW)])]);

/// Executing by descriptor alone (`AT_EMPTY_PATH`, linux/fcntl.h) names no path, so there is nothing to note; it is also how
/// a job's own process executes its command. What is negative is no descriptor, `AT_FDCWD` above all: then a path is meant,
/// whatever the flag says.
pub(crate) const EXECVEAT: Answer<'static> = noted_but(&[allow(&[has(4, 0x1000), none_of(0, 0x8000_0000)])]);

/// A destination is given (a pointer, both halves of it) or it is the socket's own.
pub(crate) const SENDTO: Answer<'static> = noted_but(&[allow(&[is(4, 0), no_upper_half(4)])]);

/// Hearing of calls and answering them: `SECCOMP_IOCTL_NOTIF_RECV`, `_SEND`, `_ID_VALID`; linux/seccomp.h.
pub(crate) const NOTIFY: Answer<'static> = Answer::Ruled(Rule {
    cases: &[allow(&[is(1, 0xc050_2100)]), allow(&[is(1, 0xc018_2101)]), allow(&[is(1, 0x4008_2102)])],
    otherwise: Verdict::Kill,
});

/// `TIOCSTI` types into a terminal, `TIOCLINUX` pastes into one, `TIOCCONS` takes the console's output and
/// `TIOCSETD` loads line disciplines; asm-generic/ioctls.h. Only the lower half of the number is the kernel's.
pub(crate) const IOCTL: Answer<'static> = all_but(&[
    refuse(&[is(1, 0x5412)]),
    refuse(&[is(1, 0x541c)]),
    refuse(&[is(1, 0x541d)]),
    refuse(&[is(1, 0x5423)]),
]);

const AF_UNIX: Condition = is(0, 1);
const AF_INET: Condition = is(0, 2);
const AF_INET6: Condition = is(0, 10);
/// `SOCK_TYPE_MASK`, linux/net.h: above it are `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
const TYPE: u32 = 0xf;
const STREAM: Condition = Condition { argument: 1, upper: false, mask: TYPE, value: 1 };
const DATAGRAM: Condition = Condition { argument: 1, upper: false, mask: TYPE, value: 2 };
/// The protocol argument of socket(2): the family's default, `IPPROTO_TCP`, `IPPROTO_UDP`; linux/in.h.
const DEFAULT: Condition = is(2, 0);
const TCP: Condition = is(2, 6);
const UDP: Condition = is(2, 17);

/// Families that ordinary programs use, as TCP and UDP. Not among them, and each with a history of escapes:
/// packet (also as `AF_INET` with `SOCK_PACKET`), vsock, the kernel's crypto (AF_ALG), XDP, RxRPC, SCTP, DCCP,
/// MPTCP, and all of netlink: what queues on a netlink socket is charged to no control group, so a job could
/// take memory of the host beyond its limit. Libraries that ask it for the list of interfaces go without.
pub(crate) const SOCKET: Answer<'static> = only(&[
    allow(&[AF_UNIX]),
    allow(&[AF_INET, STREAM, DEFAULT]),
    allow(&[AF_INET, STREAM, TCP]),
    allow(&[AF_INET, DATAGRAM, DEFAULT]),
    allow(&[AF_INET, DATAGRAM, UDP]),
    allow(&[AF_INET6, STREAM, DEFAULT]),
    allow(&[AF_INET6, STREAM, TCP]),
    allow(&[AF_INET6, DATAGRAM, DEFAULT]),
    allow(&[AF_INET6, DATAGRAM, UDP]),
]);

/// A pair of connected sockets reaches nobody else.
pub(crate) const SOCKETPAIR: Answer<'static> = only(&[allow(&[AF_UNIX])]);

/// `TCP_ULP` (level `IPPROTO_TCP`, linux/tcp.h) puts the kernel's TLS or ESP under a socket, `UDP_ENCAP` (level
/// `IPPROTO_UDP`, linux/udp.h) IPsec. The four `SO_ATTACH_*` (level `SOL_SOCKET`, asm-generic/socket.h) put BPF
/// programs on it: kernel memory that no control group counts, out of a budget that the whole host shares.
pub(crate) const SETSOCKOPT: Answer<'static> = all_but(&[
    refuse(&[is(1, 6), is(2, 31)]),
    refuse(&[is(1, 17), is(2, 100)]),
    refuse(&[is(1, 1), is(2, 26)]),
    refuse(&[is(1, 1), is(2, 50)]),
    refuse(&[is(1, 1), is(2, 51)]),
    refuse(&[is(1, 1), is(2, 52)]),
]);

/// `F_NOTIFY` (linux/fcntl.h) watches what others open in a directory of the host's.
pub(crate) const FCNTL: Answer<'static> = all_but(&[refuse(&[is(1, 1026)])]);

/// As [`FCNTL`], and no record locks (`F_SETLK`, `F_SETLKW` and their `F_OFD_` kin): each is kernel memory that no
/// control group counts.
pub(crate) const FCNTL_STRICT: Answer<'static> = all_but(&[
    refuse(&[is(1, 1026)]),
    refuse(&[is(1, 6)]),
    refuse(&[is(1, 7)]),
    refuse(&[is(1, 37)]),
    refuse(&[is(1, 38)]),
]);

/// `MADV_MERGEABLE` (asm-generic/mman-common.h): pages shared with other tenants' tell what those hold.
pub(crate) const MADVISE: Answer<'static> = all_but(&[refuse(&[is(2, 12)])]);

/// `MS_SYNC` (asm-generic/mman-common.h) is answered as done.
pub(crate) const MSYNC: Answer<'static> = all_but(&[Case { when: &[has(2, 4)], then: DONE }]);

/// The caller's own priority and processors only (`who`, or the pid, is zero): the sandbox's init runs under the
/// job's id and must not be slowed down; sched_setaffinity(2), setpriority(2), ioprio_set(2).
pub(crate) const SCHEDULE_SELF: Answer<'static> = only(&[allow(&[is(0, 0)])]);
/// `PRIO_PROCESS` and `who` zero; linux/resource.h.
pub(crate) const SETPRIORITY: Answer<'static> = only(&[allow(&[is(0, 0), is(1, 0)])]);
/// `IOPRIO_WHO_PROCESS` and `who` zero; linux/ioprio.h.
pub(crate) const IOPRIO_SET: Answer<'static> = only(&[allow(&[is(0, 1), is(1, 0)])]);

/// `RLIMIT_CORE` stays as it is. It is one byte, the value at which the kernel writes no core, not even to a
/// handler of the host's; at zero it would; core(5), fs/coredump.c.
pub(crate) const SETRLIMIT: Answer<'static> = all_but(&[refuse(&[is(0, 4)])]);

/// Only the query and the normal personality: others switch off address randomization or map page zero;
/// personality(2).
pub(crate) const PERSONALITY: Answer<'static> = only(&[allow(&[is(0, 0)]), allow(&[is(0, 0xffff_ffff)])]);

/// And `ADDR_NO_RANDOMIZE`, by itself: it makes a program's own addresses predictable, nobody else's.
pub(crate) const PERSONALITY_COMPILER: Answer<'static> =
    only(&[allow(&[is(0, 0)]), allow(&[is(0, 0xffff_ffff)]), allow(&[is(0, 0x0004_0000)])]);

/// `PROT_EXEC`, asm-generic/mman-common.h.
const EXECUTABLE: Condition = has(2, 0x4);

/// Memory that is executable comes from a file and is not writable: no code is made while a program runs. A file
/// that a job wrote itself cannot be mapped so, because every writable mount is noexec.
pub(crate) const MMAP_FILES_ONLY: Answer<'static> = all_but(&[
    // PROT_EXEC with MAP_ANONYMOUS; PROT_EXEC with PROT_WRITE.
    refuse(&[EXECUTABLE, has(3, 0x20)]),
    refuse(&[has(2, 0x6)]),
]);

/// Memory that was not executable does not become so; mprotect(2), pkey_mprotect(2).
pub(crate) const MPROTECT_NO_EXEC: Answer<'static> = all_but(&[refuse(&[EXECUTABLE])]);

/// `SHM_EXEC`, linux/shm.h.
pub(crate) const SHMAT_NO_EXEC: Answer<'static> = all_but(&[refuse(&[has(2, 0x8000)])]);

/// Its own limits only: a job's processes share an id, so they could change one another's; prlimit(2). For
/// `RLIMIT_CORE` see [`SETRLIMIT`].
pub(crate) const PRLIMIT: Answer<'static> =
    Answer::Ruled(Rule { cases: &[refuse(&[is(1, 4)]), allow(&[is(0, 0)])], otherwise: REFUSED });

/// `PR_SET_NAME`, and `PR_GET_NAME`, which is recorded under that name: linux/prctl.h. Nothing else.
pub(crate) const MARK: Answer<'static> = Answer::Ruled(Rule {
    cases: &[allow(&[is(0, 15)]), Case { when: &[is(0, 16)], then: Verdict::Logged }],
    otherwise: Verdict::Kill,
});

/// `PR_SET_SECCOMP`, `PR_SET_SECUREBITS`, `PR_SET_MM`, `PR_CAP_AMBIENT`, `PR_SET_MEMORY_MERGE`; linux/prctl.h.
pub(crate) const PRCTL: Answer<'static> = all_but(&[
    refuse(&[is(0, 22)]),
    refuse(&[is(0, 28)]),
    refuse(&[is(0, 35)]),
    refuse(&[is(0, 47)]),
    refuse(&[is(0, 67)]),
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_the_kernels() {
        let clone_new = libc::CLONE_NEWNS
            | libc::CLONE_NEWCGROUP
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUSER
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET;
        assert_eq!(CLONE_NEW, clone_new.cast_unsigned());
        assert_eq!(
            [0x5412, 0x541c, 0x541d, 0x5423],
            [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCCONS, 0x5423]
        );
        assert_eq!([0x4, 0x6], [libc::PROT_EXEC, libc::PROT_EXEC | libc::PROT_WRITE]);
        assert_eq!((0x20, 0x8000), (libc::MAP_ANONYMOUS, libc::SHM_EXEC));
        assert_eq!(0x0004_0000, libc::ADDR_NO_RANDOMIZE);
        assert_eq!([1, 2, 10], [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6]);
        assert_eq!([1, 2], [libc::SOCK_STREAM, libc::SOCK_DGRAM]);
        assert_eq!((libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK).cast_unsigned() & TYPE, 0);
        assert_eq!([0, 6, 17], [libc::IPPROTO_IP, libc::IPPROTO_TCP, libc::IPPROTO_UDP]);
        assert_eq!((31, 0x1000), (libc::TCP_ULP, libc::AT_EMPTY_PATH));
        assert_eq!(
            [22, 28, 35, 47],
            [libc::PR_SET_SECCOMP, libc::PR_SET_SECUREBITS, libc::PR_SET_MM, libc::PR_CAP_AMBIENT]
        );
    }
}
