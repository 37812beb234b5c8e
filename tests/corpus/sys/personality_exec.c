// attack: everything that is readable executable
// claim: SYS-1
// expect: EPERM
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call personality(0x400000)
#include "../attempt.h"

static long attempt(void)
{
    return personality(READ_IMPLIES_EXEC);
}
