//! The few answers that depend on arguments. Each costs instructions on every such call, so there is one only
//! where a plain yes or no would be wrong.

use super::verdict::{Answer, Case, Condition, REFUSED, Rule, Verdict};

const fn is(argument: u8, value: u32) -> Condition {
    Condition { argument, mask: u32::MAX, value }
}

const fn none_of(argument: u8, mask: u32) -> Condition {
    Condition { argument, mask, value: 0 }
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

const fn all_but(cases: &'static [Case<'static>]) -> Answer<'static> {
    Answer::Ruled(Rule { cases, otherwise: Verdict::Allow })
}

/// `CLONE_NEW*` of linux/sched.h. `CLONE_NEWTIME` is not among them: its bit is part of the exit signal here.
pub(crate) const CLONE_NEW: u32 =
    0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;

/// Threads and processes, but no new namespace: a user namespace gives all capabilities inside it, and with
/// them most of the kernel's attack surface. clone(2).
pub(crate) const CLONE: Answer<'static> = only(&[allow(&[none_of(0, CLONE_NEW)])]);

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
const STREAM: Condition = Condition { argument: 1, mask: TYPE, value: 1 };
const DATAGRAM: Condition = Condition { argument: 1, mask: TYPE, value: 2 };
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

/// `TCP_ULP` (level `IPPROTO_TCP`, linux/tcp.h) puts the kernel's TLS or ESP under a socket.
pub(crate) const SETSOCKOPT: Answer<'static> = all_but(&[refuse(&[is(1, 6), is(2, 31)])]);

/// Only the query and the normal personality: others switch off address randomization or map page zero;
/// personality(2).
pub(crate) const PERSONALITY: Answer<'static> = only(&[allow(&[is(0, 0)]), allow(&[is(0, 0xffff_ffff)])]);

/// Its own limits only: a job's processes share an id, so they could change one another's; prlimit(2).
pub(crate) const PRLIMIT: Answer<'static> = only(&[allow(&[is(0, 0)])]);

/// `PR_SET_SECCOMP`, `PR_SET_SECUREBITS`, `PR_SET_MM`, `PR_CAP_AMBIENT`; linux/prctl.h.
pub(crate) const PRCTL: Answer<'static> =
    all_but(&[refuse(&[is(0, 22)]), refuse(&[is(0, 28)]), refuse(&[is(0, 35)]), refuse(&[is(0, 47)])]);

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
        assert_eq!([1, 2, 10], [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6]);
        assert_eq!([1, 2], [libc::SOCK_STREAM, libc::SOCK_DGRAM]);
        assert_eq!((libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK).cast_unsigned() & TYPE, 0);
        assert_eq!([0, 6, 17], [libc::IPPROTO_IP, libc::IPPROTO_TCP, libc::IPPROTO_UDP]);
        assert_eq!(31, libc::TCP_ULP);
        assert_eq!(
            [22, 28, 35, 47],
            [libc::PR_SET_SECCOMP, libc::PR_SET_SECUREBITS, libc::PR_SET_MM, libc::PR_CAP_AMBIENT]
        );
    }
}
