/*
 * Tries one thing a job must not get away with and says what the kernel answered: "NAME ok" when it worked,
 * "NAME ERRNO" when it was refused. Run inside a sandbox it must be refused; run outside, by an unprivileged
 * user of the bare host, the same call shows that the probe itself is sound.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* linux/socket.h; not in every libc. */
#ifndef AF_VSOCK
#define AF_VSOCK 40
#endif
#ifndef AF_XDP
#define AF_XDP 44
#endif

struct probe {
    const char *name;
    long (*run)(void);
};

static long userns_unshare(void) { return unshare(CLONE_NEWUSER); }
static long userns_clone3(void)
{
    struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid;
}
static long userns_clone(void)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid;
}
static long thread_clone3_probe(void)
{
    /* What libc does first for every thread: must be ENOSYS so that it falls back, not a failure. */
    return syscall(SYS_clone3, NULL, 0);
}
static long io_uring(void)
{
    char params[120] = { 0 };
    return syscall(SYS_io_uring_setup, 8, params);
}
static long userfaultfd(void) { return syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */); }
static long bpf(void)
{
    char attr[64] = { 0 };
    return syscall(SYS_bpf, 0, attr, sizeof attr);
}
static long perf(void)
{
    char attr[128] = { 0 };
    return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0);
}
static long keyctl(void) { return syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, 0); }
static long add_key(void) { return syscall(SYS_add_key, "user", "x", "y", 1, -2 /* KEY_SPEC_PROCESS_KEYRING */); }
static long socket_of(int family, int type, int protocol) { return socket(family, type, protocol); }
static long af_alg(void) { return socket_of(AF_ALG, SOCK_SEQPACKET, 0); }
static long af_vsock(void) { return socket_of(AF_VSOCK, SOCK_STREAM, 0); }
static long af_packet(void) { return socket_of(AF_PACKET, SOCK_RAW, 0); }
static long af_xdp(void) { return socket_of(AF_XDP, SOCK_RAW, 0); }
static long netlink_route(void) { return socket_of(AF_NETLINK, SOCK_RAW, 0 /* NETLINK_ROUTE */); }
static long netlink_xfrm(void) { return socket_of(AF_NETLINK, SOCK_RAW, 6 /* NETLINK_XFRM */); }
static long netlink_netfilter(void) { return socket_of(AF_NETLINK, SOCK_RAW, 12 /* NETLINK_NETFILTER */); }
static long personality_random(void) { return personality(ADDR_NO_RANDOMIZE); }
static long tiocsti(void) { return ioctl(0, 0x5412, "x"); }
static long tiocsti_high(void)
{
    /* The kernel looks at 32 bits of the command, a filter that compares 64 lets this through. */
    return syscall(SYS_ioctl, 0, 0x100005412UL, "x");
}
static long tioclinux(void)
{
    char paste = 3;
    return ioctl(0, 0x541c, &paste);
}
static long memfd_exec(void)
{
    static const char script[] = "#!/bin/sh\nexit 0\n";
    int fd = (int)syscall(SYS_memfd_create, "x", 0);
    if (fd < 0)
        return -1;
    if (write(fd, script, sizeof script - 1) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        char *argv[] = { "x", NULL };
        syscall(SYS_execveat, fd, "", argv, NULL, AT_EMPTY_PATH);
        _exit(errno);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    errno = WEXITSTATUS(status);
    return errno ? -1 : 0;
}
static long mount_tmpfs(void) { return mount("none", "/tmp", "tmpfs", 0, NULL); }
static long clone_tree(void) { return syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */); }
static long open_fs(void) { return syscall(SYS_fsopen, "ext4", 0); }
static long remount(void) { return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL); }
static long umount_proc(void) { return umount2("/proc", MNT_DETACH); }
static long handle(void)
{
    struct file_handle *h = calloc(1, sizeof *h + 8);
    h->handle_bytes = 8;
    h->handle_type = 1;
    h->f_handle[0] = 2;
    return open_by_handle_at(AT_FDCWD, h, O_RDONLY);
}
static long mknod_disk(void) { return mknod("disk", S_IFBLK | 0600, 8 << 8); }
static long chroot_here(void) { return chroot("."); }
static long ptrace_init(void) { return ptrace(PTRACE_ATTACH, 1, 0, 0); }
static long read_init(void)
{
    char byte;
    struct iovec local = { &byte, 1 }, remote = { (void *)0x400000, 1 };
    return process_vm_readv(1, &local, 1, &remote, 1, 0);
}
static long limit_init(void)
{
    unsigned long limit[2] = { 3, 3 };
    return syscall(SYS_prlimit64, 1, 7 /* RLIMIT_NOFILE */, limit, NULL);
}
static long open_init_memory(void) { return open("/proc/1/mem", O_RDWR); }
static long setuid_root(void) { return setresuid(0, 0, 0); }
static long setns_init(void)
{
    int fd = open("/proc/1/ns/mnt", O_RDONLY);
    return fd < 0 ? -1 : setns(fd, 0);
}
static long securebits(void) { return prctl(PR_SET_SECUREBITS, 0, 0, 0, 0); }
static long connect_tcp(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof to);
}
static long send_udp(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    return fd < 0 ? -1 : sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to);
}
static long module(void) { return syscall(SYS_init_module, NULL, 0, ""); }
static long kexec(void) { return syscall(SYS_kexec_load, 0, 0, NULL, 0); }
static long syslog_read(void) { return syscall(SYS_syslog, 3, NULL, 0); }
static long quota(void) { return syscall(SYS_quotactl, 0, NULL, 0, NULL); }
static long reboot_now(void) { return syscall(SYS_reboot, 0, 0, 0, NULL); }
static long swap_on(void) { return syscall(SYS_swapon, "x", 0); }
static long kcmp_init(void) { return syscall(SYS_kcmp, 1, getpid(), 0, 0, 0); }

static long attach_filter(void)
{
    struct sock_filter accept_all = { 0x06, 0, 0, 0xffff };
    struct sock_fprog program = { 1, &accept_all };
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    return setsockopt(fd, SOL_SOCKET, 26 /* SO_ATTACH_FILTER */, &program, sizeof program);
}
static long bind_memory(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return syscall(SYS_mbind, page, 4096UL, 0 /* MPOL_DEFAULT */, NULL, 0UL, 0);
}
static long watch_directory(void)
{
    int fd = open("/tmp", O_RDONLY | O_DIRECTORY);
    return fd < 0 ? -1 : fcntl(fd, 1026 /* F_NOTIFY */, 1 /* DN_ACCESS */);
}
static long watch_files(void) { return inotify_add_watch(inotify_init1(0), "/tmp", IN_OPEN); }
static long core_limit(void)
{
    struct rlimit none = { 0, 0 };
    return setrlimit(RLIMIT_CORE, &none);
}
static long merge_memory(void) { return prctl(67 /* PR_SET_MEMORY_MERGE */, 0, 0, 0, 0); }
static long idle_init(void)
{
    struct sched_param none = { 0 };
    return sched_setscheduler(1, SCHED_IDLE, &none);
}

/* getpid through the 32-bit table: 20 there, writev in the 64-bit one. */
static long int80(void)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
    return result;
}
/* getpid with the x32 bit. */
static long x32(void) { return syscall(0x40000000L | SYS_getpid); }

static long open_files(void)
{
    for (int count = 0; count < 100000; count++)
        if (open("/dev/null", O_RDONLY) < 0)
            return -1;
    return 0;
}
static long write_text(void)
{
    int fd = open("/usr/bin/python3.11", O_WRONLY);
    return fd;
}
static long shm_segment(void) { return shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600); }

static const struct probe probes[] = {
    { "userns_unshare", userns_unshare }, { "userns_clone3", userns_clone3 },
    { "userns_clone", userns_clone }, { "thread_clone3_probe", thread_clone3_probe },
    { "io_uring", io_uring }, { "userfaultfd", userfaultfd }, { "bpf", bpf }, { "perf", perf },
    { "keyctl", keyctl }, { "add_key", add_key }, { "af_alg", af_alg }, { "af_vsock", af_vsock },
    { "af_packet", af_packet }, { "af_xdp", af_xdp }, { "netlink_route", netlink_route }, { "netlink_xfrm", netlink_xfrm },
    { "netlink_netfilter", netlink_netfilter }, { "personality_random", personality_random },
    { "tiocsti", tiocsti }, { "tiocsti_high", tiocsti_high }, { "tioclinux", tioclinux },
    { "memfd_exec", memfd_exec }, { "mount_tmpfs", mount_tmpfs }, { "clone_tree", clone_tree },
    { "open_fs", open_fs }, { "remount", remount }, { "umount_proc", umount_proc }, { "handle", handle },
    { "mknod_disk", mknod_disk }, { "chroot_here", chroot_here }, { "ptrace_init", ptrace_init },
    { "read_init", read_init }, { "limit_init", limit_init }, { "open_init_memory", open_init_memory },
    { "setuid_root", setuid_root }, { "setns_init", setns_init }, { "securebits", securebits },
    { "connect_tcp", connect_tcp }, { "send_udp", send_udp }, { "module", module }, { "kexec", kexec },
    { "syslog_read", syslog_read }, { "quota", quota }, { "reboot_now", reboot_now },
    { "swap_on", swap_on }, { "kcmp_init", kcmp_init }, { "int80", int80 }, { "x32", x32 },
    { "attach_filter", attach_filter }, { "bind_memory", bind_memory },
    { "watch_directory", watch_directory }, { "watch_files", watch_files }, { "core_limit", core_limit },
    { "merge_memory", merge_memory }, { "idle_init", idle_init },
    { "open_files", open_files }, { "write_text", write_text }, { "shm_segment", shm_segment },
};

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    for (size_t index = 0; index < sizeof probes / sizeof *probes; index++) {
        if (strcmp(probes[index].name, argv[1]) != 0)
            continue;
        errno = 0;
        long result = probes[index].run();
        if (result >= 0)
            printf("%s ok\n", argv[1]);
        else
            printf("%s %s\n", argv[1], strerrorname_np(errno) ? strerrorname_np(errno) : "?");
        return 0;
    }
    return 2;
}
