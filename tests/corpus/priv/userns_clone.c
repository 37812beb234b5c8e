// attack: a user namespace by clone(2)
// claim: PRIV-3
// expect: EPERM
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call clone(0x10000000)
#include "../attempt.h"

static long attempt(void)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid;
}
