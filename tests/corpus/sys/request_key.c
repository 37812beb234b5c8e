// attack: a key asked for, which starts a program of the host's as root
// claim: SYS-1
// expect: ENOSYS
// control: without seccomp: ENOKEY
// control: bare: ENOKEY
// evidence: seccomp system_call request_key
#include "../attempt.h"

static long attempt(void)
{
    return syscall(SYS_request_key, "user", "stockade", NULL, 0);
}
