// attack: a program that is nowhere but in memory, where neither a mount nor Landlock sees it
// claim: EXE-2
// expect: ENOSYS
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call memfd_create
#include "../attempt.h"

static long attempt(void)
{
    char bytes[65536];
    ssize_t len;
    int from = open("/proc/self/exe", O_RDONLY), to = (int)syscall(SYS_memfd_create, "x", 0);
    if (to < 0)
        return -1;
    while ((len = read(from, bytes, sizeof bytes)) > 0)
        if (write(to, bytes, (size_t)len) != len)
            return -1;
    pid_t child = fork();
    if (child == 0) {
        char *argv[] = { "x", "nothing", NULL };
        syscall(SYS_execveat, to, "", argv, NULL, AT_EMPTY_PATH);
        _exit(errno);
    }
    int status = 0;
    waitpid(child, &status, 0);
    errno = WEXITSTATUS(status);
    return errno ? -1 : 0;
}
