// attack: its descriptors compared
// claim: PROC-2
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp system_call kcmp
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_kcmp, 1, getpid(), 0, 0, 0);
}
