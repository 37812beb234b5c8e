// attack: a descriptor of init's taken
// claim: PROC-2
// expect: EPERM | ENOSYS
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp system_call pidfd_getfd
#include "../attempt.h"

static long attempt(void)
{
    int init = (int)syscall(SYS_pidfd_open, 1, 0);
    return init < 0 ? -1 : syscall(SYS_pidfd_getfd, init, 0, 0);
}
