// attack: disk quotas
// claim: SYS-2
// expect: EPERM
// control: filter quotactl(0, 0, 0, 0): EPERM
// evidence: seccomp system_call quotactl
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_quotactl, 0, NULL, 0, NULL);
}
