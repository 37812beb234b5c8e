// attack: a session keyring
// claim: SYS-1
// expect: ENOSYS
// control: without seccomp: ok
// control: bare: ok
// evidence: none: libraries ask for it and fall back, so it is a plain error number
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, 0);
}
