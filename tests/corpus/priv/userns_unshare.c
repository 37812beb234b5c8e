// attack: a user namespace by unshare(2): the way into most of the kernel's privileged surface
// seen: CVE-2022-0185, CVE-2022-0492
// claim: PRIV-3
// expect: EPERM
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call unshare
#include "../attempt.h"

static long attempt(void)
{
    return unshare(CLONE_NEWUSER);
}
