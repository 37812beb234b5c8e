// attack: the kernel's log
// claim: SYS-2
// expect: EPERM
// control: without seccomp: EPERM
// control: root: EINVAL
// evidence: seccomp system_call syslog
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_syslog, 3, NULL, 0);
}
