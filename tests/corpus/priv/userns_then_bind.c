// attack: a user and a mount namespace, then the root bound into the work directory
// claim: PRIV-3
// expect: EPERM
// control: without seccomp: EPERM
// control: bare: ok
// evidence: seccomp system_call unshare
#include "../attempt.h"

static long attempt(void)
{
    if (mkdir("a", 0700) < 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return -1;
    return mount("/", "a", NULL, MS_BIND | MS_REC, NULL);
}
