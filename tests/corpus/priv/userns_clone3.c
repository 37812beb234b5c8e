// attack: a user namespace by clone3(2), whose flags no filter can read
// claim: PRIV-3
// expect: ENOSYS
// control: without seccomp: ok
// control: bare: ok
// evidence: none: libraries ask for it and fall back, so it is a plain error number
#include "../attempt.h"

static long attempt(void)
{
    struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid;
}
