//! The words of the table, each with the answer it stands for.

macro_rules! answer {
    (y) => {
        $crate::seccomp::verdict::Answer::Fixed($crate::seccomp::verdict::Verdict::Allow)
    };
    (refused) => {
        $crate::seccomp::verdict::Answer::Fixed($crate::seccomp::verdict::REFUSED)
    };
    (absent) => {
        $crate::seccomp::verdict::Answer::Fixed($crate::seccomp::verdict::ABSENT)
    };
    (hidden) => {
        $crate::seccomp::verdict::Answer::Fixed($crate::seccomp::verdict::HIDDEN)
    };
    (noted) => {
        $crate::seccomp::verdict::Answer::Fixed($crate::seccomp::verdict::Verdict::Noted)
    };
    (execveat) => {
        $crate::seccomp::rules::EXECVEAT
    };
    (sendto) => {
        $crate::seccomp::rules::SENDTO
    };
    (-) => {
        $crate::seccomp::verdict::Answer::Fixed($crate::seccomp::verdict::Verdict::Kill)
    };
    (clone) => {
        $crate::seccomp::rules::CLONE
    };
    (notify) => {
        $crate::seccomp::rules::NOTIFY
    };
    (ioctl) => {
        $crate::seccomp::rules::IOCTL
    };
    (personality) => {
        $crate::seccomp::rules::PERSONALITY
    };
    (prctl) => {
        $crate::seccomp::rules::PRCTL
    };
    (mark) => {
        $crate::seccomp::rules::MARK
    };
    (prlimit) => {
        $crate::seccomp::rules::PRLIMIT
    };
    (done) => {
        $crate::seccomp::verdict::Answer::Fixed($crate::seccomp::verdict::DONE)
    };
    (fcntl) => {
        $crate::seccomp::rules::FCNTL
    };
    (fcntl_strict) => {
        $crate::seccomp::rules::FCNTL_STRICT
    };
    (ioprio_set) => {
        $crate::seccomp::rules::IOPRIO_SET
    };
    (madvise) => {
        $crate::seccomp::rules::MADVISE
    };
    (msync) => {
        $crate::seccomp::rules::MSYNC
    };
    (schedule_self) => {
        $crate::seccomp::rules::SCHEDULE_SELF
    };
    (setpriority) => {
        $crate::seccomp::rules::SETPRIORITY
    };
    (setrlimit) => {
        $crate::seccomp::rules::SETRLIMIT
    };
    (setsockopt) => {
        $crate::seccomp::rules::SETSOCKOPT
    };
    (socket) => {
        $crate::seccomp::rules::SOCKET
    };
    (socketpair) => {
        $crate::seccomp::rules::SOCKETPAIR
    };
}
pub(super) use answer;
