// attack: addresses that are not random
// claim: SYS-1
// expect: EPERM
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call personality(0x40000)
#include "../attempt.h"

static long attempt(void)
{
    return personality(ADDR_NO_RANDOMIZE);
}
