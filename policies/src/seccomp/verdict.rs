//! What a filter answers to a system call.

use stockade_plan::Asked;

/// `SECCOMP_RET_KILL_PROCESS`, linux/seccomp.h.
const RET_KILL_PROCESS: u32 = 0x8000_0000;
/// `SECCOMP_RET_ERRNO`, linux/seccomp.h.
const RET_ERRNO: u32 = 0x0005_0000;
/// `SECCOMP_RET_USER_NOTIF`, linux/seccomp.h.
const RET_USER_NOTIF: u32 = 0x7fc0_0000;
/// `SECCOMP_RET_LOG`, linux/seccomp.h.
const RET_LOG: u32 = 0x7ffc_0000;
/// `SECCOMP_RET_ALLOW`, linux/seccomp.h.
const RET_ALLOW: u32 = 0x7fff_0000;

/// An answer that needs no further look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// The call goes ahead.
    Allow,
    /// It goes ahead, and the kernel's audit has a record of it.
    Logged,
    /// It goes ahead, and the sandbox's init hears of it first.
    Noted,
    /// It fails with this error number, and nobody hears of it.
    Errno(u16),
    /// It fails with this error number, which the sandbox's init answers: the refusal is evidence.
    Told(u16),
    /// The process dies.
    Kill,
}

impl Verdict {
    /// The value a filter program returns.
    pub(crate) const fn action(self) -> u32 {
        match self {
            Self::Allow => RET_ALLOW,
            Self::Logged => RET_LOG,
            Self::Noted | Self::Told(_) => RET_USER_NOTIF,
            Self::Errno(errno) => RET_ERRNO | errno as u32,
            Self::Kill => RET_KILL_PROCESS,
        }
    }

    /// What init does with the call, if it hears of it.
    pub(crate) const fn asked(self) -> Option<Asked> {
        match self {
            Self::Noted => Some(Asked::GoesAhead),
            Self::Told(errno) => Some(Asked::Refused(errno)),
            Self::Allow | Self::Logged | Self::Errno(_) | Self::Kill => None,
        }
    }

    /// The same, with nobody to hear of it.
    pub(crate) const fn untold(self) -> Self {
        match self {
            Self::Noted => Self::Allow,
            Self::Told(errno) => Self::Errno(errno),
            other => other,
        }
    }

    /// Whether the call goes ahead, or is answered as if it had.
    pub(crate) fn passes(self) -> bool {
        matches!(self, Self::Allow | Self::Logged | Self::Noted | DONE)
    }
}

/// Refused, and told: nobody does it by the way.
pub(crate) const REFUSED: Verdict = Verdict::Told(1);
/// Not there: libraries probe for it and have another way.
pub(crate) const ABSENT: Verdict = Verdict::Errno(38);
/// Not there, as far as the job can see; but whoever wants it means it.
pub(crate) const HIDDEN: Verdict = Verdict::Told(38);

/// Answered as done, without doing it: flushing to a disk. All a job can write is a tmpfs, where there is nothing
/// to flush; what it only reads lies on the host's disks, and their flushes are not the job's to order.
pub(crate) const DONE: Verdict = Verdict::Errno(0);

/// A look at one argument: a half of it, under a mask, has this value. But for pointers the kernel's own parameters are
/// 32 bits wide wherever a rule of ours looks, so garbage in the upper half changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Condition {
    pub(crate) argument: u8,
    /// Whether it is the upper half that is looked at: of pointers both count.
    pub(crate) upper: bool,
    pub(crate) mask: u32,
    pub(crate) value: u32,
}

/// One way to an answer: all conditions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Case<'a> {
    pub(crate) when: &'a [Condition],
    pub(crate) then: Verdict,
}

/// An answer that depends on arguments: the first case that holds decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Rule<'a> {
    pub(crate) cases: &'a [Case<'a>],
    pub(crate) otherwise: Verdict,
}

/// The answer to one system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Answer<'a> {
    Fixed(Verdict),
    Ruled(Rule<'a>),
}

impl Answer<'_> {
    /// Every answer that it can come to. No more than one of them asks init.
    pub(crate) fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        let (cases, otherwise) = match self {
            Self::Fixed(verdict) => (&[][..], *verdict),
            Self::Ruled(rule) => (rule.cases, rule.otherwise),
        };
        cases.iter().map(|case| case.then).chain([otherwise])
    }

    /// What is answered to a call with these arguments (their lower halves).
    pub(crate) fn to(&self, arguments: &[u32; 6]) -> Verdict {
        match self {
            Self::Fixed(verdict) => *verdict,
            Self::Ruled(rule) => {
                let case = rule
                    .cases
                    .iter()
                    .find(|case| case.when.iter().all(|condition| condition.holds(arguments)));
                case.map_or(rule.otherwise, |case| case.then)
            }
        }
    }
}

impl Condition {
    fn holds(&self, arguments: &[u32; 6]) -> bool {
        let lower = arguments.get(usize::from(self.argument)).copied().unwrap_or(0);
        // Only lower halves are known here; a pointer that has one is a pointer.
        let half = if self.upper { 0 } else { lower };
        half & self.mask == self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_and_error_numbers_are_the_kernels() {
        assert_eq!(Verdict::Allow.action(), libc::SECCOMP_RET_ALLOW);
        assert_eq!(Verdict::Logged.action(), libc::SECCOMP_RET_LOG);
        assert_eq!(Verdict::Kill.action(), libc::SECCOMP_RET_KILL_PROCESS);
        assert_eq!([REFUSED, HIDDEN, Verdict::Noted].map(Verdict::action), [libc::SECCOMP_RET_USER_NOTIF; 3]);
        assert_eq!(REFUSED.untold().action(), libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned());
        assert_eq!(HIDDEN.untold(), ABSENT);
        assert_eq!(ABSENT.action(), libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned());
    }
}
