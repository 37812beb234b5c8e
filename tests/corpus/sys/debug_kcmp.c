// attack: kernel pointers compared
// claim: PROC-2
// expect: EPERM
// control: filter kcmp(1, 2): EPERM
// evidence: seccomp system_call kcmp
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0);
}
