// attack: a swap area
// claim: SYS-2
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ENOENT
// evidence: seccomp system_call swapon
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_swapon, "x", 0);
}
