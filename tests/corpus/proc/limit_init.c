// attack: its limits lowered
// claim: PROC-2
// expect: EPERM
// control: without seccomp: ok
// control: root: ok
// evidence: seccomp system_call prlimit64(1, 7)
#include "../attempt.h"

static long attempt(void)
{
    unsigned long limit[2] = { 3, 3 };
    return syscall(SYS_prlimit64, 1, 7 /* RLIMIT_NOFILE */, limit, NULL);
}
