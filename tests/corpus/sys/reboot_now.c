// attack: a restart of the host
// claim: SYS-2
// expect: EPERM
// control: without seccomp: EPERM
// control: root: EINVAL
// evidence: seccomp system_call reboot
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_reboot, 0, 0, 0, NULL);
}
