// attack: a group more
// claim: PRIV-2
// expect: EPERM
// control: without seccomp: EPERM
// control: root: ok
// evidence: none: the call passes, the kernel refuses it for want of a capability
#include "../attempt.h"

static long attempt(void)
{
    gid_t group = 0;
    return setgroups(1, &group);
}
