//! Every system call of x86-64 and what each profile answers to it: number, name, `standard`, `strict`, and
//! the filter of the sandbox's own init. Numbers and names are those of arch/x86/entry/syscalls/syscall_64.tbl
//! in Linux 6.18; a number that is not here is absent, or kills init.
//!
//! `y` lets the call go ahead, `done` answers success without it, `refused` is EPERM, `absent` and `hidden` are ENOSYS,
//! `-` kills, and a name stands for the rule of that name in `rules.rs`.
//!
//! What is `refused` or `hidden` is told as a denial; what is `absent` is not, because libraries probe for it by the way and
//! have something else. `noted` goes ahead, and what it names becomes evidence if another layer refuses it.

use super::answer::answer;
use super::rules;
use super::verdict::Answer;

/// One system call.
pub(crate) struct Row {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    pub(crate) standard: Answer<'static>,
    pub(crate) strict: Answer<'static>,
    pub(crate) init: Answer<'static>,
}

impl Row {
    /// `compiler` is `standard`, but that a program may switch off the randomization of its own addresses, as
    /// build systems do that want the same result on every run.
    pub(crate) fn compiler(&self) -> Answer<'static> {
        match self.name {
            "personality" => rules::PERSONALITY_COMPILER,
            _ => self.standard,
        }
    }
}

macro_rules! table {
    ($($number:literal $name:ident $standard:tt $strict:tt $init:tt;)*) => {
        pub(crate) const TABLE: &[Row] = &[$(Row {
            number: $number,
            name: stringify!($name),
            standard: answer!($standard),
            strict: answer!($strict),
            init: answer!($init),
        }),*];
    };
}

table! {
    // Reading and writing what is open.
      0 read                    y           y           y;
      1 write                   y           y           y;
      3 close                   y           y           y;
      8 lseek                   y           y           y;
     17 pread64                 y           y           y;
     18 pwrite64                y           y           -;
     19 readv                   y           y           -;
     20 writev                  y           y           -;
     22 pipe                    y           y           -;
     32 dup                     y           y           -;
     33 dup2                    y           y           -;
     40 sendfile                y           y           -;
     72 fcntl                   fcntl       fcntl_strict y;
     73 flock                   y           y           -;
     74 fsync                   done        done        -;
     75 fdatasync               done        done        -;
     77 ftruncate               y           y           -;
    187 readahead               y           y           -;
    221 fadvise64               y           y           -;
    277 sync_file_range         done        done        -;
    285 fallocate               y           y           -;
    292 dup3                    y           y           -;
    293 pipe2                   y           y           -;
    295 preadv                  y           y           -;
    296 pwritev                 y           y           -;
    326 copy_file_range         y           y           -;
    327 preadv2                 y           y           -;
    328 pwritev2                y           y           -;
    436 close_range             y           y           -;
    451 cachestat               y           absent      -;

    // Names of files: what they reach is the view's and Landlock's business.
      2 open                    y           y           -;
      4 stat                    y           y           -;
      5 fstat                   y           y           y;
      6 lstat                   y           y           -;
     21 access                  y           y           -;
     76 truncate                y           y           -;
     78 getdents                y           y           -;
     79 getcwd                  y           y           -;
     80 chdir                   y           y           -;
     81 fchdir                  y           y           -;
     82 rename                  y           y           -;
     83 mkdir                   y           y           -;
     84 rmdir                   y           y           -;
     85 creat                   y           y           -;
     86 link                    y           y           -;
     87 unlink                  y           y           -;
     88 symlink                 y           y           -;
     89 readlink                y           y           -;
     90 chmod                   y           y           -;
     91 fchmod                  y           y           -;
     92 chown                   y           y           -;
     93 fchown                  y           y           -;
     94 lchown                  y           y           -;
     95 umask                   y           y           -;
    132 utime                   y           y           -;
    137 statfs                  y           y           -;
    138 fstatfs                 y           y           -;
    217 getdents64              y           y           y;
    235 utimes                  y           y           -;
    257 openat                  y           y           y;
    258 mkdirat                 y           y           -;
    260 fchownat                y           y           -;
    261 futimesat               y           y           -;
    262 newfstatat              y           y           y;
    263 unlinkat                y           y           -;
    264 renameat                y           y           -;
    265 linkat                  y           y           -;
    266 symlinkat               y           y           -;
    267 readlinkat              y           y           y;
    268 fchmodat                y           y           -;
    269 faccessat               y           y           -;
    280 utimensat               y           y           -;
    316 renameat2               y           y           -;
    332 statx                   y           y           y;
    437 openat2                 y           y           y;
    439 faccessat2              y           y           -;
    452 fchmodat2               y           y           -;

    // FIFOs are made with these; device nodes need a capability that no job has.
    133 mknod                   y           refused     -;
    259 mknodat                 y           refused     -;

    // Extended attributes: read by tools that copy and list.
    188 setxattr                y           refused     -;
    189 lsetxattr               y           refused     -;
    190 fsetxattr               y           refused     -;
    191 getxattr                y           y           -;
    192 lgetxattr               y           y           -;
    193 fgetxattr               y           y           -;
    194 listxattr               y           y           -;
    195 llistxattr              y           y           -;
    196 flistxattr              y           y           -;
    197 removexattr             y           refused     -;
    198 lremovexattr            y           refused     -;
    199 fremovexattr            y           refused     -;
    463 setxattrat              absent      absent      -;
    464 getxattrat              absent      absent      -;
    465 listxattrat             absent      absent      -;
    466 removexattrat           absent      absent      -;
    468 file_getattr            absent      absent      -;
    469 file_setattr            absent      absent      -;

    // Memory. Shared libraries need executable mappings; just-in-time compilers need to make them.
      9 mmap                    y           y           y;
     10 mprotect                y           y           y;
     11 munmap                  y           y           y;
     12 brk                     y           y           y;
     25 mremap                  y           y           y;
     26 msync                   msync       msync       -;
     27 mincore                 y           y           -;
     28 madvise                 madvise     madvise     y;
    149 mlock                   y           absent      -;
    150 munlock                 y           absent      -;
    151 mlockall                y           absent      -;
    152 munlockall              y           absent      -;
    325 mlock2                  y           absent      -;
    329 pkey_mprotect           y           y           -;
    330 pkey_alloc              y           y           -;
    331 pkey_free               y           y           -;
    453 map_shadow_stack        y           y           -;
    462 mseal                   y           y           -;

    // Placement of memory on nodes.
    237 mbind                   absent      absent      -;
    238 set_mempolicy           absent      absent      -;
    239 get_mempolicy           y           absent      -;
    450 set_mempolicy_home_node absent      absent      -;

    // Processes and threads. clone3 hides its flags in memory that a filter cannot read: libc falls back to clone.
     24 sched_yield             y           y           y;
     39 getpid                  y           y           y;
     56 clone                   clone       clone       -;
     57 fork                    y           y           -;
     58 vfork                   y           y           -;
     59 execve                  noted       noted       -;
     60 exit                    y           y           y;
     61 wait4                   y           y           y;
    109 setpgid                 y           y           -;
    110 getppid                 y           y           -;
    111 getpgrp                 y           y           -;
    112 setsid                  y           y           -;
    121 getpgid                 y           y           -;
    124 getsid                  y           y           -;
    157 prctl                   prctl       prctl       mark;
    158 arch_prctl              y           y           -;
    186 gettid                  y           y           y;
    218 set_tid_address         y           y           -;
    231 exit_group              y           y           y;
    247 waitid                  y           y           y;
    273 set_robust_list         y           y           -;
    274 get_robust_list         y           y           -;
    322 execveat                execveat    execveat    -;
    324 membarrier              y           y           -;
    334 rseq                    y           y           -;
    434 pidfd_open              y           y           -;
    435 clone3                  absent      absent      -;

    // Scheduling: who has no capability can only be more modest.
    140 getpriority             y           y           -;
    141 setpriority             setpriority refused     -;
    142 sched_setparam          schedule_self refused     -;
    143 sched_getparam          y           y           -;
    144 sched_setscheduler      schedule_self refused     -;
    145 sched_getscheduler      y           y           -;
    146 sched_get_priority_max  y           y           -;
    147 sched_get_priority_min  y           y           -;
    148 sched_rr_get_interval   y           y           -;
    203 sched_setaffinity       schedule_self schedule_self -;
    204 sched_getaffinity       y           y           -;
    251 ioprio_set              ioprio_set  refused     -;
    252 ioprio_get              y           y           -;
    309 getcpu                  y           y           -;
    314 sched_setattr           schedule_self refused     -;
    315 sched_getattr           y           y           -;

    // Signals: the job's pid namespace bounds whom they reach.
     13 rt_sigaction            y           y           y;
     14 rt_sigprocmask          y           y           y;
     15 rt_sigreturn            y           y           y;
     34 pause                   y           y           -;
     62 kill                    y           y           y;
    127 rt_sigpending           y           y           -;
    128 rt_sigtimedwait         y           y           -;
    129 rt_sigqueueinfo         y           y           -;
    130 rt_sigsuspend           y           y           -;
    131 sigaltstack             y           y           y;
    200 tkill                   y           y           -;
    219 restart_syscall         y           y           y;
    234 tgkill                  y           y           -;
    282 signalfd                y           y           -;
    289 signalfd4               y           y           -;
    297 rt_tgsigqueueinfo       y           y           -;
    424 pidfd_send_signal       y           y           -;

    // Waiting and locks. The newer futex calls have the older one as their fallback.
      7 poll                    y           y           y;
     23 select                  y           y           -;
    202 futex                   y           y           y;
    213 epoll_create            y           y           -;
    232 epoll_wait              y           y           -;
    233 epoll_ctl               y           y           -;
    270 pselect6                y           y           -;
    271 ppoll                   y           y           y;
    281 epoll_pwait             y           y           -;
    284 eventfd                 y           y           -;
    290 eventfd2                y           y           -;
    291 epoll_create1           y           y           -;
    441 epoll_pwait2            y           y           -;
    449 futex_waitv             absent      absent      -;
    454 futex_wake              absent      absent      -;
    455 futex_wait              absent      absent      -;
    456 futex_requeue           absent      absent      -;

    // Time, read and waited for.
     35 nanosleep               y           y           -;
     36 getitimer               y           y           -;
     37 alarm                   y           y           -;
     38 setitimer               y           y           -;
     96 gettimeofday            y           y           -;
    201 time                    y           y           -;
    222 timer_create            y           y           -;
    223 timer_settime           y           y           -;
    224 timer_gettime           y           y           -;
    225 timer_getoverrun        y           y           -;
    226 timer_delete            y           y           -;
    228 clock_gettime           y           y           y;
    229 clock_getres            y           y           -;
    230 clock_nanosleep         y           y           -;
    283 timerfd_create          y           y           -;
    286 timerfd_settime         y           y           -;
    287 timerfd_gettime         y           y           -;

    // Who and where one is. Ids cannot be changed to anything: the job's user namespace maps one.
     63 uname                   y           y           -;
     97 getrlimit               y           y           -;
     98 getrusage               y           y           y;
     99 sysinfo                 y           y           -;
    100 times                   y           y           -;
    102 getuid                  y           y           -;
    104 getgid                  y           y           -;
    105 setuid                  y           refused     -;
    106 setgid                  y           refused     -;
    107 geteuid                 y           y           -;
    108 getegid                 y           y           -;
    113 setreuid                y           refused     -;
    114 setregid                y           refused     -;
    115 getgroups               y           y           -;
    116 setgroups               y           refused     -;
    117 setresuid               y           refused     -;
    118 getresuid               y           y           -;
    119 setresgid               y           refused     -;
    120 getresgid               y           y           -;
    122 setfsuid                y           refused     -;
    123 setfsgid                y           refused     -;
    125 capget                  y           y           -;
    126 capset                  y           refused     -;
    135 personality             personality personality -;
    160 setrlimit               setrlimit   setrlimit   -;
    302 prlimit64               prlimit     prlimit     -;
    318 getrandom               y           y           y;

    // Terminals and devices that are open.
     16 ioctl                   ioctl       ioctl       notify;

    // Sockets. Under `strict` none that has a name; pairs, and what is done with them.
     41 socket                  socket      refused     -;
     42 connect                 noted       refused     -;
     43 accept                  y           refused     -;
     44 sendto                  sendto      sendto      -;
     45 recvfrom                y           y           -;
     46 sendmsg                 noted       noted       -;
     47 recvmsg                 y           y           -;
     48 shutdown                y           y           -;
     49 bind                    y           refused     -;
     50 listen                  y           refused     -;
     51 getsockname             y           y           -;
     52 getpeername             y           y           -;
     53 socketpair              socketpair  socketpair  -;
     54 setsockopt              setsockopt  setsockopt  -;
     55 getsockopt              y           y           -;
    288 accept4                 y           refused     -;
    299 recvmmsg                y           refused     -;
    307 sendmmsg                noted       refused     -;

    // System V and POSIX message passing, in the job's own ipc namespace.
     29 shmget                  y           refused     -;
     30 shmat                   y           refused     -;
     31 shmctl                  y           refused     -;
     64 semget                  y           refused     -;
     65 semop                   y           refused     -;
     66 semctl                  y           refused     -;
     67 shmdt                   y           refused     -;
     68 msgget                  y           refused     -;
     69 msgsnd                  y           refused     -;
     70 msgrcv                  y           refused     -;
     71 msgctl                  y           refused     -;
    220 semtimedop              y           refused     -;
    240 mq_open                 y           refused     -;
    241 mq_unlink               y           refused     -;
    242 mq_timedsend            y           refused     -;
    243 mq_timedreceive         y           refused     -;
    244 mq_notify               y           refused     -;
    245 mq_getsetattr           y           refused     -;

    // Pages moved between pipes: a history of writes to files that were only readable.
    275 splice                  y           absent      -;
    276 tee                     y           absent      -;
    278 vmsplice                hidden      hidden      -;

    // Watching files.
    253 inotify_init            y           absent      -;
    254 inotify_add_watch       refused     absent      -;
    255 inotify_rm_watch        y           absent      -;
    294 inotify_init1           y           absent      -;
    300 fanotify_init           refused     refused     -;
    301 fanotify_mark           refused     refused     -;

    // A job may confine itself further.
    317 seccomp                 y           refused     -;
    444 landlock_create_ruleset y           y           -;
    445 landlock_add_rule       y           y           -;
    446 landlock_restrict_self  y           y           -;

    // Files without a name are on no mount, so nothing keeps them from being executed.
    319 memfd_create            hidden      hidden      -;
    447 memfd_secret            hidden      hidden      -;

    // Asynchronous I/O past the filter, page faults served by the job, keys shared with others of its id.
    206 io_setup                hidden      hidden      -;
    207 io_destroy              hidden      hidden      -;
    208 io_getevents            hidden      hidden      -;
    209 io_submit               hidden      hidden      -;
    210 io_cancel               hidden      hidden      -;
    216 remap_file_pages        hidden      hidden      -;
    248 add_key                 hidden      hidden      -;
    249 request_key             hidden      hidden      -;
    250 keyctl                  hidden      hidden      -;
    323 userfaultfd             hidden      hidden      -;
    333 io_pgetevents           hidden      hidden      -;
    425 io_uring_setup          hidden      hidden      -;
    426 io_uring_enter          hidden      hidden      -;
    427 io_uring_register       hidden      hidden      -;

    // Other processes' memory, descriptors and secrets.
    101 ptrace                  refused     refused     -;
    256 migrate_pages           refused     refused     -;
    279 move_pages              refused     refused     -;
    310 process_vm_readv        refused     refused     y;
    311 process_vm_writev       refused     refused     -;
    312 kcmp                    refused     refused     -;
    438 pidfd_getfd             refused     refused     y;
    440 process_madvise         refused     refused     -;
    448 process_mrelease        refused     refused     -;

    // Namespaces, mounts and roots.
    155 pivot_root              refused     refused     -;
    161 chroot                  refused     refused     -;
    165 mount                   refused     refused     -;
    166 umount2                 refused     refused     -;
    272 unshare                 refused     refused     -;
    303 name_to_handle_at       refused     refused     -;
    304 open_by_handle_at       refused     refused     -;
    308 setns                   refused     refused     -;
    428 open_tree               refused     refused     -;
    429 move_mount              refused     refused     -;
    430 fsopen                  refused     refused     -;
    431 fsconfig                refused     refused     -;
    432 fsmount                 refused     refused     -;
    433 fspick                  refused     refused     -;
    442 mount_setattr           refused     refused     -;
    457 statmount               absent      absent      -;
    458 listmount               absent      absent      -;
    467 open_tree_attr          refused     refused     -;

    // The host as a whole. sync and syncfs wait for disks that are not the job's.
    103 syslog                  refused     refused     -;
    136 ustat                   refused     refused     -;
    139 sysfs                   refused     refused     -;
    153 vhangup                 refused     refused     -;
    154 modify_ldt              refused     refused     -;
    159 adjtimex                refused     refused     -;
    162 sync                    refused     refused     -;
    163 acct                    refused     refused     -;
    164 settimeofday            refused     refused     -;
    167 swapon                  refused     refused     -;
    168 swapoff                 refused     refused     -;
    169 reboot                  refused     refused     -;
    170 sethostname             refused     refused     -;
    171 setdomainname           refused     refused     -;
    172 iopl                    refused     refused     -;
    173 ioperm                  refused     refused     -;
    175 init_module             refused     refused     -;
    176 delete_module           refused     refused     -;
    179 quotactl                refused     refused     -;
    212 lookup_dcookie          refused     refused     -;
    227 clock_settime           refused     refused     -;
    246 kexec_load              refused     refused     -;
    298 perf_event_open         refused     refused     -;
    305 clock_adjtime           refused     refused     -;
    306 syncfs                  refused     refused     -;
    313 finit_module            refused     refused     -;
    320 kexec_file_load         refused     refused     -;
    321 bpf                     refused     refused     -;
    443 quotactl_fd             refused     refused     -;
    459 lsm_get_self_attr       absent      absent      -;
    460 lsm_set_self_attr       absent      absent      -;
    461 lsm_list_modules        absent      absent      -;

    // Numbers that the kernel has given up.
    134 uselib                  absent      absent      -;
    156 _sysctl                 absent      absent      -;
    174 create_module           absent      absent      -;
    177 get_kernel_syms         absent      absent      -;
    178 query_module            absent      absent      -;
    180 nfsservctl              absent      absent      -;
    181 getpmsg                 absent      absent      -;
    182 putpmsg                 absent      absent      -;
    183 afs_syscall             absent      absent      -;
    184 tuxcall                 absent      absent      -;
    185 security                absent      absent      -;
    205 set_thread_area         absent      absent      -;
    211 get_thread_area         absent      absent      -;
    214 epoll_ctl_old           absent      absent      -;
    215 epoll_wait_old          absent      absent      -;
    236 vserver                 absent      absent      -;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_number_of_the_kernels_table_is_here_once() {
        let mut names = BTreeMap::new();
        for row in TABLE {
            assert_eq!(names.insert(row.number, row.name), None, "{}", row.number);
        }
        let numbers: Vec<u32> = names.into_keys().collect();
        assert_eq!(numbers, (0..335).chain(424..470).collect::<Vec<u32>>());
    }

    macro_rules! libc_numbers {
        ($($name:ident)*) => { [$((stringify!($name), libc::$name)),*] };
    }

    #[test]
    fn numbers_agree_with_libc() {
        let libc = libc_numbers! {
            SYS_read SYS_write SYS_open SYS_close SYS_stat SYS_fstat SYS_lstat SYS_poll
            SYS_lseek SYS_mmap SYS_mprotect SYS_munmap SYS_brk SYS_rt_sigaction
            SYS_rt_sigprocmask SYS_rt_sigreturn SYS_ioctl SYS_pread64 SYS_pwrite64 SYS_readv
            SYS_writev SYS_access SYS_pipe SYS_select SYS_sched_yield SYS_mremap SYS_msync
            SYS_mincore SYS_madvise SYS_shmget SYS_shmat SYS_shmctl SYS_dup SYS_dup2 SYS_pause
            SYS_nanosleep SYS_getitimer SYS_alarm SYS_setitimer SYS_getpid SYS_sendfile
            SYS_socket SYS_connect SYS_accept SYS_sendto SYS_recvfrom SYS_sendmsg SYS_recvmsg
            SYS_shutdown SYS_bind SYS_listen SYS_getsockname SYS_getpeername SYS_socketpair
            SYS_setsockopt SYS_getsockopt SYS_clone SYS_fork SYS_vfork SYS_execve SYS_exit
            SYS_wait4 SYS_kill SYS_uname SYS_semget SYS_semop SYS_semctl SYS_shmdt SYS_msgget
            SYS_msgsnd SYS_msgrcv SYS_msgctl SYS_fcntl SYS_flock SYS_fsync SYS_fdatasync
            SYS_truncate SYS_ftruncate SYS_getdents SYS_getcwd SYS_chdir SYS_fchdir SYS_rename
            SYS_mkdir SYS_rmdir SYS_creat SYS_link SYS_unlink SYS_symlink SYS_readlink SYS_chmod
            SYS_fchmod SYS_chown SYS_fchown SYS_lchown SYS_umask SYS_gettimeofday SYS_getrlimit
            SYS_getrusage SYS_sysinfo SYS_times SYS_ptrace SYS_getuid SYS_syslog SYS_getgid
            SYS_setuid SYS_setgid SYS_geteuid SYS_getegid SYS_setpgid SYS_getppid SYS_getpgrp
            SYS_setsid SYS_setreuid SYS_setregid SYS_getgroups SYS_setgroups SYS_setresuid
            SYS_getresuid SYS_setresgid SYS_getresgid SYS_getpgid SYS_setfsuid SYS_setfsgid
            SYS_getsid SYS_capget SYS_capset SYS_rt_sigpending SYS_rt_sigtimedwait
            SYS_rt_sigqueueinfo SYS_rt_sigsuspend SYS_sigaltstack SYS_utime SYS_mknod SYS_uselib
            SYS_personality SYS_ustat SYS_statfs SYS_fstatfs SYS_sysfs SYS_getpriority
            SYS_setpriority SYS_sched_setparam SYS_sched_getparam SYS_sched_setscheduler
            SYS_sched_getscheduler SYS_sched_get_priority_max SYS_sched_get_priority_min
            SYS_sched_rr_get_interval SYS_mlock SYS_munlock SYS_mlockall SYS_munlockall
            SYS_vhangup SYS_modify_ldt SYS_pivot_root SYS__sysctl SYS_prctl SYS_arch_prctl
            SYS_adjtimex SYS_setrlimit SYS_chroot SYS_sync SYS_acct SYS_settimeofday SYS_mount
            SYS_umount2 SYS_swapon SYS_swapoff SYS_reboot SYS_sethostname SYS_setdomainname
            SYS_iopl SYS_ioperm SYS_init_module SYS_delete_module SYS_quotactl SYS_nfsservctl
            SYS_getpmsg SYS_putpmsg SYS_afs_syscall SYS_tuxcall SYS_security SYS_gettid
            SYS_readahead SYS_setxattr SYS_lsetxattr SYS_fsetxattr SYS_getxattr SYS_lgetxattr
            SYS_fgetxattr SYS_listxattr SYS_llistxattr SYS_flistxattr SYS_removexattr
            SYS_lremovexattr SYS_fremovexattr SYS_tkill SYS_time SYS_futex SYS_sched_setaffinity
            SYS_sched_getaffinity SYS_set_thread_area SYS_io_setup SYS_io_destroy
            SYS_io_getevents SYS_io_submit SYS_io_cancel SYS_get_thread_area SYS_lookup_dcookie
            SYS_epoll_create SYS_epoll_ctl_old SYS_epoll_wait_old SYS_remap_file_pages
            SYS_getdents64 SYS_set_tid_address SYS_restart_syscall SYS_semtimedop SYS_fadvise64
            SYS_timer_create SYS_timer_settime SYS_timer_gettime SYS_timer_getoverrun
            SYS_timer_delete SYS_clock_settime SYS_clock_gettime SYS_clock_getres
            SYS_clock_nanosleep SYS_exit_group SYS_epoll_wait SYS_epoll_ctl SYS_tgkill
            SYS_utimes SYS_vserver SYS_mbind SYS_set_mempolicy SYS_get_mempolicy SYS_mq_open
            SYS_mq_unlink SYS_mq_timedsend SYS_mq_timedreceive SYS_mq_notify SYS_mq_getsetattr
            SYS_kexec_load SYS_waitid SYS_add_key SYS_request_key SYS_keyctl SYS_ioprio_set
            SYS_ioprio_get SYS_inotify_init SYS_inotify_add_watch SYS_inotify_rm_watch
            SYS_migrate_pages SYS_openat SYS_mkdirat SYS_mknodat SYS_fchownat SYS_futimesat
            SYS_newfstatat SYS_unlinkat SYS_renameat SYS_linkat SYS_symlinkat SYS_readlinkat
            SYS_fchmodat SYS_faccessat SYS_pselect6 SYS_ppoll SYS_unshare SYS_set_robust_list
            SYS_get_robust_list SYS_splice SYS_tee SYS_sync_file_range SYS_vmsplice
            SYS_move_pages SYS_utimensat SYS_epoll_pwait SYS_signalfd SYS_timerfd_create
            SYS_eventfd SYS_fallocate SYS_timerfd_settime SYS_timerfd_gettime SYS_accept4
            SYS_signalfd4 SYS_eventfd2 SYS_epoll_create1 SYS_dup3 SYS_pipe2 SYS_inotify_init1
            SYS_preadv SYS_pwritev SYS_rt_tgsigqueueinfo SYS_perf_event_open SYS_recvmmsg
            SYS_fanotify_init SYS_fanotify_mark SYS_prlimit64 SYS_name_to_handle_at
            SYS_open_by_handle_at SYS_clock_adjtime SYS_syncfs SYS_sendmmsg SYS_setns SYS_getcpu
            SYS_process_vm_readv SYS_process_vm_writev SYS_kcmp SYS_finit_module
            SYS_sched_setattr SYS_sched_getattr SYS_renameat2 SYS_seccomp SYS_getrandom
            SYS_memfd_create SYS_kexec_file_load SYS_bpf SYS_execveat SYS_userfaultfd
            SYS_membarrier SYS_mlock2 SYS_copy_file_range SYS_preadv2 SYS_pwritev2
            SYS_pkey_mprotect SYS_pkey_alloc SYS_pkey_free SYS_statx SYS_rseq
            SYS_pidfd_send_signal SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register
            SYS_open_tree SYS_move_mount SYS_fsopen SYS_fsconfig SYS_fsmount SYS_fspick
            SYS_pidfd_open SYS_clone3 SYS_close_range SYS_openat2 SYS_pidfd_getfd SYS_faccessat2
            SYS_process_madvise SYS_epoll_pwait2 SYS_mount_setattr SYS_quotactl_fd
            SYS_landlock_create_ruleset SYS_landlock_add_rule SYS_landlock_restrict_self
            SYS_memfd_secret SYS_process_mrelease SYS_futex_waitv SYS_set_mempolicy_home_node
            SYS_fchmodat2 SYS_mseal
        };
        for (name, number) in libc {
            let name = name.trim_start_matches("SYS_");
            let row = TABLE.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no `{name}`"));
            assert_eq!(i64::from(row.number), number, "{name}");
        }
    }
}
