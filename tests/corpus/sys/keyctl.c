// attack: a session keyring
// claim: SYS-1
// expect: ENOSYS
// control: without seccomp: ok
// control: bare: ok
// evidence: seccomp system_call keyctl
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, 0);
}
