// attack: process accounting
// claim: SYS-2
// expect: EPERM
// control: filter acct(0): EPERM
// evidence: seccomp system_call acct
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_acct, NULL);
}
