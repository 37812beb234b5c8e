// attack: the secure bits unlocked
// claim: PRIV-1
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp system_call prctl(28)
#include "../attempt.h"

static long attempt(void)
{
    return prctl(PR_SET_SECUREBITS, 0, 0, 0, 0);
}
