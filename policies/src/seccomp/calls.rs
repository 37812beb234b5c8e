//! System calls by name and by group, as policies name them.

use super::table::{Row, TABLE};
use super::verdict::Answer;
use crate::diagnostic::did_you_mean;
use crate::policy::SyscallProfile;
use crate::yaml::shorten;

/// A system call that a policy can name, or [`Call::MEMORY_EXEC`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Call(&'static str);

impl Call {
    /// Making memory executable otherwise than by mapping a file: not a call of its own but what some calls do
    /// with some arguments.
    pub(crate) const MEMORY_EXEC: Self = Self("@memory-exec");

    pub(crate) const fn name(self) -> &'static str {
        self.0
    }

    pub(crate) const fn of(row: &Row) -> Self {
        Self(row.name)
    }
}

/// Calls that are named together.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    /// What its calls do; behind "because it …" where they can never be added.
    pub(crate) what: &'static str,
    /// Whether a policy may add them to a profile.
    pub(crate) addable: bool,
    pub(crate) calls: &'static [&'static str],
}

const fn may(name: &'static str, what: &'static str, calls: &'static [&'static str]) -> Group {
    Group { name, what, addable: true, calls }
}

const fn never(name: &'static str, what: &'static str, calls: &'static [&'static str]) -> Group {
    Group { name, what, addable: false, calls }
}

/// Every group. The ones that can never be added hold, between them, every call that `standard` refuses and no
/// other group has, so that each refusal has its reason.
#[rustfmt::skip]
pub(crate) const GROUPS: &[Group] = &[
    may("@network", "opens sockets and talks through them", &[
        "socket", "connect", "accept", "accept4", "bind", "listen", "sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg",
        "recvmmsg", "shutdown", "getsockname", "getpeername", "socketpair", "setsockopt", "getsockopt",
    ]),
    may("@sysv-ipc", "shares memory, semaphores and messages of System V", &[
        "shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semctl", "semtimedop", "msgget", "msgsnd", "msgrcv", "msgctl",
    ]),
    may("@posix-mq", "uses POSIX message queues", &[
        "mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr",
    ]),
    may("@process", "makes processes and threads and runs programs", &["clone", "fork", "vfork", "execve"]),
    may("@splice", "moves pages between pipes and files", &["splice", "tee"]),
    may("@ids", "changes user and group ids", &[
        "setuid", "setgid", "setreuid", "setregid", "setgroups", "setresuid", "setresgid", "setfsuid", "setfsgid", "capset",
    ]),
    may("@xattr", "changes extended attributes", &[
        "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr", "setxattrat", "getxattrat",
        "listxattrat", "removexattrat", "file_getattr", "file_setattr",
    ]),
    may("@mlock", "keeps memory from being paged out", &["mlock", "mlock2", "munlock", "mlockall", "munlockall"]),
    may("@priority", "changes scheduling", &[
        "setpriority", "sched_setparam", "sched_setscheduler", "sched_setattr", "ioprio_set",
    ]),
    may("@aio", "reads and writes asynchronously, in the older way", &[
        "io_setup", "io_destroy", "io_getevents", "io_submit", "io_cancel", "io_pgetevents",
    ]),
    may("@futex2", "uses the newer calls for locks", &["futex_waitv", "futex_wake", "futex_wait", "futex_requeue"]),
    never("@file-watch", "sees what others do with files of the host", &["inotify_add_watch"]),
    never("@numa", "moves memory that others use, pages of files of the host among it", &[
        "mbind", "set_mempolicy", "set_mempolicy_home_node",
    ]),
    never("@sync", "makes the host's disks write, and everybody on them wait", &["sync", "syncfs"]),
    never("@debug", "reaches into other processes", &[
        "ptrace", "migrate_pages", "move_pages", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd",
        "process_madvise", "process_mrelease",
    ]),
    never("@mount", "changes mounts, roots and namespaces, or goes around them", &[
        "pivot_root", "chroot", "mount", "umount2", "unshare", "setns", "name_to_handle_at", "open_by_handle_at", "open_tree",
        "open_tree_attr", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "statmount", "listmount",
    ]),
    never("@bpf", "loads programs into the kernel or watches it", &["bpf", "perf_event_open", "lookup_dcookie"]),
    never("@io-uring", "does what a filter does not see", &["io_uring_setup", "io_uring_enter", "io_uring_register", "clone3"]),
    never("@memory-file", "makes files that lie on no mount, which nothing keeps from being executed", &[
        "memfd_create", "memfd_secret",
    ]),
    never("@kernel-memory", "has been a way into the kernel's memory again and again", &[
        "userfaultfd", "vmsplice", "remap_file_pages", "modify_ldt",
    ]),
    never("@keyring", "reaches keys that are shared with others of the same id", &["add_key", "request_key", "keyctl"]),
    never("@host", "concerns the host as a whole", &[
        "syslog", "ustat", "sysfs", "vhangup", "adjtimex", "acct", "settimeofday", "swapon", "swapoff", "reboot", "sethostname",
        "setdomainname", "iopl", "ioperm", "init_module", "delete_module", "finit_module", "quotactl", "quotactl_fd",
        "clock_settime", "clock_adjtime", "kexec_load", "kexec_file_load", "fanotify_init", "fanotify_mark",
        "lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules",
    ]),
    never("@obsolete", "is a number that the kernel has given up", &[
        "uselib", "_sysctl", "create_module", "get_kernel_syms", "query_module", "nfsservctl", "getpmsg", "putpmsg", "afs_syscall",
        "tuxcall", "security", "set_thread_area", "get_thread_area", "epoll_ctl_old", "epoll_wait_old", "vserver",
    ]),
];

/// Without these no job starts: the sandbox's own init, the dynamic loader or libc makes them under the job's
/// filter before the first instruction of the program.
#[rustfmt::skip]
const NEEDED: &[&str] = &[
    "read", "write", "close", "openat", "fstat", "newfstatat", "statx", "getdents64", "fcntl", "execveat", "exit", "exit_group",
    "prctl", "statfs", "fstatfs", "prlimit64", "readlinkat", "mmap", "munmap", "mremap", "brk", "mprotect", "rt_sigaction",
    "rt_sigprocmask", "rt_sigreturn", "pread64", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "getrandom", "futex",
];

/// What is wrong with a name, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadCall {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// The calls that `text` names.
pub(crate) fn named(text: &str) -> Result<Vec<Call>, BadCall> {
    if text == Call::MEMORY_EXEC.name() {
        return Ok(vec![Call::MEMORY_EXEC]);
    }
    if let Some(group) = GROUPS.iter().find(|group| group.name == text) {
        return Ok(group.calls.iter().copied().map(Call).collect());
    }
    if let Some(row) = TABLE.iter().find(|row| row.name == text) {
        return Ok(vec![Call(row.name)]);
    }
    let groups = || GROUPS.iter().map(|group| group.name).chain([Call::MEMORY_EXEC.name()]);
    let (what, near) = match text.starts_with('@') {
        true => ("group of system calls", did_you_mean(text, groups())),
        false => ("system call of x86-64", did_you_mean(text, TABLE.iter().map(|row| row.name))),
    };
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the groups are {}", crate::yaml::one_of(&groups().collect::<Vec<_>>())),
    };
    Err(BadCall { code: "unknown-word", message: format!("`{}` is no {what}", shorten(text)), help })
}

/// Whether a policy may add what `text` names.
pub(crate) fn check_addable(text: &str, calls: &[Call]) -> Result<(), BadCall> {
    let refusing = |call: &Call| GROUPS.iter().find(|group| !group.addable && group.calls.contains(&call.0));
    match calls.iter().find_map(refusing) {
        None => Ok(()),
        Some(group) => Err(BadCall {
            code: "never-allowed",
            message: format!("`{}` can never be added, because it {}", shorten(text), group.what),
            help: "no policy and no environment allows it; leave it out".to_owned(),
        }),
    }
}

/// Whether a policy may take away what `text` names.
pub(crate) fn check_removable(text: &str, calls: &[Call]) -> Result<(), BadCall> {
    match calls.iter().find(|call| NEEDED.contains(&call.0)) {
        None => Ok(()),
        Some(call) => Err(BadCall {
            code: "always-needed",
            message: format!("`{}` cannot be removed: no program starts without `{}`", shorten(text), call.0),
            help: "leave it out; to keep memory from being made executable remove `@memory-exec`".to_owned(),
        }),
    }
}

/// Every name that a policy may add.
pub(crate) fn addable_names() -> Vec<&'static str> {
    names(check_addable)
}

/// Every name that a policy may remove.
pub(crate) fn removable_names() -> Vec<&'static str> {
    names(check_removable)
}

/// Groups first: what a person looks for.
fn names(check: impl Fn(&str, &[Call]) -> Result<(), BadCall>) -> Vec<&'static str> {
    let groups = GROUPS.iter().map(|group| group.name).chain([Call::MEMORY_EXEC.name()]);
    let all = groups.chain(TABLE.iter().map(|row| row.name));
    all.filter(|name| named(name).is_ok_and(|calls| check(name, &calls).is_ok())).collect()
}

/// What a profile answers to a call.
pub(crate) fn profile_answer(profile: SyscallProfile, row: &Row) -> Answer<'static> {
    match profile {
        SyscallProfile::Strict => row.strict,
        SyscallProfile::Standard => row.standard,
        SyscallProfile::Compiler => row.compiler(),
    }
}

pub(crate) fn lets_pass(answer: &Answer<'_>) -> bool {
    match answer {
        Answer::Fixed(verdict) => verdict.passes(),
        Answer::Ruled(_) => true,
    }
}

/// Whether `profile` lets `call` pass, under conditions or without.
pub(crate) fn permits(profile: SyscallProfile, call: Call) -> bool {
    call == Call::MEMORY_EXEC
        || TABLE
            .iter()
            .find(|row| row.name == call.0)
            .is_some_and(|row| lets_pass(&profile_answer(profile, row)))
}

/// Every call, for tests that go through all of them.
#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = Call> {
    TABLE.iter().map(|row| Call(row.name)).chain([Call::MEMORY_EXEC])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_name_calls_of_the_table_and_none_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for name in GROUPS.iter().flat_map(|group| group.calls) {
            assert!(TABLE.iter().any(|row| row.name == *name), "{name}");
            assert!(seen.insert(name), "{name}");
        }
        assert!(NEEDED.iter().all(|name| TABLE.iter().any(|row| row.name == *name)));
    }

    #[test]
    fn every_call_that_standard_refuses_may_be_added_or_has_a_reason_why_not() {
        for row in TABLE.iter().filter(|row| !lets_pass(&row.standard)) {
            assert!(GROUPS.iter().any(|group| group.calls.contains(&row.name)), "{}", row.name);
        }
        for group in GROUPS.iter().filter(|group| !group.addable) {
            for name in group.calls {
                assert!(!permits(SyscallProfile::Compiler, Call(name)), "{name}");
            }
        }
    }

    #[test]
    fn what_every_program_needs_is_in_every_profile() {
        for name in NEEDED {
            assert!(permits(SyscallProfile::Strict, Call(name)), "{name}");
        }
    }

    #[test]
    fn the_page_lists_every_group_with_its_calls() {
        let page = include_str!("../../../docs/policy.md");
        for group in GROUPS {
            let start = format!("| `{}` | ", group.name);
            let row = page.lines().find(|line| line.starts_with(&start));
            let row = row.unwrap_or_else(|| panic!("no row for {}", group.name));
            assert!(group.calls.iter().all(|call| row.contains(&format!("`{call}`"))), "{row}");
            assert_eq!(row.contains("never"), !group.addable, "{row}");
        }
        assert!(page.contains("| `@memory-exec` | "));
    }
}
