// attack: a segment of its own
// claim: SYS-1
// expect: ENOSYS | EPERM
// control: filter modify_ldt(0): EPERM | ENOSYS
// evidence: seccomp system_call modify_ldt
#include "../attempt.h"

static long attempt(void)
{
    char buffer[16];
    return syscall(SYS_modify_ldt, 0, buffer, sizeof buffer);
}
