// attack: a network namespace of its own
// claim: PRIV-3
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: seccomp system_call unshare
#include "../attempt.h"

static long attempt(void)
{
    return unshare(CLONE_NEWNET);
}
